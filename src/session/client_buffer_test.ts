import { deepStrictEqual as deepEqual, notStrictEqual, strictEqual as equal } from "node:assert/strict";
import { FakeStream } from "../backend/fake_server_test.ts";
import { BufferPool, LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES } from "../transport/mod.ts";
import { ClientBuffer } from "./client_buffer.ts";

/** Bytes 0, 1, 2, … */
const bytesOf = (count: number) => Uint8Array.from({ length: count }, (_, i) => i);

function rig() {
  const stream = new FakeStream();
  const pool = new BufferPool();
  const input = new ClientBuffer(pool, stream);
  /** The client says this, and it is read in one go. */
  const read = async (said: Uint8Array, wanted = 0) => {
    stream.say(said);
    const n = await input.read(wanted);
    input.took(n);
    return n;
  };
  const waiting = () => input.bytes.slice(input.start, input.end);
  return { stream, pool, input, read, waiting };
}

Deno.test("ClientBuffer waits in a small buffer, and borrows nothing for what fits", async () => {
  const { pool, input, read, waiting } = rig();
  equal(input.bytes.length, SMALL_BUFFER_BYTES);
  await read(bytesOf(100));
  deepEqual([waiting(), input.empty, input.full, pool.lent], [bytesOf(100), false, false, 0]);
  input.start = input.end;
  equal(input.empty, true);
  await read(bytesOf(3));
  deepEqual(waiting(), bytesOf(3));
});

Deno.test("ClientBuffer borrows a large buffer while data flows, and gives it back when less comes", async () => {
  const { pool, input, read } = rig();
  equal(await read(bytesOf(SMALL_BUFFER_BYTES)), SMALL_BUFFER_BYTES);
  equal(input.full, true);
  input.start = input.end;
  await read(bytesOf(LARGE_BUFFER_BYTES));
  deepEqual([pool.lent, input.bytes.length, input.full], [1, LARGE_BUFFER_BYTES, true]);
  input.start = input.end;
  await read(bytesOf(10));
  equal(pool.lent, 1);
  input.start = input.end;
  await read(bytesOf(10));
  deepEqual([pool.lent, input.bytes.length], [0, SMALL_BUFFER_BYTES]);
});

Deno.test("ClientBuffer moves what was not taken to its beginning before the next read", async () => {
  const { input, read, waiting } = rig();
  await read(bytesOf(100));
  input.start = 90;
  await read(Uint8Array.of(200));
  deepEqual([input.start, [...waiting()]], [0, [90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 200]]);
});

Deno.test("ClientBuffer grows where a message must lie in it as a whole, and keeps what there is of it", async () => {
  for (const wanted of [SMALL_BUFFER_BYTES + 1, LARGE_BUFFER_BYTES, LARGE_BUFFER_BYTES * 3]) {
    const { input, read, waiting } = rig();
    await read(bytesOf(10));
    input.start = 4;
    await read(Uint8Array.of(200), wanted);
    deepEqual([[...waiting()], input.bytes.length >= wanted], [[4, 5, 6, 7, 8, 9, 200], true]);
  }
});

Deno.test("ClientBuffer doubles where it is full and nothing of it was taken", async () => {
  const { input, read, waiting } = rig();
  await read(bytesOf(SMALL_BUFFER_BYTES));
  await read(bytesOf(LARGE_BUFFER_BYTES - SMALL_BUFFER_BYTES));
  equal(input.full, true);
  await read(Uint8Array.of(7));
  deepEqual([input.bytes.length, waiting().length, waiting().at(-1)], [
    2 * LARGE_BUFFER_BYTES,
    LARGE_BUFFER_BYTES + 1,
    7,
  ]);
});

Deno.test("ClientBuffer.fill begins with what came behind the login, however much that is", () => {
  for (const count of [0, 5, SMALL_BUFFER_BYTES, SMALL_BUFFER_BYTES + 1, LARGE_BUFFER_BYTES + 1]) {
    const { input, waiting } = rig();
    input.fill(bytesOf(count));
    deepEqual(waiting(), bytesOf(count));
  }
});

Deno.test("ClientBuffer.readAhead reads once, while there is room, and the next read is that one", async () => {
  const { stream, input, waiting } = rig();
  const ahead = input.readAhead();
  notStrictEqual(ahead, null);
  equal(input.readAhead(), null);
  stream.say(bytesOf(3));
  equal(input.read(0), ahead);
  input.took(await ahead!);
  deepEqual(waiting(), bytesOf(3));
});

Deno.test("ClientBuffer.readAhead does not read where there is no room", async () => {
  const { input, read } = rig();
  await read(bytesOf(SMALL_BUFFER_BYTES));
  equal(input.readAhead(), null);
});

Deno.test("ClientBuffer.read resolves with 0 at the client's end", async () => {
  const { stream, input } = rig();
  stream.end();
  equal(await input.read(0), 0);
});

Deno.test("ClientBuffer.release gives back what was borrowed, once", async () => {
  const { pool, input, read } = rig();
  input.release();
  equal(pool.free, 0);
  await read(bytesOf(SMALL_BUFFER_BYTES));
  input.start = input.end;
  await read(bytesOf(1));
  equal(pool.lent, 1);
  input.release();
  input.release();
  deepEqual([pool.lent, pool.free], [0, 1]);
});

Deno.test("ClientBuffer reads nothing ahead while a read waits, nor before what that brought is taken", async () => {
  const { stream, input, waiting } = rig();
  const reading = input.read(0);
  equal(input.readAhead(), null);
  stream.say(bytesOf(3));
  equal(await reading, 3);
  equal(input.readAhead(), null);
  input.took(3);
  deepEqual(waiting(), bytesOf(3));
  const ahead = input.readAhead();
  equal(input.read(0), ahead);
  stream.say(Uint8Array.of(9));
  input.took((await ahead)!);
  deepEqual([...waiting()], [0, 1, 2, 9]);
});
