import { strictEqual as equal } from "node:assert/strict";
import { bestFit, type Slot } from "./slot.ts";

type Fitness = 0 | 1 | 2;

/** Idle resources that serve anybody this well. */
function idle(...fitness: Fitness[]): Slot<{ openedMs: number; fitness(): Fitness }>[] {
  return fitness.map((value) => ({
    resource: { openedMs: 0, fitness: () => value },
    earlier: 0,
    leased: false,
    sinceMs: 0,
    stale: false,
    fresh: false,
  }));
}

Deno.test("bestFit finds the one that serves as it is, of equals the last one, and none where none can", () => {
  equal(bestFit(idle(2, 1, 2, 1, 0), null), 2);
  equal(bestFit(idle(1, 0, 1, 0), null), 2);
  equal(bestFit(idle(0, 0), null), -1);
  equal(bestFit(idle(), null), -1);
});
