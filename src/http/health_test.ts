import { strictEqual as equal } from "node:assert/strict";
import { type Config, formatProblems, parseConfig } from "../config/mod.ts";
import { mergeTopology, NO_TOPOLOGY, type TopologySnapshot } from "../topology/mod.ts";
import { unreadiness } from "./health.ts";

function configOf(http: string, superuser = "{}"): Config {
  const parsed = parseConfig(
    `http: ${http}
clusters:
  a: { nodes: [{ name: a1, host: x }], superuser: ${superuser} }
  b: { nodes: [{ name: b1, host: y }], superuser: ${superuser} }
`,
    { file: "f.yaml" },
  );
  if ("problems" in parsed) throw new Error(formatProblems(parsed.problems));
  return parsed.config;
}

/** The clusters with all nodes up, but those that are given. */
function topologyOf(
  config: Config,
  changed: Record<string, object> = {},
  phase = "serving",
): TopologySnapshot {
  const { serial, clusters } = mergeTopology(NO_TOPOLOGY, config);
  return {
    serial,
    clusters: new Map([...clusters].map(([name, cluster]) => [name, {
      ...cluster,
      phase: name === "b" ? phase as "serving" : "serving",
      nodes: cluster.nodes.map((node) => ({ ...node, health: "up", ...changed[node.name] })),
    }])),
  };
}

Deno.test("unreadiness is null where each cluster has a primary that answers", () => {
  const config = configOf("{}");
  equal(unreadiness(config, topologyOf(config), false), null);
  equal(unreadiness(config, topologyOf(config, { b1: { health: "suspect" } }), false), null);
});

Deno.test("unreadiness counts clusters without a primary that answers, and says no name", () => {
  const config = configOf("{}");
  const reason = "1 of 2 clusters without a primary";
  equal(unreadiness(config, topologyOf(config, { b1: { health: "down" } }), false), reason);
  equal(unreadiness(config, topologyOf(config, { b1: { role: "standby" } }), false), reason);
  equal(unreadiness(config, topologyOf(config, {}, "holding"), false), reason);
});

Deno.test("unreadiness leaves optional clusters out, and asks nothing of nodes that nobody watches", () => {
  const optional = configOf("{ optional_clusters: [b] }");
  equal(unreadiness(optional, topologyOf(optional, { b1: { health: "down" } }), false), null);
  const unwatched = configOf("{}", "null");
  equal(unreadiness(unwatched, topologyOf(unwatched, { b1: { health: "unknown" } }), false), null);
});

Deno.test("unreadiness says first that pgplex is stopping", () => {
  const config = configOf("{}");
  equal(unreadiness(config, topologyOf(config), true), "pgplex is stopping");
});
