import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { FramedReader, FrameLengthError, writeAll } from "./framed_reader.ts";
import type { ByteStream } from "./stream.ts";

/** Gives out its bytes in pieces of the given sizes, and takes writes in pieces likewise. */
class PieceStream implements ByteStream {
  readonly written: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #sizes: Iterator<number>;
  #at = 0;

  constructor(bytes: Uint8Array, sizes: Iterable<number> = []) {
    this.#bytes = bytes;
    this.#sizes = sizes[Symbol.iterator]();
  }

  read(into: Uint8Array): Promise<number> {
    const count = Math.min(into.length, this.#sizes.next().value ?? Infinity, this.#bytes.length - this.#at);
    if (this.#at === this.#bytes.length) return Promise.resolve(0);
    into.set(this.#bytes.subarray(this.#at, this.#at + count));
    this.#at += count;
    return Promise.resolve(count);
  }

  writeNow(): number {
    return 0;
  }

  write(from: Uint8Array): Promise<number> {
    const count = Math.min(from.length, this.#sizes.next().value ?? Infinity);
    this.written.push(...from.subarray(0, count));
    return Promise.resolve(count);
  }

  close(): void {}
}

const frame = (type: number, body: Uint8Array) => {
  const message = new Uint8Array(5 + body.length);
  new DataView(message.buffer).setInt32(1, 4 + body.length);
  message[0] = type;
  message.set(body, 5);
  return message;
};
const joined = (parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

Deno.test("FramedReader.readFrame reads message by message, however the bytes come", async () => {
  const bodies = fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 3000 })), { maxLength: 6 });
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 700 }));
  await fc.assert(fc.asyncProperty(bodies, sizes, fc.nat(50), async (messages, sizes, ahead) => {
    const bytes = joined(messages.map(([type, body]) => frame(type, body)));
    const early = Math.min(ahead, bytes.length);
    // What was read before, by whoever had the stream, comes first.
    const reader = new FramedReader(
      new PieceStream(bytes.subarray(early), sizes),
      bytes.subarray(0, early),
    );
    for (const [type, body] of messages) {
      const read = await reader.readFrame(3000);
      deepEqual([read?.type, read?.body.slice()], [type, body]);
    }
    equal(await reader.readFrame(3000), null);
  }));
});

Deno.test("FramedReader.readFrame refuses a length that is impossible or above the limit, before it reads on", async () => {
  const read = (...header: number[]) =>
    new FramedReader(new PieceStream(Uint8Array.from(header), [5])).readFrame(10);
  await rejects(read(0x70, 0, 0, 0, 3), FrameLengthError);
  await rejects(read(0x70, 0xff, 0xff, 0xff, 0xff), FrameLengthError);
  await rejects(read(0x70, 0, 0, 0, 15), { code: "protocol_violation", message: "invalid message length" });
  equal(await read(0x70, 0, 0, 0, 14), null); // at the limit, but cut off
  deepEqual((await read(0x70, 0, 0, 0, 4))?.body, new Uint8Array(0));
});

Deno.test("FramedReader says null when the stream ends in the middle of a message", async () => {
  const whole = frame(0x51, new Uint8Array(20));
  for (let cut = 0; cut < whole.length; cut++) {
    equal(await new FramedReader(new PieceStream(whole.subarray(0, cut))).readFrame(100), null);
  }
});

Deno.test("FramedReader.peek takes nothing, skip does", async () => {
  const reader = new FramedReader(new PieceStream(Uint8Array.of(1, 2, 3, 4), [1, 2, 1]));
  deepEqual((await reader.peek(2))?.slice(0, 2), Uint8Array.of(1, 2));
  deepEqual((await reader.peek(1))?.slice(0, 1), Uint8Array.of(1));
  reader.skip(2);
  equal(reader.buffered, 1);
  deepEqual((await reader.peek(2))?.slice(), Uint8Array.of(3, 4));
  equal(await reader.peek(3), null);
});

Deno.test("FramedReader.rest hands over a copy of what was read too much, and keeps nothing", async () => {
  const bytes = joined([frame(0x52, Uint8Array.of(0)), Uint8Array.of(7, 8, 9)]);
  const reader = new FramedReader(new PieceStream(bytes));
  await reader.readFrame(100);
  deepEqual(reader.rest(), Uint8Array.of(7, 8, 9));
  equal(reader.buffered, 0);
  deepEqual(reader.rest(), new Uint8Array(0));
});

Deno.test("writeAll writes on until all is taken", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 50 })),
      async (bytes, sizes) => {
        const stream = new PieceStream(new Uint8Array(0), sizes);
        await writeAll(stream, bytes);
        deepEqual(stream.written, [...bytes]);
      },
    ),
  );
});
