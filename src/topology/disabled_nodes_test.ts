import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Config, formatProblem, parseConfig } from "../config/mod.ts";
import { DisabledNodes } from "./disabled_nodes.ts";
import { mergeTopology, NO_TOPOLOGY, type TopologySnapshot } from "./snapshot.ts";

function configOf(nodes: string): Config {
  const parsed = parseConfig(
    `clusters: { main: { nodes: [${nodes}] }, other: { nodes: [{ name: n2, host: o }] } }`,
    {
      file: "pgplex.yaml",
    },
  );
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

const shown = ({ clusters }: TopologySnapshot) =>
  [...clusters].flatMap(([cluster, { nodes }]) =>
    nodes.map(({ name, reads, disabled }) =>
      `${cluster}.${name} ${reads ? "reads" : "-"}${disabled ? " disabled" : ""}`
    )
  );

Deno.test("DisabledNodes takes a node out of the reads, and back in as the file has it", () => {
  const config = configOf("{ name: n1, host: a, reads: false }, { name: n2, host: b }");
  const snapshot = mergeTopology(NO_TOPOLOGY, config);
  const disabled = new DisabledNodes();
  equal(disabled.over(snapshot), snapshot);
  disabled.set("main", "n1", true);
  disabled.set("main", "n2", true);
  deepEqual(shown(disabled.over(snapshot)), ["main.n1 - disabled", "main.n2 - disabled", "other.n2 reads"]);
  disabled.set("main", "n1", false);
  disabled.set("main", "n2", false);
  deepEqual(shown(disabled.over(mergeTopology(disabled.over(snapshot), config))), [
    "main.n1 -",
    "main.n2 reads",
    "other.n2 reads",
  ]);
});

Deno.test("DisabledNodes keeps a node out through reloads, and forgets one that is gone from the file", () => {
  const both = configOf("{ name: n1, host: a }, { name: n2, host: b }");
  const disabled = new DisabledNodes();
  disabled.set("main", "n2", true);
  disabled.configure(both);
  deepEqual(shown(disabled.over(mergeTopology(NO_TOPOLOGY, both)))[1], "main.n2 - disabled");
  disabled.configure(configOf("{ name: n1, host: a }"));
  deepEqual(shown(disabled.over(mergeTopology(NO_TOPOLOGY, both)))[1], "main.n2 reads");
});
