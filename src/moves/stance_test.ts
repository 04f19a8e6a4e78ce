import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { type NodeHealth, type NodeRole, type TopologyCluster, unknownNode } from "../topology/mod.ts";
import { NO_STANCE, type Stance, underStance } from "./stance.ts";

function cluster(...nodes: [NodeRole, NodeHealth][]): TopologyCluster {
  const known = nodes.map(([role, health], index) => ({
    ...unknownNode({ name: `n${index + 1}`, host: "h", port: 5432 }),
    role,
    health,
  }));
  return { name: "main", epoch: 7, phase: "serving", nodes: known };
}

function shown(of: TopologyCluster, stance: Stance): string {
  const { epoch, phase, nodes } = underStance(of, stance);
  return `${epoch} ${phase}: ${nodes.map(({ role, stale }) => stale ? "stale" : role).join(", ")}`;
}

const serve = (primary: string): Stance => ({ kind: "serve", epoch: 3, primary, timeline: 2 });

Deno.test("underStance serves the arbiter's primary, and nobody else who says so", () => {
  const both = cluster(["primary", "up"], ["standby", "up"]);
  deepEqual(shown(both, serve("n1")), "3 serving: primary, standby");
  deepEqual(shown(both, serve("n2")), "3 serving: stale, primary");
});

Deno.test("underStance holds where the arbiter says so, and while its primary is not there", () => {
  const both = cluster(["primary", "up"], ["standby", "up"]);
  const hold: Stance = { kind: "hold", epoch: 4, primary: "n1", reason: "it is moved" };
  // Who was served stays what it is: its transactions may go on to their end.
  deepEqual(shown(both, hold), "4 holding: primary, standby");
  deepEqual(underStance(both, hold).reason, "it is moved");
  deepEqual(underStance(underStance(both, hold), serve("n1")).reason, undefined);
  deepEqual(shown(both, { ...hold, primary: "n2" }), "4 holding: stale, primary");
  deepEqual(shown(both, NO_STANCE), "1 holding: stale, standby");
  deepEqual(
    shown(cluster(["primary", "down"], ["standby", "up"]), serve("n1")),
    "3 holding: primary, standby",
  );
  deepEqual(shown(cluster(["primary", "suspect"]), serve("n1")), "3 serving: primary");
  deepEqual(shown(both, serve("n9")), "3 holding: stale, standby");
});
