import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Config, formatProblem, loadConfig } from "../config/mod.ts";
import {
  mergeTopology,
  NO_TOPOLOGY,
  type NodeRole,
  primaryOf,
  routesDiffer,
  type TopologySnapshot,
  unknownNode,
} from "./snapshot.ts";

const YAML = `clusters:
  main: { nodes: [{ name: main-1, host: db1 }, { name: main-2, host: db2, port: 5433 }] }
  other: { nodes: [{ name: other-1, host: db3 }] }
`;

async function config(text = YAML): Promise<Config> {
  const loaded = await loadConfig("/pgplex.yaml", {
    readBytes: () => new TextEncoder().encode(text),
    env: () => undefined,
    certificatesProblem: () => null,
    keyPairProblem: () => null,
  });
  if ("problems" in loaded) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  return loaded.config;
}

/** `snapshot`, in which somebody has found out these roles of the nodes of `main`, in epoch 2. */
function found(snapshot: TopologySnapshot, roles: Record<string, NodeRole>): TopologySnapshot {
  const main = snapshot.clusters.get("main")!;
  const nodes = main.nodes.map((node) => ({ ...node, role: roles[node.name] ?? node.role }));
  return {
    ...snapshot,
    clusters: new Map([...snapshot.clusters, ["main", { ...main, epoch: 2, phase: "holding", nodes }]]),
  };
}

const rolesOf = ({ clusters }: TopologySnapshot) =>
  clusters.get("main")!.nodes.map(({ name, role }) => `${name} ${role}`);

Deno.test("mergeTopology takes each cluster's first node for its primary, and knows nothing of the others", async () => {
  const { serial, clusters } = mergeTopology({ ...NO_TOPOLOGY, serial: 6 }, await config());
  equal(serial, 7);
  deepEqual([...clusters.keys()], ["main", "other"]);
  deepEqual(clusters.get("main"), {
    name: "main",
    epoch: 1,
    phase: "serving",
    nodes: [
      { ...unknownNode({ name: "main-1", host: "db1", port: 5432 }), role: "primary" },
      unknownNode({ name: "main-2", host: "db2", port: 5433 }),
    ],
  });
  equal(primaryOf(clusters.get("main")!)?.name, "main-1");
});

Deno.test("mergeTopology keeps roles, epoch and phase through a reload, whatever the order in the file", async () => {
  const known = found(mergeTopology(NO_TOPOLOGY, await config()), {
    "main-1": "standby",
    "main-2": "primary",
  });
  const added = YAML.replace("main: { nodes: [", "main: { nodes: [{ name: main-0, host: db0 }, ");
  const after = mergeTopology(known, await config(added));
  deepEqual(rolesOf(after), ["main-0 unknown", "main-1 standby", "main-2 primary"]);
  const { epoch, phase } = after.clusters.get("main")!;
  deepEqual([epoch, phase, after.serial], [2, "holding", known.serial + 1]);
});

Deno.test("mergeTopology knows nothing of a node that moved, and takes the first one where the primary is gone", async () => {
  const known = found(mergeTopology(NO_TOPOLOGY, await config()), {
    "main-1": "standby",
    "main-2": "primary",
  });
  const moved = mergeTopology(known, await config(YAML.replace("db1", "db9")));
  deepEqual(rolesOf(moved), ["main-1 unknown", "main-2 primary"]);
  const gone = mergeTopology(known, await config(YAML.replace("5433", "5434")));
  deepEqual(rolesOf(gone), ["main-1 primary", "main-2 unknown"]);
});

Deno.test("mergeTopology lets nobody wait for what nobody finds out any more", async () => {
  const known = found(mergeTopology(NO_TOPOLOGY, await config()), {
    "main-1": "standby",
    "main-2": "primary",
  });
  const after = mergeTopology(known, await config(YAML.replace("main: {", "main: { superuser: null,")));
  deepEqual(rolesOf(after), ["main-1 unknown", "main-2 primary"]);
  equal(after.clusters.get("main")!.phase, "serving");
});

Deno.test("mergeTopology forgets a cluster that is not in the file any more", async () => {
  const known = mergeTopology(NO_TOPOLOGY, await config());
  const left = mergeTopology(known, await config(YAML.replace(/ {2}other.*\n/, "")));
  deepEqual([...left.clusters.keys()], ["main"]);
});

Deno.test("routesDiffer is about where leases go, and not about what every sample changes", async () => {
  const known = found(mergeTopology(NO_TOPOLOGY, await config()), { "main-2": "standby" });
  const main = known.clusters.get("main")!;
  const other = (changed: Partial<typeof main>): TopologySnapshot => ({
    serial: known.serial + 1,
    clusters: new Map(known.clusters).set("main", { ...main, ...changed }),
  });
  const node = (changed: Partial<(typeof main.nodes)[number]>) =>
    other({ nodes: [main.nodes[0]!, { ...main.nodes[1]!, ...changed }] });
  equal(routesDiffer(known, known), false);
  equal(routesDiffer(known, other({ nodes: [...main.nodes] })), false);
  equal(routesDiffer(known, node({ reason: "another", sinceMs: 7 })), false);
  for (
    const changed of [
      other({ epoch: 9 }),
      other({ phase: "serving" }),
      other({ nodes: main.nodes.slice(1) }),
      other({ nodes: [...main.nodes].reverse() }),
      node({ role: "unknown" }),
      node({ health: "down" }),
      node({ stale: true }),
      node({ reads: false }),
      node({ weight: 5 }),
      node({ port: 1 }),
      { ...known, clusters: new Map([["main", main]]) },
    ]
  ) equal(routesDiffer(known, changed), true);
});
