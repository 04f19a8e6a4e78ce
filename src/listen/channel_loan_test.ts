import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed } from "../backend/mod.ts";
import { OPAQUE_TRAITS, type SqlTraits, sqlTraits, TxStatus } from "../protocol/mod.ts";
import { ChannelLoan, encodingOf } from "./channel_loan.ts";
import { FakeListener, FakeSession, MARKER } from "./fake_session_test.ts";
import { SessionNotifications } from "./session_notifications.ts";

const [LISTEN, NOTIFY, LISTS, SELECT, ROLLBACK]: SqlTraits[] = [
  "LISTEN b",
  "NOTIFY a",
  "SELECT pg_listening_channels()",
  "SELECT 1",
  "ROLLBACK",
].map((text) => sqlTraits(text)) as [SqlTraits, SqlTraits, SqlTraits, SqlTraits, SqlTraits];

/** A session that has handed over channel `a`, with a lease. */
function rig() {
  const session = new FakeSession();
  const listener = new FakeListener();
  const notifications = new SessionNotifications(session, listener.shared);
  const { subscription } = notifications;
  subscription.beginHandOver(100, new Set(["a"]));
  subscription.ownMarker(100);
  subscription.sharedMarker(100);
  const { server, stream } = fakeServer();
  return {
    session,
    listener,
    subscription,
    server,
    loan: new ChannelLoan(notifications, session.relay),
    /** LISTENs and NOTIFYs sent since the last call, the marker as `m`, a Sync as `|`. */
    async sent(): Promise<string> {
      await server.out.flush();
      return new TextDecoder().decode(stream.taken()).replaceAll("S\0\0\0\x04", "\0|\0").split("\0")
        .filter((part) => part === "|" || /^(UN)?LISTEN |^NOTIFY /.test(part))
        .join(" ").replaceAll(MARKER, "m");
    },
  };
}

Deno.test("ChannelLoan lends before a statement that speaks of channels, and before no other", async () => {
  const { loan, server, sent, listener, subscription } = rig();
  deepEqual([LISTEN!, NOTIFY!, LISTS!, SELECT!].map((traits) => loan.wants(traits)), [
    true,
    true,
    true,
    false,
  ]);
  loan.before(server, SELECT!, true);
  deepEqual([await sent(), loan.made], ["", false]);
  loan.before(server, NOTIFY!, true);
  equal(await sent(), `LISTEN "a" LISTEN "m" NOTIFY "m", '1' | UNLISTEN "m" |`);
  deepEqual([loan.made, [...loan.channels], subscription.lending], [true, ["a"], true]);
  equal(listener.taken().at(-1), "expect 1");
});

Deno.test("ChannelLoan wants nothing for a session without channels", () => {
  const { loan, subscription } = rig();
  subscription.discard();
  equal(loan.wants(LISTEN!), false);
});

Deno.test("ChannelLoan lends once, in the client's own transaction", async () => {
  const { loan, server, sent } = rig();
  server.noteStatus(TxStatus.InTransaction);
  loan.before(server, NOTIFY!, true);
  equal(await sent(), `LISTEN "a" LISTEN "m" NOTIFY "m", '1' |`);
  loan.before(server, NOTIFY!, true);
  equal(await sent(), "");
});

Deno.test("ChannelLoan shows channels only where that is seen before the end of a transaction", async () => {
  const { loan, server, sent } = rig();
  server.noteStatus(TxStatus.InTransaction);
  loan.before(server, LISTS!, true);
  equal(await sent(), "");
});

Deno.test("ChannelLoan lends again, by the same marker, where a ROLLBACK may have taken it back", async () => {
  const { loan, server, sent } = rig();
  server.noteStatus(TxStatus.InTransaction);
  loan.before(server, NOTIFY!, true);
  await sent();
  loan.before(server, ROLLBACK!, true);
  loan.before(server, NOTIFY!, true);
  equal(await sent(), `LISTEN "a" LISTEN "m" NOTIFY "m", '1' |`);
  // One statement of a batch that is too long to be looked at is no ROLLBACK.
  loan.before(server, OPAQUE_TRAITS, false);
  loan.before(server, NOTIFY!, true);
  equal(await sent(), "");
});

Deno.test("ChannelLoan listens to the marker again behind a LISTEN or UNLISTEN that may have ended it", async () => {
  const { loan, server, sent } = rig();
  server.noteStatus(TxStatus.InTransaction);
  loan.before(server, LISTEN!, true);
  await sent();
  equal(loan.unlistened, true);
  loan.beforeSync(server);
  equal(await sent(), `LISTEN "m"`);
  loan.beforeSync(server);
  equal(await sent(), "", "once");
});

Deno.test("ChannelLoan lends nothing to a server that would skip or refuse it, or reads names otherwise", async () => {
  const aborted = rig();
  aborted.server.noteStatus(TxStatus.Failed);
  aborted.loan.before(aborted.server, NOTIFY!, true);
  equal(await aborted.sent(), "");

  const skips = rig();
  skips.server.owed.sent(Owed.Parse);
  skips.server.owed.error("42601", () => {});
  skips.loan.before(skips.server, NOTIFY!, false);
  equal(await skips.sent(), "");

  const other = rig();
  other.listener.encoding = "LATIN1";
  other.loan.before(other.server, NOTIFY!, true);
  deepEqual([await other.sent(), encodingOf(other.server)], ["", "UTF8"]);
});

Deno.test("ChannelLoan puts no Sync into a batch that is open, and none of its own before the client's", async () => {
  const { loan, session, server, sent } = rig();
  session.progress.batchSent = true;
  loan.before(server, NOTIFY!, true);
  equal(await sent(), `LISTEN "a" LISTEN "m" NOTIFY "m", '1'`);
});

Deno.test("ChannelLoan.discarded: DISCARD ALL ends what was lent, and every channel", () => {
  const { loan, server, listener, subscription } = rig();
  loan.before(server, NOTIFY!, true);
  listener.taken();
  loan.discarded();
  deepEqual([subscription.channels.size, loan.channels.size, listener.taken()], [0, 0, ["retain "]]);
});

Deno.test("ChannelLoan.settled forgets the loan and its marker; lost and returned forget what was lent", () => {
  const { loan, server, listener } = rig();
  loan.before(server, NOTIFY!, true);
  listener.taken();
  loan.returned();
  deepEqual([loan.made, loan.channels.size], [true, 0]);
  loan.settled();
  deepEqual([loan.made, listener.taken()], [false, ["unexpect 1"]]);
  const again = rig();
  again.loan.before(again.server, NOTIFY!, true);
  again.loan.lost();
  deepEqual([again.loan.made, again.loan.channels.size], [false, 0]);
});
