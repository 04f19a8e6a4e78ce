import assert from "node:assert/strict";
import fc from "fast-check";
import { BufferPool, FEW_BYTES, LARGE_BUFFER_BYTES } from "./buffers.ts";
import { Outbox } from "./outbox.ts";
import type { ByteStream, RoundTask } from "./stream.ts";

/** Takes a given number of bytes a write, each write in a turn of its own; copies, as a kernel does. */
class SlowStream implements ByteStream {
  readonly got: number[] = [];
  /** The very arrays that were written, to see what was copied. */
  readonly handed: Uint8Array[] = [];
  broken = false;
  /** A round of events is being served. */
  inRound = false;
  readonly tasks: RoundTask[] = [];
  #takes: Iterator<number>;
  #held: PromiseWithResolvers<void> | null = null;

  constructor(takes: Iterable<number> = []) {
    this.#takes = takes[Symbol.iterator]();
  }

  /** Writes wait until {@link release}. */
  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  read(): Promise<number> {
    throw new Error("An outbox only writes");
  }

  writeNow(): number {
    return 0;
  }

  async write(from: Uint8Array): Promise<number> {
    await this.#held?.promise;
    await Promise.resolve();
    if (this.broken) throw new Deno.errors.BrokenPipe("gone");
    this.handed.push(from);
    const count = Math.min(from.length, this.#takes.next().value ?? from.length);
    this.got.push(...from.subarray(0, count));
    return count;
  }

  atRoundEnd(task: RoundTask): boolean {
    if (this.inRound) this.tasks.push(task);
    return this.inRound;
  }

  endRound(): void {
    this.inRound = false;
    for (const task of this.tasks.splice(0)) task.roundEnds();
  }

  close(): void {}
}

function outboxOn(stream: SlowStream): [Outbox, BufferPool] {
  const buffers = new BufferPool();
  return [new Outbox(stream, buffers), buffers];
}

Deno.test("Outbox.flush gives null when nothing waits", () => {
  const [outbox] = outboxOn(new SlowStream());
  assert.equal(outbox.flush(), null);
  outbox.forward(new Uint8Array(8), 3, 3);
  outbox.copy(new Uint8Array(8), 3, 3);
  outbox.put(new Uint8Array(0));
  assert.equal(outbox.flush(), null);
});

Deno.test("Outbox.forward writes one run from where it lies, without a copy or a buffer", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  outbox.forward(bytes, 0, 5);
  assert.equal(buffers.lent, 0);
  await outbox.flush();
  assert.equal(stream.handed[0], bytes);
  assert.deepEqual(stream.got, [1, 2, 3, 4, 5]);
});

Deno.test("Outbox.end lets what waits be written, and drops what is handed over later", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  stream.hold();
  outbox.put(Uint8Array.of(1));
  outbox.flush();
  outbox.put(Uint8Array.of(2));
  assert.equal(outbox.writing, true);
  outbox.end();
  outbox.put(Uint8Array.of(3));
  outbox.forward(Uint8Array.of(4), 0, 1);
  stream.release();
  await outbox.flush();
  assert.deepEqual(stream.got, [1, 2]);
  assert.equal(outbox.writing, false);
  assert.equal(buffers.lent, 0);
});

Deno.test("Outbox.forward joins runs that lie side by side into one write", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  outbox.forward(bytes, 1, 2);
  outbox.forward(bytes, 2, 4);
  assert.equal(buffers.lent, 0);
  await outbox.flush();
  assert.equal(stream.handed.length, 1);
  assert.equal(stream.handed[0]!.buffer, bytes.buffer);
  assert.deepEqual(stream.got, [2, 3, 4]);
});

Deno.test("Outbox keeps the order of runs with a gap between them, and of runs and copies", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  outbox.forward(bytes, 0, 1);
  outbox.put(Uint8Array.of(9));
  outbox.forward(bytes, 1, 2);
  outbox.forward(bytes, 3, 5);
  assert.equal(buffers.lent, 1);
  await outbox.flush();
  assert.deepEqual(stream.got, [1, 9, 2, 4, 5]);
  assert.equal(stream.handed.length, 1);
  assert.equal(buffers.lent, 0);
});

Deno.test("Outbox.put copies: its argument may change at once", async () => {
  const stream = new SlowStream();
  const [outbox] = outboxOn(stream);
  const bytes = Uint8Array.of(1, 2);
  outbox.put(bytes);
  bytes.fill(0);
  await outbox.flush();
  assert.deepEqual(stream.got, [1, 2]);
});

Deno.test("Outbox writes on until a stream that takes bytes one at a time has all", async () => {
  const stream = new SlowStream([1, 1, 1, 1]);
  const [outbox] = outboxOn(stream);
  outbox.forward(Uint8Array.of(0, 1, 2, 3, 4, 5), 1, 5);
  await outbox.flush();
  assert.deepEqual(stream.got, [1, 2, 3, 4]);
  assert.equal(outbox.written, 4);
});

Deno.test("Outbox copies what is forwarded during a write, and the same flush takes it along", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  stream.hold();
  outbox.forward(Uint8Array.of(1, 2), 0, 2);
  const flushing = outbox.flush();
  const late = Uint8Array.of(3, 4);
  outbox.forward(late, 0, 2);
  late.fill(0);
  assert.equal(outbox.flush(), flushing);
  stream.release();
  await flushing;
  assert.deepEqual(stream.got, [1, 2, 3, 4]);
  assert.equal(outbox.flush(), null);
  assert.equal(buffers.lent, 0);
});

Deno.test("Outbox gathers more than a buffer holds", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  const piece = new Uint8Array(10_000).fill(7);
  for (let i = 0; i < 5; i++) outbox.put(piece);
  await outbox.flush();
  assert.equal(stream.got.length, 50_000);
  assert(stream.got.every((byte) => byte === 7));
  assert.equal(buffers.lent, 0);
  assert.equal(buffers.borrow().length, LARGE_BUFFER_BYTES);
});

Deno.test("Outbox.flush resolves on a broken stream, and everything after is dropped", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  stream.hold();
  outbox.put(Uint8Array.of(1));
  const flushing = outbox.flush();
  outbox.put(Uint8Array.of(2));
  stream.broken = true;
  stream.release();
  await flushing;
  assert(outbox.broken);
  assert.equal(buffers.lent, 0);
  outbox.put(Uint8Array.of(3));
  outbox.forward(Uint8Array.of(4), 0, 1);
  assert.equal(outbox.flush(), null);
  assert.deepEqual(stream.got, []);
});

Deno.test("Outbox.flushSoon puts off a few bytes, whose place is free at once, until the round ends", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  stream.inRound = true;
  const bytes = Uint8Array.of(1, 2, 3);
  outbox.forward(bytes, 0, 2);
  assert.equal(outbox.flushSoon(), null);
  bytes.fill(0);
  outbox.put(Uint8Array.of(4));
  assert.equal(outbox.flushSoon(), null);
  assert.equal(stream.tasks.length, 1, "once for all");
  assert.equal(outbox.written, 0);
  stream.endRound();
  await outbox.flush();
  assert.deepEqual(stream.got, [1, 2, 4]);
  assert.equal(stream.handed.length, 1);
  assert.equal(buffers.lent, 0);
});

Deno.test("Outbox.flushSoon writes at once what is more, or where no round is served, or a write is under way", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  outbox.put(Uint8Array.of(1));
  await outbox.flushSoon();
  assert.deepEqual(stream.got, [1]);
  stream.inRound = true;
  const many = new Uint8Array(FEW_BYTES + 1).fill(2);
  outbox.forward(many, 0, many.length);
  const writing = outbox.flushSoon();
  assert.notEqual(writing, null);
  outbox.put(Uint8Array.of(3));
  assert.equal(outbox.flushSoon(), writing);
  await writing;
  assert.deepEqual([stream.got.length, stream.got.at(-1)], [FEW_BYTES + 3, 3]);
  assert.equal(stream.tasks.length, 0);
  assert.equal(buffers.lent, 0);
});

Deno.test("Outbox.flush writes what was put off, and the round's end has nothing left to do", async () => {
  const stream = new SlowStream();
  const [outbox, buffers] = outboxOn(stream);
  stream.inRound = true;
  outbox.put(Uint8Array.of(1));
  outbox.flushSoon();
  await outbox.flush();
  assert.deepEqual(stream.got, [1]);
  stream.endRound();
  assert.equal(outbox.writing, false);
  assert.equal(outbox.flushSoon(), null);
  assert.equal(buffers.lent, 0);
});

type Step =
  | { readonly kind: "forward" | "copy"; readonly start: number; readonly length: number }
  | { readonly kind: "put"; readonly length: number }
  | { readonly kind: "flush" }
  | { readonly kind: "flushed" }
  | { readonly kind: "flushSoon" }
  | { readonly kind: "round" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom("forward" as const, "copy" as const),
      start: fc.nat(200),
      length: fc.nat(200),
    }),
    // Runs that continue the one before: half of real traffic.
    fc.record({ kind: fc.constant("forward" as const), start: fc.constant(-1), length: fc.nat(100) }),
    fc.record({
      kind: fc.constant("put" as const),
      length: fc.oneof(fc.nat(100), fc.constant(20_000)),
    }),
    fc.constant({ kind: "flush" as const }),
    fc.constant({ kind: "flushed" as const }),
    fc.constant({ kind: "flushSoon" as const }),
    fc.constant({ kind: "round" as const }),
  ),
  { maxLength: 60 },
);

Deno.test("Outbox yields the bytes in order, whatever is handed over when, and however little a write takes", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.infiniteStream(fc.integer({ min: 1, max: 5_000 })), async (script, takes) => {
      const stream = new SlowStream(takes);
      const [outbox, buffers] = outboxOn(stream);
      const expected: number[] = [];
      let serial = 0;
      // Runs must stay until the next flush settles: each round forwards from an array of its own.
      let source = Uint8Array.from({ length: 1_000 }, () => serial++);
      let last = 0;
      for (const step of script) {
        switch (step.kind) {
          case "forward":
          case "copy": {
            const start = step.start < 0 ? last : step.start;
            const end = Math.min(start + step.length, source.length);
            last = end;
            if (step.kind === "copy") outbox.copy(source, start, end);
            else outbox.forward(source, start, end);
            expected.push(...source.subarray(start, end));
            break;
          }
          case "put": {
            const bytes = Uint8Array.from({ length: step.length }, () => serial++);
            outbox.put(bytes);
            expected.push(...bytes);
            bytes.fill(0);
            break;
          }
          case "flush":
            outbox.flush();
            break;
          case "round":
            stream.endRound();
            stream.inRound = true;
            break;
          case "flushSoon":
          case "flushed":
            await (step.kind === "flushed" ? outbox.flush() : outbox.flushSoon());
            source.fill(255);
            source = Uint8Array.from({ length: 1_000 }, () => serial++);
            last = 0;
            break;
        }
      }
      await outbox.flush();
      assert.deepEqual(stream.got, expected);
      assert.equal(outbox.written, expected.length);
      assert.equal(outbox.flush(), null);
      assert.equal(buffers.lent, 0);
    }),
  );
});
