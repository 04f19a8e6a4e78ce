import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { Entry } from "./key_store.ts";
import { Roll } from "./roll.ts";
import { instanceKey } from "./values.ts";

function entry(
  id: number,
  counter: number,
  { incarnation = "a", isGone = false, clusters = [] as string[], ttlMs = undefined as unknown } = {},
): Entry {
  const value = {
    incarnation,
    name: "h",
    address: null,
    version: "1",
    sinceMs: 0,
    counter,
    isGone,
    clusters,
    ttlMs,
  };
  return { key: instanceKey(id), value: JSON.stringify(value), createRevision: 1, modRevision: 1 };
}

function looked(roll: Roll, atMs: number, ...entries: Entry[]): number[] {
  roll.observe(entries, { sentMs: atMs, nowMs: atMs + 1 });
  return roll.holders().map(({ id }) => id);
}

Deno.test("an instance counts until its counter was seen to stand still for a whole lease", () => {
  const roll = new Roll(1_000);
  deepEqual(looked(roll, 0, entry(1, 1), entry(2, 1)), [1, 2]);
  deepEqual(looked(roll, 600, entry(1, 1), entry(2, 2)), [1, 2]);
  deepEqual(looked(roll, 1_000, entry(1, 1), entry(2, 2)), [1, 2]);
  deepEqual(looked(roll, 1_001, entry(1, 1), entry(2, 2)), [2]);
  deepEqual(looked(roll, 1_100, entry(1, 2), entry(2, 2)), [1, 2]);
});

Deno.test("one whose lease is longer counts for that, one whose lease is shorter for as long as the others", () => {
  const roll = new Roll(1_000);
  const two = entry(2, 1, { ttlMs: 3_000 });
  looked(roll, 0, entry(1, 1, { ttlMs: 500 }), two);
  deepEqual([roll.leaseMs(1), roll.leaseMs(2), roll.nextEndMs(1_001)], [1_000, 3_000, 3_001]);
  deepEqual(looked(roll, 1_000, entry(1, 1, { ttlMs: 500 }), two), [1, 2]);
  deepEqual(looked(roll, 3_000, two), [1, 2]);
  deepEqual(looked(roll, 3_001, two), [1]);
  // What a later version might say is not a time.
  deepEqual(looked(roll, 4_001, entry(3, 1, { ttlMs: "long" })), [2, 3]);
  deepEqual(roll.leaseMs(3), 1_000);
});

Deno.test("one whose entry has vanished, and whose place another life has, counts for its own lease", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1, { ttlMs: 3_000 }));
  looked(roll, 10, entry(1, 1, { incarnation: "b", ttlMs: 1_000 }));
  looked(roll, 3_000, entry(1, 2, { incarnation: "b", ttlMs: 1_000 }));
  deepEqual([roll.isHolder(1, "a"), roll.hasReplaced], [true, true]);
  looked(roll, 3_001, entry(1, 3, { incarnation: "b", ttlMs: 1_000 }));
  deepEqual([roll.isHolder(1, "a"), roll.hasReplaced], [false, false]);
  const other = new Roll(1_000);
  looked(other, 0, entry(1, 1, { ttlMs: 3_000 }));
  looked(other, 100);
  deepEqual([looked(other, 3_100), looked(other, 3_101)], [[1], []]);
});

Deno.test("one of whom nothing is known counts for the longest lease of all", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1, { ttlMs: 3_000 }));
  roll.doubt(2, "a", 10);
  looked(roll, 3_009, entry(1, 2, { ttlMs: 3_000 }));
  deepEqual([roll.doubtful(), roll.hasLooked(10), roll.hasLooked(9)], [[2], false, true]);
  looked(roll, 3_010, entry(1, 2, { ttlMs: 3_000 }));
  deepEqual(roll.doubtful(), []);
});

Deno.test("time alone forgets nobody: who does not look knows nothing", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1));
  deepEqual(roll.isHolder(1), true);
  deepEqual(roll.ageMs(1, 90_000), 89_999);
});

Deno.test("one that has only said something of a cluster counts for a lease, once", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1));
  roll.doubt(1, "a", 10);
  roll.doubt(2, "a", 10);
  deepEqual(roll.doubtful(), [2]);
  deepEqual(roll.nextEndMs(100), 1_001);
  looked(roll, 1_009, entry(1, 2));
  deepEqual(roll.doubtful(), [2]);
  looked(roll, 1_010, entry(1, 2));
  roll.doubt(2, "a", 1_020);
  deepEqual(roll.doubtful(), []);
  // Another life of it is another matter; and once its entry is there that counts.
  roll.doubt(2, "b", 1_020);
  deepEqual(roll.doubtful(), [2]);
  looked(roll, 1_100, entry(1, 2), entry(2, 1, { incarnation: "b" }));
  deepEqual(roll.doubtful(), []);
});

Deno.test("one that has come back, unseen, behind its goodbye counts by what it says of a cluster where its entry is removed", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1), entry(2, 1, { isGone: true }));
  roll.doubt(2, "b", 100);
  // The entry of its new life was removed before anybody looked.
  looked(roll, 200, entry(1, 2));
  deepEqual(roll.doubtful(), [2]);
  looked(roll, 1_100, entry(1, 3));
  deepEqual(roll.doubtful(), []);
  // One that has the place of another makes what is left of that one void.
  looked(roll, 1_200, entry(1, 4), entry(2, 1, { incarnation: "c" }));
  roll.doubt(2, "a", 1_210);
  deepEqual(roll.doubtful(), []);
});

Deno.test("what is left of one that who leads has forgotten is no reason to wait for it", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1), entry(2, 1, { isGone: true }));
  roll.forget(2);
  roll.doubt(2, "a", 10);
  deepEqual([roll.doubtful(), roll.hasReplaced], [[], false]);
});

Deno.test("what is left of one that was seen to go is no reason to wait for it again", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1));
  deepEqual(looked(roll, 500), [1]);
  deepEqual(looked(roll, 1_600), []);
  roll.doubt(1, "a", 1_700);
  deepEqual(roll.doubtful(), []);
});

Deno.test("an entry that has vanished counts for a lease: it may have been renewed until then, unseen", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1));
  deepEqual(looked(roll, 990), [1]);
  deepEqual(looked(roll, 1_500), [1]);
  deepEqual(looked(roll, 1_991), []);
  deepEqual(roll.members(), []);
});

Deno.test("one whose entry has vanished counts for each cluster: it may have announced that it serves another one, unseen", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1, { clusters: ["main"] }));
  deepEqual([roll.holders("main").length, roll.holders("other").length], [1, 0]);
  looked(roll, 500);
  deepEqual([roll.holders("main").length, roll.holders("other").length], [1, 1]);
});

Deno.test("one that says that it is gone counts no more, until its entry is removed by hand: it may have been back by then", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1));
  deepEqual(looked(roll, 10, entry(1, 1, { isGone: true })), []);
  deepEqual(looked(roll, 500), [1]);
  deepEqual(looked(roll, 1_600), []);
  const other = new Roll(1_000);
  looked(other, 0, entry(1, 1, { isGone: true }));
  // Who leads removes what is long gone.
  deepEqual(looked(other, 60_000), []);
});

Deno.test("a restarted instance is another one, and the one before counts for a lease: its entry may have been removed by hand", () => {
  const roll = new Roll(1_000);
  looked(roll, 0, entry(1, 1));
  const lives = () => [roll.isHolder(1, "a"), roll.isHolder(1, "b"), roll.hasReplaced];
  deepEqual(looked(roll, 10, entry(1, 1, { incarnation: "b" })), [1]);
  deepEqual([lives(), roll.hasSeen(1, "a"), roll.hasSeen(1, "c")], [[true, true, true], true, false]);
  looked(roll, 1_001, entry(1, 2, { incarnation: "b" }));
  deepEqual([lives(), roll.entryOf(1)?.key], [[false, true, false], "instances/1"]);
  roll.forget(1);
  deepEqual(roll.isHolder(1), false);
});

Deno.test("the next look that may show somebody gone is a lease behind the first sight of his last renewal", () => {
  const roll = new Roll(1_000);
  deepEqual(roll.nextEndMs(0), Infinity);
  looked(roll, 0, entry(1, 1), entry(2, 1), entry(3, 1, { isGone: true }));
  looked(roll, 400, entry(1, 1), entry(2, 2), entry(3, 1, { isGone: true }));
  deepEqual([roll.nextEndMs(400), roll.nextEndMs(1_001), roll.nextEndMs(1_401)], [1_001, 1_401, Infinity]);
});
