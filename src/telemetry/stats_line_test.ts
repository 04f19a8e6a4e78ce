import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { StatsLine } from "./stats_line.ts";

Deno.test("StatsLine writes what is there, and what happened since the last line, each period", () => {
  const lines: unknown[] = [];
  const state = { nowMs: 0, periodMs: 100, queries: 5 };
  const line = new StatsLine({
    log: { info: (message, fields) => void lines.push([message, fields]) },
    nowMs: () => state.nowMs,
    periodMs: () => state.periodMs,
    present: () => ({ clients: 2 }),
    totals: () => ({ queries: state.queries }),
  });
  state.nowMs = 99;
  line.look();
  deepEqual(lines, []);
  Object.assign(state, { nowMs: 100, queries: 12 });
  line.look();
  line.look();
  deepEqual(lines, [["stats", { clients: 2, queries: 7 }]]);
  Object.assign(state, { nowMs: 900, periodMs: 0 });
  line.look();
  deepEqual(lines.length, 1);
});
