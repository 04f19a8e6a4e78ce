import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { type Candidate, chooseReader, countRead } from "./read_choice.ts";

type Named = Candidate & { name: string; load: number; failing: boolean; had: number };

const candidate = (
  name: string,
  weight: number,
  { load = 0, hostLoad = 0, failing = false } = {},
): Named => ({
  name,
  weight,
  load,
  hostLoad,
  failing,
  credit: 0,
  had: 0,
});

/** Chooses so often, and counts. */
function choose(candidates: readonly Named[], times: number): void {
  for (let i = 0; i < times; i++) {
    const chosen = chooseReader(candidates);
    if (chosen !== null) chosen.had++;
  }
}

Deno.test("chooseReader keeps the shares of the weights to within three leases, whatever the loads below full", () => {
  const seed = Date.now() & 0xffff;
  const property = fc.property(
    fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 }),
    fc.infiniteStream(fc.double({ min: 0, max: 0.99, noNaN: true })),
    fc.integer({ min: 1, max: 400 }),
    (weights, loads, times) => {
      const candidates = weights.map((weight, i) => candidate(`n${i}`, weight));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = 1; i <= times; i++) {
        for (const one of candidates) one.load = loads.next().value!;
        choose(candidates, 1);
        for (const { had, weight } of candidates) {
          equal(Math.abs(had - i * weight / total) <= 3, true, `${had} of ${i * weight / total}`);
        }
      }
    },
  );
  try {
    fc.assert(property, { seed, numRuns: 200 });
  } catch (error) {
    console.error(`seed ${seed}`);
    throw error;
  }
});

Deno.test("chooseReader takes the least busy of those that are alike, and never a full one while another is not", () => {
  const [a, b] = [candidate("a", 1, { load: 0.5 }), candidate("b", 1, { load: 0.1 })];
  equal(chooseReader([a, b])!.name, "b");
  const hosts = [
    candidate("a", 1, { load: 0.3, hostLoad: 0.1 }),
    candidate("b", 1, { load: 0.1, hostLoad: 2 }),
  ];
  equal(chooseReader(hosts)!.name, "a", "the host counts as well");
  const full = [candidate("a", 9, { load: 1 }), candidate("b", 1)];
  choose(full, 20);
  deepEqual(full.map(({ had }) => had), [0, 20]);
  for (const one of full) one.load = 0;
  choose(full, 5);
  deepEqual(full.map(({ had }) => had), [5, 20], "its share comes first now");
  choose(full, 100);
  equal(full[1]!.had > 25, true, "but not for ever: what it could not have is forgotten");
});

Deno.test("chooseReader shares between full ones by weight too", () => {
  const full = [candidate("a", 3, { load: 1 }), candidate("b", 1, { load: 2 })];
  choose(full, 40);
  deepEqual(full.map(({ had }) => had), [30, 10]);
});

Deno.test("chooseReader leaves weight 0 for when nobody else is left, and those that fail out", () => {
  const spare = candidate("spare", 0);
  const [a, b] = [candidate("a", 1), candidate("b", 1)];
  choose([a, spare, b], 10);
  deepEqual([a.had, spare.had, b.had], [5, 0, 5]);
  equal(chooseReader([spare, { ...a, failing: true }])!.name, "spare");
  equal(chooseReader([{ ...spare, failing: true }, { ...a, failing: true }]), null);
  equal(chooseReader([]), null);
  const spares = [candidate("x", 0), candidate("y", 0)];
  choose(spares, 10);
  deepEqual(spares.map(({ had }) => had), [5, 5]);
});

Deno.test("countRead lets a session go on where it is until the others are owed too much, then they are served first", () => {
  const [a, b] = [candidate("a", 1), candidate("b", 1)];
  let count = 1;
  while (countRead([a, b], a)) count++;
  equal(count, 8);
  choose([a, b], 8);
  deepEqual([a.had, b.had], [0, 8]);
  equal(countRead([b], b), true);
  for (let i = 0; i < 100; i++) equal(countRead([a], a), true, "there is no other");
});
