import { deepEqual, equal, ok } from "node:assert/strict";
import { SeededRandom } from "../../src/kernel/mod.ts";
import { Agenda } from "./agenda.ts";
import { planOf } from "./plan.ts";
import { run, shrink } from "./run.ts";
import { RULES } from "../../src/arbiter/mod.ts";

/** Half of them are new in each run, but for continuous integration, which is to judge the change alone: it tries the same each time. */
const SEEDS = 800;

Deno.test("one instance and several break no invariant in any seed", async () => {
  const fresh = Deno.env.get("CI") === undefined ? Math.floor(Math.random() * 1e9) : 1;
  const broken: string[] = [];
  for (let at = 0; at < SEEDS; at++) {
    const seed = at < SEEDS / 2 ? at + 1 : fresh + at;
    const { broken: rule } = await run(seed);
    if (rule !== null) broken.push(`deno task simulate --seed ${seed}: ${rule.text}`);
  }
  deepEqual(broken, []);
});

Deno.test("what has broken an invariant with three instances once holds", async () => {
  for (
    const seed of [
      52_006_247,
      64_002_637,
      64_005_548,
      79,
      2_670,
      3_851,
      3_904,
      700_001_040,
      750_001_434,
      29,
      97,
      553,
    ]
  ) {
    equal((await run(seed, { instances: 3 })).broken?.text, undefined, `${seed}`);
  }
});

Deno.test("a run is the same each time, and its faults are what its plan says", async () => {
  for (const seed of [3, 17, 4711]) {
    for (const instances of [1, 3]) {
      const [a, b] = [await run(seed, { instances }), await run(seed, { instances })];
      deepEqual(a, b);
      equal(a.faults, planOf(seed, new SeededRandom(seed), { instances }).faults.length);
    }
  }
});

Deno.test("shrink leaves out the faults that a failure does not need", async () => {
  const rules = { ...RULES, holdsClients: () => false };
  const options = { rules, instances: 1 };
  let seed = 1;
  let result = await run(seed, options);
  while (result.broken === null) result = await run(++seed, options);
  const without = await shrink(seed, result.broken.rule, options);
  equal((await run(seed, { ...options, without })).broken?.rule, result.broken.rule);
  ok(without.length > 0 || result.faults === 1);
});

Deno.test("Agenda runs what is due in order of time, and of two at one time the first first", () => {
  const agenda = new Agenda();
  const done: number[] = [];
  for (const delay of [5, 1, 3, 1, 4, 2, 3]) agenda.after(delay, () => done.push(delay));
  while (agenda.step(4));
  deepEqual(done, [1, 1, 2, 3, 3, 4]);
  equal(agenda.nowMs, 4);
  agenda.after(0, () => done.push(0));
  while (agenda.step(10));
  deepEqual(done.slice(-2), [0, 5]);
  agenda.timer(1, () => done.push(9)).cancel();
  while (agenda.step(20));
  deepEqual(done.slice(-2), [0, 5]);
});
