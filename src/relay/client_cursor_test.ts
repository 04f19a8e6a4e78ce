import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { RecordingSink } from "../../tests/harness/rig.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed, restoreAhead, StatementStore } from "../backend/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { ClientCursor, Need } from "./client_cursor.ts";
import { Relay } from "./relay.ts";

const { concat, query, parse, sync } = frontend;

function leased() {
  const relay = new Relay(new RecordingSink(), new StatementStore(), {
    renames: true,
    preparedMax: 10,
    fingerprints: new Fingerprints(),
  });
  const { server, stream } = fakeServer();
  relay.leaseBegins(server, false);
  const cursor = new ClientCursor(relay);
  /** The message that begins at `at` is at hand. */
  const at = (bytes: Uint8Array, place = 0, end = bytes.length) => {
    cursor.start(bytes, place, end);
    cursor.beginMessage(place);
    cursor.readLength();
  };
  /** What went to the server. */
  const sent = async () => {
    await server.out.flush();
    return stream.taken();
  };
  return { relay, server, cursor, at, sent };
}

Deno.test("ClientCursor tells where a message lies, and how much of it has come", () => {
  const { cursor, at } = leased();
  const bytes = concat([sync(), query("abc")]);
  at(bytes, 5, 12);
  deepEqual(
    [String.fromCharCode(cursor.type), cursor.length, cursor.at, cursor.bodyStart, cursor.bodyBytes],
    ["Q", 8, 5, 10, 4],
  );
  deepEqual([cursor.messageEnd, cursor.seenEnd, cursor.whole, cursor.end], [14, 12, false, 12]);
  at(bytes, 5);
  deepEqual([cursor.seenEnd, cursor.whole], [14, true]);
});

Deno.test("ClientCursor passes a message as its body comes, and is at a boundary when it is gone", async () => {
  const { relay, cursor, at, sent } = leased();
  const bytes = query("abc");
  at(bytes, 0, 7);
  const next = cursor.pass();
  deepEqual([next, cursor.atMessageStart, relay.progress.midMessage], [5, false, true]);
  cursor.finish(cursor.takeRest(next));
  deepEqual(await sent(), bytes.subarray(0, 7));
  cursor.start(bytes, 7, bytes.length);
  cursor.finish(cursor.takeRest(7));
  deepEqual([await sent(), cursor.atMessageStart, relay.progress.boundary], [bytes.subarray(7), true, true]);
});

Deno.test("ClientCursor leaves a message out, between others that pass", async () => {
  const { relay, cursor, at, sent } = leased();
  const [before, left, behind] = [sync(), query("left out"), sync()];
  const bytes = concat([before, left, behind]);
  at(bytes);
  let next = cursor.passWhole();
  cursor.beginMessage(next);
  cursor.readLength();
  cursor.flush();
  next = cursor.drop();
  equal(relay.progress.midMessage, false);
  next = cursor.takeRest(next);
  cursor.beginMessage(next);
  cursor.readLength();
  cursor.finish(cursor.passWhole());
  deepEqual(await sent(), concat([before, behind]));
});

Deno.test("ClientCursor.record keeps what passes as the unnamed statement's body", async () => {
  const { relay, cursor, at, sent } = leased();
  const bytes = parse("abc");
  at(bytes);
  relay.names.unnamed.begin(cursor.bodyBytes);
  cursor.finish(cursor.takeRest(cursor.record()));
  deepEqual([await sent(), relay.names.unnamed.body], [bytes, bytes.subarray(5)]);
});

Deno.test("ClientCursor.replace puts another message in the place of the one at hand", async () => {
  const { cursor, at, sent } = leased();
  const bytes = concat([sync(), query("mine"), sync()]);
  at(bytes, 5);
  cursor.replace(query("another"));
  equal(cursor.bytes[cursor.bodyStart], "a".charCodeAt(0));
  const next = cursor.endReplacement(cursor.pass());
  deepEqual([next, cursor.at, cursor.bytes === bytes], [5 + query("mine").length, 5, true]);
  cursor.finish(bytes.length);
  deepEqual(await sent(), concat([query("another"), sync()]));
});

Deno.test("ClientCursor.endReplacement leaves the client's message to come again where the scan stopped", async () => {
  const { cursor, at, sent } = leased();
  const bytes = query("mine");
  at(bytes);
  cursor.replace(query("another"));
  equal(cursor.endReplacement(-1), -1);
  cursor.finish(cursor.at);
  equal((await sent()).length, 0);
});

Deno.test("ClientCursor says what the scan needs when it stops", () => {
  const { cursor, at } = leased();
  const bytes = query("abcdef");
  at(bytes, 0, 8);
  deepEqual([cursor.wantWhole(), cursor.wanted, cursor.need], [-1, bytes.length, Need.Bytes]);
  deepEqual([cursor.wantMore(), cursor.wanted], [-1, 9]);
  deepEqual([cursor.needLease(), cursor.need], [-1, Need.Lease]);
  deepEqual([cursor.needReplies(), cursor.need, cursor.doubtful], [-1, Need.Replies, false]);
  deepEqual([cursor.needNothing(), cursor.need], [-1, Need.End]);
  at(bytes);
  deepEqual([cursor.need, cursor.wanted], [Need.Bytes, 0]);
});

Deno.test("ClientCursor.awaitAhead flushes each restore that goes in front of a message, once", async () => {
  const { server, cursor, at, sent } = leased();
  const bytes = query("x");
  for (let i = 0; i < 2; i++) {
    restoreAhead(server, [{ name: "a.b", sql: "SET a.b TO 'x'" }]);
    for (let again = 0; again < 2; again++) {
      at(bytes);
      equal(cursor.awaitAhead(), true);
    }
    const all = await sent();
    deepEqual([...all.slice(-5)], [...frontend.flush()]);
    equal(all.slice(0, -5).at(-5) === frontend.flush()[0], false);
    for (let statement = 0; statement < 3; statement++) {
      for (const kind of [Owed.Parse, Owed.Bind, Owed.Execute]) server.owed.reply(kind);
    }
    at(bytes);
    equal(cursor.awaitAhead(), false);
  }
});

Deno.test("ClientCursor.awaitRestored stops behind a Sync behind a restore, until that is done", () => {
  const { server, cursor, at } = leased();
  const bytes = query("x");
  restoreAhead(server, [{ name: "a.b", sql: "SET a.b TO 'x'" }]);
  at(bytes);
  equal(cursor.awaitRestored(), false);
  // Where the restore fails, the server skips a Query.
  server.owed.sent(Owed.Query);
  equal(cursor.awaitRestored(), false);
  server.owed.sent(Owed.Sync);
  deepEqual([cursor.awaitRestored(), cursor.need, cursor.doubtful], [true, Need.Replies, true]);
  at(frontend.terminate());
  equal(cursor.awaitRestored(), false);
  at(bytes);
  for (let statement = 0; statement < 3; statement++) {
    for (const kind of [Owed.Parse, Owed.Bind, Owed.Execute]) server.owed.reply(kind);
  }
  equal(cursor.awaitRestored(), false);
});

Deno.test("ClientCursor.awaitRuns flushes an open batch once, and waits until it is answered, but not for a COPY", async () => {
  const { server, cursor, at, sent } = leased();
  const bytes = query("x");
  server.owed.sent(Owed.Execute);
  for (let i = 0; i < 2; i++) {
    at(bytes);
    deepEqual([cursor.awaitRuns(), cursor.need, cursor.doubtful], [true, Need.Replies, true]);
  }
  deepEqual(await sent(), frontend.flush());
  server.owed.reply(Owed.Execute);
  deepEqual([cursor.doubtful, cursor.awaitRuns(), cursor.awaitAll()], [false, false, false]);
  server.owed.sent(Owed.Parse);
  deepEqual([cursor.awaitRuns(), cursor.awaitAll()], [false, true]);
  server.owed.copyStarts();
  equal(cursor.awaitAll(), false);
});
