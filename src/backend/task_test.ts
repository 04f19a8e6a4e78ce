import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import * as frontend from "../../tests/harness/frontend.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  encodeBack,
  encodeError,
  encodeParameterStatus,
  encodeQuery,
  encodeReadyForQuery,
  encodeSync,
  TxStatus,
} from "../protocol/mod.ts";
import { fakeServer } from "./fake_server_test.ts";
import { runQuery, runTask } from "./task.ts";

const joined = frontend.concat;
const ready = encodeReadyForQuery(TxStatus.Idle);
const complete = encodeBack(0x43, frontend.cstring("SELECT 1"));
const failure = (severity: "ERROR" | "FATAL", text: string) =>
  encodeError(severity, new PgplexError("restore_failed", text));

/** A DataRow. */
function row(...values: (string | null)[]): Uint8Array {
  const parts = values.flatMap((value) =>
    value === null ? [frontend.int32(-1)] : [frontend.int32(value.length), frontend.text(value)]
  );
  return encodeBack(0x44, joined([frontend.int16(values.length), ...parts]));
}

Deno.test("runQuery sends the query and brings its rows as text, NULLs as null", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  const result = runQuery(server, "SELECT 1");
  stream.say(row("1", null), row("", "x"), complete, ready);
  deepEqual(await result, { rows: [["1", null], ["", "x"]], error: null, status: TxStatus.Idle });
  deepEqual(stream.taken(), encodeQuery("SELECT 1"));
  equal(server.sink, null);
  server.close();
  await reader;
});

Deno.test("runQuery takes the unnamed statement from whoever had it", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  const holder = {};
  server.unnamed.parseSent(holder, 1, 0);
  const result = runQuery(server, "");
  equal(server.unnamed.holds(holder, 1), false);
  stream.say(ready);
  await result;
  server.close();
  await reader;
});

Deno.test("runTask takes its result in any pieces", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 30 })), async (sizes) => {
    const { server, stream } = fakeServer();
    const reader = server.start();
    const result = runTask(server, [encodeSync()], 1);
    const bytes = joined([row("1"), encodeParameterStatus("a", "b"), row("2"), complete, ready]);
    let at = 0;
    for (const size of sizes) stream.say(bytes.subarray(at, at += size));
    stream.say(bytes.subarray(at));
    deepEqual((await result).rows, [["1"], ["2"]]);
    equal(server.settings.values.get("a"), "b");
    server.close();
    await reader;
  }));
});

Deno.test("runTask waits for as many ReadyForQuery as it was told", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  let done = false;
  const result = runTask(server, [encodeSync(), encodeSync()], 2).then((value) => {
    done = true;
    return value;
  });
  stream.say(ready);
  await stream.drained();
  equal(done, false);
  stream.say(encodeReadyForQuery(TxStatus.InTransaction));
  equal((await result).status, TxStatus.InTransaction);
  equal(server.txStatus, TxStatus.InTransaction);
  server.close();
  await reader;
});

Deno.test("runTask puts a statement's first error into the result, and goes on to the end", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  const result = runTask(server, [encodeSync()], 1);
  stream.say(failure("ERROR", "first"), failure("ERROR", "second"), ready);
  equal((await result).error?.message, "first");
  server.close();
  await reader;
});

Deno.test("runTask whose statement failed leaves nothing behind for the connection's end", async () => {
  const { server, stream } = fakeServer();
  const ends: string[] = [];
  server.onIdleEnd((error) => ends.push(error.message));
  const reader = server.start();
  const result = runTask(server, [encodeSync()], 1);
  stream.say(failure("ERROR", "that one failed"), ready);
  await result;
  stream.end();
  await reader;
  deepEqual(ends, ["the server closed the connection unexpectedly"]);
});

Deno.test("runTask rejects when the connection ends, with what the server said", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  const result = runTask(server, [encodeSync()], 1);
  const refused = rejects(result, { message: "too bad", sqlstate: "58000" });
  stream.say(failure("FATAL", "too bad"));
  stream.end();
  await refused;
  await reader;
});

Deno.test("runTask rejects at once on a connection that is over", async () => {
  const { server } = fakeServer();
  server.close();
  await rejects(runTask(server, [encodeSync()], 1), { code: "server_lost" });
});

Deno.test("runTask rejects when the server sends a length that cannot be", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  const result = runTask(server, [encodeSync()], 1);
  const refused = rejects(result, { code: "server_protocol" });
  stream.say(Uint8Array.of(0x44, 0, 0, 0, 0));
  await refused;
  await reader;
});

Deno.test("runTask leaves to the idle connection what comes behind its last ReadyForQuery", async () => {
  const { server, stream } = fakeServer();
  const reader = server.start();
  const result = runTask(server, [encodeSync()], 1);
  const late = encodeParameterStatus("late", "1");
  stream.say(joined([ready, late.subarray(0, 8)]));
  await result;
  stream.say(late.subarray(8));
  await stream.drained();
  equal(server.settings.values.get("late"), "1");
  server.close();
  await reader;
});

Deno.test("Notifications that come before, among, and right behind the replies of a task are told at once", async () => {
  const { server, stream } = fakeServer();
  const told: number[] = [];
  server.onNotification((message) => told.push(message.at(-2)!));
  const reader = server.start();
  const notification = (payload: string) =>
    encodeBack(0x41, joined([frontend.int32(1), frontend.cstring("ch"), frontend.cstring(payload)]));
  const result = runQuery(server, "SELECT 1");
  stream.say(joined([notification("1"), complete, notification("2"), ready, notification("3")]));
  await result;
  deepEqual(told, [..."123"].map((digit) => digit.charCodeAt(0)));
  stream.say(notification("4"));
  await stream.drained();
  equal(told.length, 4, "also while nothing runs");
  server.close();
  await reader;
});
