import { ok } from "node:assert/strict";
import { MUTATIONS } from "./mutations.ts";
import { run } from "./run.ts";

/** Within so many seeds each mutation must be found out. */
const SEEDS = 3_000;

Deno.test("the simulator finds out whatever is left out of the arbiter", async (t) => {
  ok(MUTATIONS.length >= 20);
  for (const { name, rules } of MUTATIONS) {
    await t.step(`an arbiter that ${name}`, () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        if (run(seed, { rules }).broken !== null) return;
      }
      throw new Error(`no invariant was broken in ${SEEDS} seeds`);
    });
  }
});
