import { ok } from "node:assert/strict";
import { INSTANCE_MUTATIONS, MUTATIONS } from "./mutations.ts";
import { run } from "./run.ts";

/** Within so many seeds each mutation must be found out. */
const SEEDS = 3_000;

Deno.test("the simulator finds out whatever is left out of the arbiter, and of several instances", async (t) => {
  ok(MUTATIONS.length >= 20 && INSTANCE_MUTATIONS.length >= 10);
  for (const mutation of [...MUTATIONS, ...INSTANCE_MUTATIONS]) {
    const { name, instances } = mutation;
    const who = instances === 1 ? "an arbiter that" : "several instances of which one";
    await t.step(`${who} ${name}`, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        if ((await run(seed, mutation)).broken !== null) return;
      }
      throw new Error(`no invariant was broken in ${SEEDS} seeds`);
    });
  }
});
