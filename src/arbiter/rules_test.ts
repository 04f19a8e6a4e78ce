import { equal } from "node:assert/strict";
import { RULES } from "./rules.ts";
import { inspected, primarySays } from "./scene_test.ts";

Deno.test("quorum leaves no room for a commit that k of n have acknowledged", () => {
  for (let n = 1; n <= 6; n++) {
    for (let k = 1; k <= n; k++) {
      // The names that are not covered are too few to have acknowledged anything.
      equal(n - RULES.quorum(n, k) < k, true);
      equal(n - (RULES.quorum(n, k) - 1) < k, false);
    }
  }
});

Deno.test("isPromoted asks for both: no recovery, and a higher timeline", () => {
  equal(RULES.isPromoted(primarySays({ timeline: 2 }), 1), true);
  equal(RULES.isPromoted(primarySays({ timeline: 1 }), 1), false);
  equal(RULES.isPromoted(inspected({ timeline: 2 }), 1), false);
  equal(RULES.isPromoted(primarySays({ timeline: null }), 1), false);
});

Deno.test("isLagAllowed takes the unknown for too much", () => {
  equal(RULES.isLagAllowed(null, 1_000), false);
  equal(RULES.isLagAllowed(1_000n, 1_000), true);
  equal(RULES.isLagAllowed(1_001n, 1_000), false);
});

Deno.test("mayAbandon gives up no candidate that is only silent", () => {
  equal(RULES.mayAbandon({ isRefused: false, downMs: 1e9 }), false);
  equal(RULES.mayAbandon({ isRefused: true, downMs: 1_999 }), false);
  equal(RULES.mayAbandon({ isRefused: true, downMs: 2_000 }), true);
});
