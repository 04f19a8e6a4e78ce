import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Config, formatProblem, parseConfig } from "../config/mod.ts";
import type { Log, LogFields } from "../telemetry/mod.ts";
import { mergeTopology, NO_TOPOLOGY, primaryOf, TopologyPublisher } from "../topology/mod.ts";
import { FakeNodes, rowOf } from "./fake_node_test.ts";
import { Monitor } from "./monitor.ts";

function configOf(yaml: string): Config {
  const parsed = parseConfig(yaml, { file: "pgplex.yaml" });
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

/** A file with clusters of these nodes, each on the host of its name. */
function fileOf(clusters: Readonly<Record<string, readonly string[]>>, more = ""): Config {
  const lines = Object.entries(clusters).map(([name, nodes]) =>
    `  ${name}: { nodes: [${
      nodes.map((node) => `{ name: ${node}, host: ${node} }`)
    }], tls: { mode: disable }${more} }\n`
  );
  return configOf(`clusters:\n${lines.join("")}`);
}

function rig(config: Config) {
  const nodes = new FakeNodes();
  const logged: string[] = [];
  const add = (level: string) => (message: string, fields: LogFields = {}) =>
    void logged.push(`${level} ${fields["node"] ?? fields["cluster"]} ${message}`);
  const log: Log = { debug: add("debug"), info: add("info"), warning: add("warning"), error: add("error") };
  let published = 0;
  const monitor = new Monitor(config, {
    runtime: nodes.runtime,
    log,
    publish: (cluster) => {
      published++;
      const { current } = topology;
      topology.publish({ ...current, clusters: new Map(current.clusters).set(cluster.name, cluster) });
    },
  });
  const topology = new TopologyPublisher(monitor.over(mergeTopology(NO_TOPOLOGY, config)));
  return {
    nodes,
    monitor,
    logged,
    publishedCount: () => published,
    reload: (next: Config) => {
      monitor.configure(next, topology.current.clusters);
      topology.publish(monitor.over(mergeTopology(topology.current, next)));
    },
    /** How long ago it was that a node of `main` has seen everything. */
    lagMs: (name: string) =>
      nodes.runtime.clock.nowMs() -
      topology.current.clusters.get("main")!.nodes.find((node) => node.name === name)!.facts!.freshMs,
    state: (name = "main") => {
      const cluster = topology.current.clusters.get(name)!;
      return `${cluster.phase} ${cluster.epoch} ${primaryOf(cluster)?.name ?? "-"}`;
    },
  };
}

const standby = rowOf({ standby: true });

Deno.test("Monitor finds the primary wherever it is, and asks each node once an interval", async () => {
  const { nodes, monitor, state } = rig(fileOf({ main: ["a", "b"] }));
  nodes.at("a").row = standby;
  equal(state(), "holding 1 -");
  monitor.start();
  await nodes.rest();
  equal(state(), "serving 1 b");
  await nodes.advance(5000);
  deepEqual(["a", "b"].map((name) => nodes.at(name).asked), [6, 6]);
  monitor.stop();
  await nodes.rest();
  equal(nodes.runtime.clock.pending, 0);
});

Deno.test("Monitor asks a standby behind the primary, so that it shows what the primary had", async () => {
  const { nodes, monitor, lagMs } = rig(fileOf({ main: ["a", "b"] }));
  nodes.at("b").row = standby;
  monitor.start();
  await nodes.advance(3200);
  for (let beat = 1; beat < 5; beat++) {
    const lsn = `0/300${beat}000`;
    await nodes.advance(700); // just before the primary is asked
    nodes.at("a").row = rowOf({ lsn });
    nodes.at("b").row = rowOf({ standby: true, lsn });
    await nodes.advance(300);
    equal(lagMs("b"), 200);
  }
  monitor.stop();
});

Deno.test("Monitor lets a node that says nothing delay nobody", async () => {
  const { nodes, monitor, state } = rig(fileOf({ main: ["a", "b", "c"], other: ["d", "e"] }));
  nodes.at("a").login = nodes.at("d").login = "mute";
  nodes.at("c").row = standby;
  monitor.start();
  await nodes.advance(310);
  deepEqual([state(), state("other")], ["serving 1 b", "serving 1 e"]);
  await nodes.advance(5000);
  deepEqual([nodes.at("b").asked, nodes.at("c").asked, nodes.at("e").asked], [9, 9, 9]); // more often while nobody was served
  monitor.stop();
});

Deno.test("Monitor follows a promotion within a fifth of a second while the primary is down", async () => {
  const { nodes, monitor, state, logged } = rig(fileOf({ main: ["a", "b"] }));
  nodes.at("b").row = standby;
  monitor.start();
  await nodes.rest();
  equal(state(), "serving 1 a");
  nodes.at("a").login = "refused";
  nodes.at("a").streams.at(-1)!.end();
  await nodes.advance(500);
  equal(state(), "holding 1 a");
  await nodes.advance(60_000, 50);
  nodes.at("b").row = rowOf({ timeline: "2" });
  await nodes.advance(170);
  equal(state(), "serving 2 b");
  equal(logged.at(-1), "info b the primary has moved");
  monitor.stop();
});

Deno.test("Monitor asks all nodes of a cluster at once for a hint", async () => {
  const { nodes, monitor, state } = rig(fileOf({ main: ["a", "b"] }));
  nodes.at("b").row = standby;
  monitor.start();
  await nodes.advance(200);
  nodes.at("b").row = rowOf({ timeline: "2" });
  monitor.hint("main");
  monitor.hint("elsewhere");
  await nodes.advance(20);
  equal(state(), "serving 2 b");
  monitor.stop();
});

Deno.test("Monitor follows a reload: nodes come and go, what is known of the others stays", async () => {
  const { nodes, monitor, state, reload } = rig(fileOf({ main: ["a", "b"] }));
  nodes.at("b").row = nodes.at("c").row = standby;
  monitor.start();
  await nodes.rest();
  const [first] = nodes.at("a").streams;
  reload(fileOf({ main: ["c", "a"], other: ["d"] }));
  deepEqual([state(), state("other")], ["serving 1 a", "serving 1 d"]);
  await nodes.advance(1000);
  deepEqual([first!.closed, nodes.at("a").streams.length, nodes.at("c").streams.length], [false, 1, 1]);
  equal(nodes.at("b").streams.every(({ closed }) => closed), true);
  reload(fileOf({ main: ["c", "a"] }, ", superuser: { user: another }"));
  await nodes.advance(1000);
  deepEqual([state(), first!.closed, nodes.at("a").streams.length], ["serving 1 a", true, 2]);
  reload(fileOf({ main: ["c", "a"] }, ", superuser: null"));
  await nodes.rest();
  equal(nodes.at("a").streams.every(({ closed }) => closed), true);
  equal(state(), "serving 1 a");
  monitor.stop();
});

Deno.test("Monitor takes another interval at once", async () => {
  const { nodes, monitor, reload } = rig(
    configOf(
      "clusters: { main: { nodes: [{ name: a, host: a }], tls: { mode: disable } } }\nmonitor: { interval: 60s }",
    ),
  );
  monitor.start();
  await nodes.advance(1000);
  equal(nodes.at("a").asked, 1);
  reload(fileOf({ main: ["a"] }));
  await nodes.advance(2000);
  equal(nodes.at("a").asked >= 3, true);
  monitor.stop();
});

Deno.test("Monitor leaves a node alone that refuses its login, and says so once, as an error that a person can act on", async () => {
  const { nodes, monitor, logged, state } = rig(fileOf({ main: ["a", "b"] }));
  nodes.at("a").login = nodes.at("b").login = "28P01";
  monitor.start();
  await nodes.advance(9000, 50);
  deepEqual([nodes.at("a").streams.length, state()], [1, "holding 1 -"]);
  await nodes.advance(20_000, 50);
  equal(nodes.at("a").streams.length, 3);
  deepEqual(logged, [
    "error a a node does not answer the monitor: check clusters.*.superuser",
    "error b a node does not answer the monitor: check clusters.*.superuser",
    "error main no node of a cluster answers the monitor, so nobody is served: check clusters.*.superuser",
  ]);
  monitor.stop();
});

Deno.test("Monitor warns once where nobody finds out which of several nodes is the primary", async () => {
  const config = fileOf({ main: ["a", "b"] }, ", superuser: null");
  const { nodes, monitor, logged, state, reload } = rig(config);
  monitor.start();
  reload(config);
  await nodes.advance(2000);
  deepEqual([state(), nodes.at("a").streams.length, logged.length], ["serving 1 a", 0, 1]);
  equal(logged[0]!.startsWith("warning a nobody finds out which node is the primary"), true);
  monitor.stop();
});
