import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RecordingSink } from "../../tests/harness/rig.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed, StatementStore } from "../backend/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { sqlFingerprint, TxStatus } from "../protocol/mod.ts";
import type { ChannelLender } from "./channel_lender.ts";
import { Relay } from "./relay.ts";

function made({ sequencesForeign = false } = {}) {
  const store = new StatementStore();
  const relay = new Relay(new RecordingSink(), store, {
    renames: true,
    preparedMax: 10,
    fingerprints: new Fingerprints(),
  });
  const { server, stream } = fakeServer({ statements: store });
  relay.leaseBegins(server, sequencesForeign);
  const { preamble } = relay;
  const look = (sql: string) => relay.watch.look(new TextEncoder().encode(sql), 0, sql.length);
  /** The statement goes to the server; the texts of what goes before it. */
  const runs = async (sql: string, simple = true) => {
    preamble.runs(server, look(sql), simple);
    await server.out.flush();
    const sent = new TextDecoder().decode(stream.taken());
    return sent.split("\0").filter((part) => /^[A-Z]{4,}/.test(part)).join("; ");
  };
  return { relay, store, server, preamble, look, runs };
}

Deno.test("Preamble: nothing goes before most statements", async () => {
  const { server, preamble, look, runs } = made({ sequencesForeign: true });
  const select = look("SELECT 1");
  deepEqual([preamble.interferes(select), preamble.mustSettle(server, select)], [false, false]);
  equal(await runs("SELECT 1"), "");
});

Deno.test("Preamble discards what another session did with sequences, once, and not behind what ran already", async () => {
  const first = made({ sequencesForeign: true });
  equal(first.preamble.interferes(first.look("SELECT lastval()")), true);
  equal(await first.runs("SELECT lastval()"), "DISCARD SEQUENCES");
  equal(await first.runs("SELECT lastval()"), "");
  const later = made({ sequencesForeign: true });
  await later.runs("SELECT 1");
  equal(await later.runs("SELECT lastval()"), "");
  equal(await made().runs("SELECT lastval()"), "");
});

Deno.test("Preamble makes the server have the statements that a text names, parsed or run", async () => {
  const { relay, store, server, preamble, look, runs } = made();
  relay.names.set("s", store.use("SELECT 7\0\0\0"));
  equal(preamble.interferes(look("EXECUTE s")), true);
  equal(await runs("EXECUTE s"), "SELECT 7");
  equal(server.foreignNames.has("s"), true);
  server.foreignNames.clear();
  preamble.parses(server, look("EXECUTE s"));
  equal(server.foreignNames.has("s"), true);
});

Deno.test("Preamble: what EXECUTE runs of the protocol's statements has run, and what DEALLOCATE drops has not", async () => {
  const { relay, store, look, runs } = made();
  const text = "SELECT setseed(1)";
  const seeds = look(text);
  const statement = store.use(`${text}\0\0\0`);
  statement.hash = sqlFingerprint(new TextEncoder().encode(text), 0, text.length);
  relay.names.set("s", statement);
  await runs("DEALLOCATE s");
  equal(relay.watch.unseen.includes(seeds), false);
  await runs("EXECUTE s");
  equal(relay.watch.unseen.includes(seeds), true);
});

Deno.test("Preamble shows the session's statements under its names to what lists them", async () => {
  const { relay, store, server, runs } = made();
  const statement = store.use("SELECT 7\0\0\0");
  relay.names.set("s", statement);
  server.prepared.add(statement);
  equal(await runs("SELECT * FROM pg_prepared_statements"), "SELECT 7");
  deepEqual([server.prepared.size, server.foreignNames.has("s")], [0, true]);
});

Deno.test("Preamble waits while it is not known what a name stands for, and in an aborted transaction", () => {
  const { relay, store, server, preamble, look } = made();
  const execute = look("EXECUTE s");
  const also = { done() {}, undo() {} };
  const change = relay.changes.make("s", {
    statement: store.use("a"),
    order: null,
    path: null,
    batch: 0,
    also,
  });
  server.owed.sent(Owed.Sync);
  equal(preamble.mustSettle(server, execute), true);
  change.done();
  equal(preamble.mustSettle(server, execute), false);
  server.noteStatus(TxStatus.Failed);
  equal(preamble.mustSettle(server, execute), true);
  relay.progress.batchGoesOn();
  equal(preamble.mustSettle(server, execute), false);
});

Deno.test("Preamble lends channels before what speaks of them, once all is answered", async () => {
  const { server, preamble, look, runs } = made();
  const lent: unknown[] = [];
  const lender: ChannelLender = {
    wants: ({ notifies }) => notifies,
    before: (_, { notifies }, simple) => lent.push([notifies, simple]),
    beforeSync() {},
    discarded() {},
  };
  preamble.lendBy(lender);
  equal(preamble.lender, lender);
  const notify = look("NOTIFY a");
  equal(preamble.interferes(notify), true);
  await runs("NOTIFY a", false);
  deepEqual(lent, [[true, false]]);
  server.owed.sent(Owed.Query);
  equal(preamble.mustSettle(server, notify), true);
});

Deno.test("Preamble notes DEALLOCATE ALL in a query, and a RESET that concerns the name of the login", async () => {
  const { relay, server, runs } = made();
  relay.loginName.greeted("me");
  await runs("RESET ALL", false);
  equal(relay.loginName.mayBeReset, true);
  await runs("DEALLOCATE ALL", false);
  equal(relay.changes.drops.pending, false); // bound
  await runs("DEALLOCATE ALL", true);
  server.owed.sent(Owed.Query);
  equal(relay.changes.drops.doubtful(server.owed), true);
});
