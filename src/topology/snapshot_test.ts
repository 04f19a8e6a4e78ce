import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { formatProblem, loadConfig } from "../config/mod.ts";
import { snapshotFromConfig, TopologyPublisher } from "./snapshot.ts";

const YAML = `clusters:
  main: { nodes: [{ name: main-1, host: db1 }, { name: main-2, host: db2, port: 5433 }] }
  other: { nodes: [{ name: other-1, host: db3 }] }
`;

async function config() {
  const loaded = await loadConfig("/pgplex.yaml", {
    readBytes: () => new TextEncoder().encode(YAML),
    env: () => undefined,
    certificatesProblem: () => null,
    keyPairProblem: () => null,
  });
  if ("problems" in loaded) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  return loaded.config;
}

Deno.test("snapshotFromConfig takes each cluster's first node for its primary, and knows nothing of the others", async () => {
  const { serial, clusters } = snapshotFromConfig(await config(), 7);
  equal(serial, 7);
  deepEqual([...clusters.keys()], ["main", "other"]);
  deepEqual(clusters.get("main"), {
    name: "main",
    epoch: 1,
    nodes: [
      { name: "main-1", host: "db1", port: 5432, role: "primary" },
      { name: "main-2", host: "db2", port: 5433, role: "unknown" },
    ],
  });
});

Deno.test("TopologyPublisher replaces the snapshot as a whole, and leaves an old one as it was", async () => {
  const first = snapshotFromConfig(await config(), 1);
  const publisher = new TopologyPublisher(first);
  const seen = publisher.current;
  const second = snapshotFromConfig(await config(), 2);
  publisher.publish(second);
  deepEqual([seen, publisher.current], [first, second]);
});
