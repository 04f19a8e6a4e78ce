import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { SeededRandom } from "../kernel/mod.ts";
import { WalMarks } from "./wal_marks.ts";

Deno.test("WalMarks says of a position the time of the last mark that it has reached", () => {
  const marks = new WalMarks();
  marks.add(1000, 50n);
  marks.add(2000, 80n);
  marks.add(3000, 90n);
  deepEqual([49n, 50n, 79n, 80n, 90n, 500n].map((lsn) => marks.freshMs(lsn)), [
    -Infinity,
    1000,
    1000,
    2000,
    3000,
    3000,
  ]);
  equal(marks.lastLsn, 90n);
});

Deno.test("WalMarks lets the time of an idle primary go on with one mark", () => {
  const marks = new WalMarks();
  for (let at = 0; at < 10_000; at += 1000) marks.add(at, 50n);
  deepEqual([marks.size, marks.freshMs(50n), marks.freshMs(49n)], [1, 9000, -Infinity]);
});

Deno.test("WalMarks forgets what a crash took from the end of the WAL", () => {
  const marks = new WalMarks();
  marks.add(1000, 50n);
  marks.add(2000, 80n);
  marks.add(3000, 60n);
  deepEqual([marks.freshMs(59n), marks.freshMs(60n), marks.freshMs(80n), marks.lastLsn], [
    1000,
    3000,
    3000,
    60n,
  ]);
});

Deno.test("WalMarks keeps a bounded number, the newest exactly", () => {
  const marks = new WalMarks();
  for (let at = 1; at <= 5000; at++) marks.add(at, BigInt(at));
  equal(marks.size <= 256, true);
  equal(marks.freshMs(4990n), 4990);
  equal(marks.freshMs(100n) <= 100, true);
  marks.clear();
  deepEqual([marks.size, marks.freshMs(1n << 60n), marks.lastLsn], [0, -Infinity, null]);
});

Deno.test("WalMarks never calls a standby fresher than it is, whatever the order of commits, answers and replay", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const below = (n: number) => random.u32() % n;
    const marks = new WalMarks();
    const commits: { readonly atMs: number; readonly lsn: bigint }[] = [];
    let [nowMs, lsn, replayed] = [0, 0n, 0n];
    for (let step = 0; step < 200; step++) {
      nowMs += below(3);
      switch (below(3)) {
        case 0:
          lsn += BigInt(1 + below(50));
          commits.push({ atMs: nowMs, lsn });
          break;
        case 1: {
          // The position is looked up at some time behind the sending, after other commits.
          const sentMs = nowMs;
          for (let more = below(3); more > 0; more--) {
            nowMs += below(2);
            lsn += BigInt(1 + below(50));
            commits.push({ atMs: nowMs, lsn });
          }
          marks.add(sentMs, lsn);
          break;
        }
        case 2:
          replayed += BigInt(below(80));
          if (replayed > lsn) replayed = lsn;
      }
      const freshMs = marks.freshMs(replayed);
      const missed = commits.find(({ atMs, lsn }) => atMs < freshMs && lsn > replayed);
      equal(missed, undefined, `seed ${seed}, step ${step}`);
    }
  }
});
