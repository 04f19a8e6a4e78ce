import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { answerOf, endOfRecord } from "./sample.ts";

const TIMES = { sentMs: 10, latencyMs: 2 };
const SIZES = { segmentBytes: 1 << 24, blockBytes: 8192 };
/** Sizes, and nobody on either end. */
const SIZE_TEXTS = ["16777216", "8192", null, null, "", null];

Deno.test("answerOf reads a primary's row", () => {
  const row = ["f", "77", "180001", "3", "16/B374D848", null, "f", "5", "100", ...SIZE_TEXTS];
  deepEqual(answerOf(row, TIMES), {
    ...TIMES,
    recovering: false,
    system: "77",
    version: 180001,
    timeline: 3,
    lsn: 0x16_b374_d848n,
    replayLsn: 0x16_b374_d848n,
    streaming: false,
    slotsUsed: 5,
    slotsMax: 100,
    receiver: null,
    replicas: [],
    synchronousNames: "",
    hasSchema: false,
    load: null,
  });
});

Deno.test("answerOf reads a standby's row, also of one that receives nothing and has replayed nothing", () => {
  const row = ["t", "77", "140010", "2", "0/3000000", "0/2FFFFF8", "t", "0", "10", ...SIZE_TEXTS];
  const { recovering, timeline, lsn, replayLsn, streaming } = answerOf(row, TIMES)!;
  deepEqual([recovering, timeline, lsn, replayLsn, streaming], [true, 2, 0x300_0000n, 0x2ff_fff8n, true]);
  const bare = answerOf(["t", "77", "140010", null, null, null, "f", "0", "10", ...SIZE_TEXTS], TIMES)!;
  deepEqual([bare.timeline, bare.lsn, bare.replayLsn, bare.streaming], [null, 0n, 0n, false]);
});

Deno.test("answerOf reads from whom a standby receives, and who receives from a primary", () => {
  const sizes = SIZE_TEXTS.slice(0, 2);
  const standby = ["t", "7", "18", "2", "0/3000000", "0/3000000", "t", "0", "10", ...sizes];
  const { receiver } = answerOf(
    [...standby, '["streaming", 2, "10.0.0.1", 5432, 12.5]', null, "", null],
    TIMES,
  )!;
  deepEqual(receiver, {
    status: "streaming",
    timeline: 2,
    fromHost: "10.0.0.1",
    fromPort: 5432,
    heardAgeMs: 12.5,
  });
  const primary = ["f", "7", "18", "2", "0/3000000", null, "f", "0", "10", ...sizes];
  const rows = '[["n2", "streaming", "quorum", "0/3000000", null]]';
  const { replicas, synchronousNames, hasSchema } = answerOf(
    [...primary, null, rows, "ANY 1 (n2, n3)", "t"],
    TIMES,
  )!;
  deepEqual([replicas, synchronousNames, hasSchema], [
    [{ name: "n2", state: "streaming", syncState: "quorum", flushLsn: 0x300_0000n, replayLsn: null }],
    "ANY 1 (n2, n3)",
    true,
  ]);
});

Deno.test("answerOf takes no row of another statement for an answer", () => {
  for (const row of [undefined, [], ["1"], Array<null>(15).fill(null)]) equal(answerOf(row, TIMES), null);
});

Deno.test("endOfRecord takes the header of a page that has nothing in it yet off, and nothing else", () => {
  for (
    const [insert, end] of [
      [0x300_0000n + 8192n + 24n, 0x300_0000n + 8192n],
      [0x300_0000n + 40n, 0x300_0000n], // a segment's first page has a longer header
      [0x300_0000n + 24n, 0x300_0000n + 24n],
      [0x300_0000n + 8192n + 40n, 0x300_0000n + 8192n + 40n],
      [0x300_0000n + 8192n + 32n, 0x300_0000n + 8192n + 32n],
      [0x300_0000n + 8192n, 0x300_0000n + 8192n],
    ] as const
  ) equal(endOfRecord(insert, SIZES), end);
  // In pages of another size the same place is in the middle of one.
  equal(endOfRecord(8192n + 24n, { ...SIZES, blockBytes: 16384 }), 8192n + 24n);
});
