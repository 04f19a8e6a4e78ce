import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type TopologyNode, unknownNode } from "../topology/mod.ts";
import { nodeReport } from "./change_reports.ts";

const NODE = unknownNode({ name: "n1", host: "h1", port: 5432 });

function said(before: Partial<TopologyNode>, now: Partial<TopologyNode>, isOnly = false): string | null {
  const report = nodeReport("main", { ...NODE, ...before }, { ...NODE, ...now }, { isOnly });
  return report === null ? null : `${report.level}: ${report.message} (${report.fields["reason"]})`;
}

Deno.test("nodeReport has a line for each change of health, role and staleness, by how bad it is", () => {
  const up = { health: "up", role: "standby", reason: "it answers" } as const;
  const table: [Partial<TopologyNode>, Partial<TopologyNode>, string | null][] = [
    [{}, up, "info: a node is a standby, and up (it answers)"],
    [up, { ...up, reason: "anything" }, null],
    [up, { ...up, role: "primary" }, "info: a node is a primary, and up (it answers)"],
    [up, { ...up, health: "suspect", reason: "x" }, "warning: a node is suspect (x)"],
    [up, { ...up, health: "starting", reason: "x" }, "warning: a node is starting (x)"],
    [{ ...up, health: "down" }, up, "info: a node is a standby, and up (it answers)"],
    [
      up,
      { health: "foreign", reason: "x" },
      "error: a node belongs to another cluster, and is not served (x)",
    ],
    [
      up,
      { ...up, stale: true, reason: "x" },
      "error: a node says that it is the primary, and is not served (x)",
    ],
    // The old primary, when another one is served.
    [{ health: "down", role: "primary" }, { health: "down", role: "unknown" }, null],
  ];
  for (const [before, now, line] of table) equal(said(before, now), line);
});

Deno.test("nodeReport says that a login is refused, with each reason once, and an error where it matters", () => {
  const [first, second] = [{ reason: "no password" }, { reason: "no such role" }];
  const line = "a node does not answer the monitor: check clusters.*.superuser";
  deepEqual([
    said({ reason: "it has not answered yet" }, first),
    said(first, first),
    said(first, second),
    said({ reason: "it has not answered yet" }, first, true),
  ], [
    `error: ${line} (no password)`,
    null,
    `error: ${line} (no such role)`,
    `warning: ${line} (no password)`,
  ]);
});
