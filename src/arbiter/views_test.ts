import { equal } from "node:assert/strict";
import { isWithin } from "./views.ts";

Deno.test("isWithin knows a history by the timelines that it has left", () => {
  const history = { forks: [[1, 100n], [2, 200n]] as const, current: 3 };
  const cases: [number, bigint, boolean][] = [
    [3, 999n, true],
    [1, 100n, true],
    [1, 101n, false],
    [2, 200n, true],
    [2, 201n, false],
    [4, 1n, false],
  ];
  for (const [timeline, lsn, expected] of cases) equal(isWithin({ timeline, lsn }, history), expected);
});
