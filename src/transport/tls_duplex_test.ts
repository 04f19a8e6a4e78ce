import assert from "node:assert/strict";
import { CipherDuplex } from "./tls_duplex.ts";
import type { ByteStream } from "./stream.ts";

/** Gives its chunks to reads, waits when there are none, and takes `take` bytes a write. */
class ScriptedStream implements ByteStream {
  readonly written: number[] = [];
  reads = 0;
  closed = 0;
  #waiting = Promise.withResolvers<never>();

  constructor(readonly chunks: (Uint8Array | null)[], readonly take = Infinity) {}

  async read(into: Uint8Array): Promise<number> {
    this.reads++;
    const chunk = this.chunks.shift();
    if (chunk === undefined) return await this.#waiting.promise;
    if (chunk === null) return 0;
    into.set(chunk);
    return chunk.length;
  }

  writeNow(): number {
    return 0;
  }

  write(from: Uint8Array): Promise<number> {
    const taken = from.subarray(0, this.take);
    this.written.push(...taken);
    return Promise.resolve(taken.length);
  }

  close(): void {
    this.closed++;
    this.#waiting.promise.catch(() => {});
    this.#waiting.reject(new Deno.errors.BadResource("closed"));
  }
}

const NOTHING = new Uint8Array(0);

function closed(duplex: CipherDuplex): Promise<void> {
  return new Promise((resolve) => duplex.once("close", resolve));
}

Deno.test("CipherDuplex does not read its stream while nobody demands bytes", async () => {
  const stream = new ScriptedStream([Uint8Array.of(1)]);
  const duplex = new CipherDuplex(stream, NOTHING);
  const got: number[] = [];
  duplex.on("data", (chunk: Uint8Array) => got.push(...chunk));
  await new Promise((resolve) => queueMicrotask(() => resolve(null)));
  assert.equal(stream.reads, 0);
  duplex.demand = () => got.length === 0;
  const flowing = new Promise((resolve) => duplex.once("data", resolve));
  duplex.pump();
  await flowing;
  assert.deepEqual(got, [1]);
  assert.equal(stream.reads, 1);
  duplex.destroy();
  await closed(duplex);
  assert.equal(stream.closed, 1);
});

Deno.test("CipherDuplex gives the initial bytes first and all bytes in order to the end", async () => {
  const big = Uint8Array.from({ length: 1_024 }, (_, i) => i & 255);
  const stream = new ScriptedStream([Uint8Array.of(3, 4), big, Uint8Array.of(5), null]);
  const duplex = new CipherDuplex(stream, Uint8Array.of(1, 2));
  duplex.demand = () => true;
  const got: number[] = [];
  for await (const chunk of duplex) got.push(...chunk);
  assert.deepEqual(got, [1, 2, 3, 4, ...big, 5]);
  assert(duplex.ended);
});

Deno.test("CipherDuplex keeps the content of chunks that wait to be consumed", async () => {
  const stream = new ScriptedStream([Uint8Array.of(1, 1), Uint8Array.of(2, 2), null]);
  const duplex = new CipherDuplex(stream, NOTHING);
  duplex.demand = () => true;
  duplex.pump();
  // Nobody listens yet: the first chunk has to survive what is read after it.
  await new Promise((resolve) => duplex.once("readable", resolve));
  const got: number[] = [];
  for await (const chunk of duplex) got.push(...chunk);
  assert.deepEqual(got, [1, 1, 2, 2]);
});

Deno.test("CipherDuplex writes on when its stream takes a part", async () => {
  const stream = new ScriptedStream([], 2);
  const duplex = new CipherDuplex(stream, NOTHING);
  await new Promise((resolve) => duplex.write(Uint8Array.of(1, 2, 3, 4, 5), resolve));
  assert.deepEqual(stream.written, [1, 2, 3, 4, 5]);
  duplex.destroy();
  await closed(duplex);
});

Deno.test("CipherDuplex keeps the first cause of its failure and closes the stream once", async () => {
  const stream = new ScriptedStream([]);
  const cause = new Deno.errors.ConnectionReset("reset");
  stream.read = () => Promise.reject(cause);
  const duplex = new CipherDuplex(stream, NOTHING);
  duplex.demand = () => true;
  const ending = closed(duplex);
  duplex.pump();
  await ending;
  assert.equal(duplex.failure, cause);
  duplex.destroy();
  assert.equal(stream.closed, 1);
});

Deno.test("CipherDuplex says once that its stream takes no more bytes, drops what is written, and reads on", async () => {
  const stream = new ScriptedStream([Uint8Array.of(1), null]);
  const reset = new Deno.errors.ConnectionReset("reset");
  stream.write = () => Promise.reject(reset);
  const duplex = new CipherDuplex(stream, NOTHING);
  const said: Error[] = [];
  duplex.onUnwritable = (error) => said.push(error);
  const write = () => new Promise((resolve) => duplex.write(Uint8Array.of(2), resolve));
  await write();
  await write();
  assert.deepEqual([said, duplex.failure], [[reset], reset]);
  const got: number[] = [];
  const ended = new Promise((resolve) => duplex.once("end", resolve));
  duplex.on("data", (chunk: Uint8Array) => got.push(...chunk));
  duplex.demand = () => true;
  duplex.pump();
  await ended;
  assert.deepEqual(got, [1]);
  duplex.destroy();
  await closed(duplex);
});
