import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Config, formatProblem, parseConfig } from "../config/mod.ts";
import { mergeTopology, NO_TOPOLOGY, primaryOf, type TopologyCluster } from "../topology/mod.ts";
import { ClusterWatch } from "./cluster_watch.ts";
import type { Outcome } from "./outcome.ts";
import type { NodeAnswer } from "./sample.ts";

const NODES = [
  "{ name: n1, host: h1 }",
  "{ name: n2, host: h2, reads: false, weight: 3 }",
  "{ name: n3, host: h3 }",
];

function configOf(nodes: readonly string[]): Config {
  const parsed = parseConfig(`clusters: { main: { nodes: [${nodes}] } }`, { file: "pgplex.yaml" });
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

/** A watch of the cluster with these nodes, and short words for what they say. */
function rig(
  nodes: readonly string[] = NODES,
  served: TopologyCluster | null = null,
  isArbitrated = false,
) {
  const config = configOf(nodes);
  const cluster = config.clusters.get("main")!;
  let nowMs = 1000;
  const watch = new ClusterWatch({
    name: "main",
    config: cluster,
    isArbitrated,
    monitor: config.monitor,
    served,
    nowMs,
  });
  const address = (name: string) => ({ name, host: name.replace("n", "h"), port: 5432 });
  const heard = (name: string, outcome: Outcome) =>
    watch.heard(address(name), outcome, { askedMs: nowMs, nowMs });
  const answers = (name: string, answer: Partial<NodeAnswer>) => {
    const lsn = answer.lsn ?? 100n;
    heard(name, {
      kind: "answered",
      answer: {
        sentMs: nowMs,
        latencyMs: 1,
        recovering: false,
        system: "7",
        version: 180000,
        timeline: 1,
        lsn,
        replayLsn: lsn,
        streaming: answer.recovering ?? false,
        slotsUsed: 3,
        slotsMax: 10,
        receiver: null,
        replicas: [],
        synchronousNames: "",
        hasSchema: false,
        load: null,
        ...answer,
      },
    });
  };
  const refuses = (name: string) => heard(name, { kind: "refused", reason: "nothing listens" });
  const silent = (name: string) => heard(name, { kind: "silent", reason: "no answer" });
  const find = (name: string) => watch.cluster.nodes.find((node) => node.name === name)!;
  return {
    watch,
    answers,
    refuses,
    silent,
    find,
    primary: () => primaryOf(watch.cluster)?.name ?? null,
    wait: (ms: number) => nowMs += ms,
    tick: () => watch.tick(nowMs),
    now: () => nowMs,
    configure: (nodes: readonly string[]) => {
      const next = configOf(nodes);
      watch.configure({ config: next.clusters.get("main")!, isArbitrated, monitor: next.monitor, nowMs });
    },
    logged: () =>
      watch.takeReports().map(({ level, message, fields }) => `${level} ${fields["node"] ?? "-"} ${message}`),
  };
}

Deno.test("ClusterWatch holds until its nodes had the time to answer, and not for one that is missing", () => {
  const { watch, answers, tick, wait, primary, logged } = rig();
  equal(watch.cluster.phase, "holding");
  equal(watch.dueMs, Infinity);
  answers("n3", { recovering: true });
  answers("n2", {});
  deepEqual([watch.cluster.phase, primary(), watch.dueMs], ["holding", null, 1300]);
  wait(299);
  equal(tick(), false);
  wait(1);
  equal(tick(), true);
  deepEqual([watch.cluster.phase, primary(), watch.cluster.epoch], ["serving", "n2", 1]);
  deepEqual(logged(), [
    "info n2 a node is a primary, and up",
    "info n3 a node is a standby, and up",
    "info n2 the primary is served",
  ]);
});

Deno.test("ClusterWatch serves at once where every node has answered or refused", () => {
  const { watch, answers, refuses, primary } = rig();
  refuses("n1");
  answers("n3", { recovering: true });
  equal(watch.cluster.phase, "holding");
  answers("n2", {});
  deepEqual([watch.cluster.phase, primary()], ["serving", "n2"]);
});

Deno.test("ClusterWatch knows how fresh a standby is by the primary's answers", () => {
  const { answers, find, wait } = rig();
  answers("n1", { lsn: 100n });
  answers("n2", { recovering: true, lsn: 100n });
  answers("n3", { recovering: true, lsn: 90n });
  const fresh = (name: string) => [find(name).facts!.freshMs, find(name).facts!.lagBytes];
  deepEqual([fresh("n1"), fresh("n2"), fresh("n3")], [[Infinity, 0], [1000, 0], [-Infinity, 10]]);
  wait(1000);
  answers("n1", { lsn: 150n });
  deepEqual([fresh("n2"), fresh("n3")], [[1000, 50], [-Infinity, 60]]);
  answers("n3", { recovering: true, lsn: 150n });
  answers("n2", { recovering: true, lsn: 149n });
  deepEqual([fresh("n2"), fresh("n3")], [[1000, 1], [2000, 0]]);
  // A standby may have more than the primary's last answer tells of.
  answers("n3", { recovering: true, lsn: 170n });
  deepEqual(fresh("n3"), [2000, 0]);
});

Deno.test("ClusterWatch calls nobody fresh who receives nothing, or another timeline, whatever it has replayed", () => {
  const { answers, find } = rig();
  answers("n1", { timeline: 2, lsn: 100n });
  answers("n2", { recovering: true, timeline: 1, lsn: 500n });
  answers("n3", { recovering: true, timeline: null, lsn: 500n, streaming: false });
  deepEqual(["n2", "n3"].map((name) => [find(name).facts!.freshMs, find(name).facts!.lagBytes]), [
    [-Infinity, null],
    [-Infinity, null],
  ]);
});

Deno.test("ClusterWatch forgets the old primary's WAL with its reign", () => {
  const { watch, answers, find, wait } = rig();
  answers("n1", { lsn: 500n });
  answers("n2", { recovering: true, lsn: 400n });
  answers("n3", { recovering: true, lsn: 500n });
  wait(1000);
  answers("n2", { timeline: 2, lsn: 450n });
  equal(watch.cluster.epoch, 2);
  answers("n3", { recovering: true, timeline: 2, lsn: 440n });
  equal(find("n3").facts!.freshMs, -Infinity);
  answers("n3", { recovering: true, timeline: 2, lsn: 450n });
  equal(find("n3").facts!.freshMs, 2000);
});

Deno.test("ClusterWatch leaves to an arbiter to say which primary there is, and does not call for a person", () => {
  const { watch, answers, refuses, wait, logged } = rig(NODES, null, true);
  answers("n1", {});
  answers("n2", { recovering: true });
  answers("n3", { recovering: true });
  refuses("n1");
  wait(300);
  refuses("n1");
  answers("n3", { timeline: 2 });
  equal(watch.cluster.epoch, 2);
  deepEqual(logged().slice(-1), ["info n3 a node is a primary, and up"]);
  answers("n1", { timeline: 1 });
  answers("n3", { recovering: true, timeline: 2 });
  equal(watch.cluster.phase, "holding");
  deepEqual(logged(), [
    "error n1 a node says that it is the primary, and is not served",
    "info n3 a node is a standby, and up",
  ]);
});

Deno.test("ClusterWatch follows a failover, with a line for each thing that a person wants to know", () => {
  const { watch, answers, refuses, wait, logged, primary } = rig();
  answers("n1", {});
  answers("n2", { recovering: true });
  answers("n3", { recovering: true });
  logged();
  equal(watch.urgent, false);
  refuses("n1");
  deepEqual([watch.urgent, watch.cluster.phase], [true, "serving"]);
  wait(300);
  refuses("n1");
  equal(watch.cluster.phase, "holding");
  deepEqual(logged(), [
    "warning n1 a node is suspect",
    "warning n1 a node is down",
    "warning - a cluster's primary cannot be reached: its clients wait",
  ]);
  wait(150);
  answers("n3", { timeline: 2 });
  deepEqual([watch.cluster.phase, primary(), watch.cluster.epoch, watch.urgent], ["serving", "n3", 2, false]);
  deepEqual(logged(), ["info n3 a node is a primary, and up", "info n3 the primary has moved"]);
  answers("n1", { timeline: 1 });
  deepEqual(logged(), ["error n1 a node says that it is the primary, and is not served"]);
  answers("n1", { timeline: 1 });
  deepEqual(logged(), []);
});

Deno.test("ClusterWatch makes a silent node down by time alone, and keeps since when and why", () => {
  const { watch, answers, silent, find, wait, tick } = rig();
  answers("n1", {});
  answers("n2", { recovering: true });
  answers("n3", { recovering: true });
  wait(1000);
  silent("n2");
  equal(watch.dueMs, 5000);
  wait(1000);
  silent("n2");
  deepEqual([find("n2").health, find("n2").sinceMs], ["suspect", 2000]);
  wait(2000);
  equal(tick(), true);
  deepEqual([find("n2").health, find("n2").sinceMs, find("n2").reason], [
    "down",
    5000,
    "silent for 3000 ms: no answer",
  ]);
  deepEqual([watch.cluster.phase, watch.dueMs], ["serving", Infinity]);
});

Deno.test("ClusterWatch keeps what is known of nodes through a reload, and goes by the file for the rest", () => {
  const { watch, answers, find, configure, primary } = rig();
  answers("n1", {});
  answers("n2", { recovering: true });
  answers("n3", { recovering: true });
  deepEqual([find("n2").reads, find("n2").weight], [false, 3]);
  configure(["{ name: n4, host: h4 }", NODES[0]!, "{ name: n2, host: h2 }", "{ name: n3, host: elsewhere }"]);
  deepEqual(watch.cluster.nodes.map(({ name, role, health }) => `${name} ${role} ${health}`), [
    "n4 unknown unknown",
    "n1 primary up",
    "n2 standby up",
    "n3 unknown unknown",
  ]);
  deepEqual([watch.cluster.phase, primary(), find("n2").reads], ["serving", "n1", true]);
  configure([NODES[1]!, NODES[2]!]);
  deepEqual([watch.cluster.phase, primary()], ["holding", null]);
});

Deno.test("ClusterWatch goes on with the primary that is served when a reload begins to watch", () => {
  const served = mergeTopology(NO_TOPOLOGY, configOf(NODES)).clusters.get("main")!;
  const { watch, answers, primary, wait, tick } = rig(NODES, { ...served, epoch: 4 });
  deepEqual([watch.cluster.phase, primary(), watch.cluster.epoch], ["serving", "n1", 4]);
  answers("n2", { timeline: 3 });
  deepEqual([watch.cluster.phase, primary()], ["serving", "n1"]);
  answers("n1", { recovering: true, timeline: 3 });
  wait(300);
  tick();
  deepEqual([watch.cluster.phase, primary(), watch.cluster.epoch], ["serving", "n2", 5]);
});

Deno.test("ClusterWatch has a single node as its primary, and says how it is", () => {
  const { watch, refuses, wait, find, logged, primary } = rig(["{ name: n1, host: h1 }"]);
  deepEqual([watch.cluster.phase, primary()], ["serving", "n1"]);
  refuses("n1");
  wait(400);
  refuses("n1");
  deepEqual([watch.cluster.phase, find("n1").health, watch.urgent], ["serving", "down", false]);
  deepEqual(logged(), ["warning n1 a node is suspect", "warning n1 a node is down"]);
});

Deno.test("ClusterWatch knows how fresh a standby is that has lost its primary, until it has anything else", () => {
  const { answers, find, now, wait } = rig();
  answers("n1", { lsn: 500n });
  for (const name of ["n2", "n3"]) answers(name, { recovering: true, lsn: 500n });
  const knownMs = now();
  const facts = (name: string) => [find(name).facts!.freshMs, find(name).facts!.lagBytes];
  deepEqual(facts("n2"), [knownMs, 0]);
  wait(1000);
  const lost = { recovering: true, timeline: null, streaming: false };
  // It may have received more since it was asked last.
  answers("n2", { ...lost, lsn: 520n });
  deepEqual(facts("n2"), [knownMs, 0]);
  wait(1000);
  answers("n2", { ...lost, lsn: 520n });
  deepEqual(facts("n2"), [knownMs, 0], "it grows no fresher");
  // Of one that has more or less than it had nobody knows what that is, nor of one that nobody saw receive.
  answers("n2", { ...lost, lsn: 521n });
  deepEqual(facts("n2"), [-Infinity, null]);
  answers("n2", { recovering: true, lsn: 530n });
  answers("n2", { ...lost, lsn: 400n });
  deepEqual(facts("n2"), [-Infinity, null]);
  answers("n3", { recovering: true, timeline: 2, lsn: 600n });
  answers("n3", { ...lost, lsn: 600n });
  deepEqual(facts("n3"), [-Infinity, null]);
  const fresh = rig();
  fresh.answers("n1", { lsn: 500n });
  fresh.answers("n2", { ...lost, lsn: 500n });
  deepEqual(fresh.find("n2").facts!.freshMs, -Infinity);
});
