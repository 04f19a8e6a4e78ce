import { deepEqual, equal } from "node:assert/strict";
import { adopt, rename } from "./adopt.ts";
import { inspected, primarySays, record, Scene, settings, workWith } from "./scene_test.ts";
import { RULES } from "./rules.ts";
import type { ArbiterSettings } from "./settings.ts";
import type { Inspected } from "./views.ts";
import { Work } from "./work.ts";

function adopted(
  nodes: Parameters<typeof workWith>[0],
  named: string | null = null,
  isForced = false,
  changed: Partial<ArbiterSettings> = {},
) {
  const work = workWith(nodes, { stored: null, changed });
  adopt(work, { named, isForced });
  const write = work.takeActions().find((action) => action.kind === "write");
  return write?.kind === "write" ? [write.record.primary, write.record.timeline, write.record.epoch] : null;
}

const on = (timeline: number, changed: Partial<Inspected> = {}) => inspected({ timeline, ...changed });

Deno.test("adopt takes the only primary of the highest timeline once every node is heard", () => {
  deepEqual(adopted({ n1: primarySays(), n2: on(1), n3: on(1) }), ["n1", 1, 1]);
  deepEqual(adopted({ n1: primarySays(), n2: primarySays({ timeline: 2 }), n3: on(2) }), ["n2", 2, 2]);
  equal(adopted({ n1: primarySays(), n2: on(1), n3: "down" }), null);
});

Deno.test("adopt serves nobody before each other instance holds: one of them may serve by the record that was lost", () => {
  const scene = new Scene({ stored: null });
  scene.input({ kind: "instances", ids: [1, 2] });
  scene.pass(1_000);
  deepEqual(scene.done, ["hold cut", "epoch 1 hold", "hold cut"]);
  scene.acknowledge(2, 1, { isDrained: false });
  deepEqual(scene.done.slice(3), ["epoch 1 serving n1", "serve n1"]);
  deepEqual([scene.record?.move, scene.record?.history], [null, []]);
});

Deno.test("adopt begins above all epochs that this instance has heard of: sessions of theirs may be left on the nodes", () => {
  const now = { nowMs: 0, wallMs: 0 };
  const work = new Work({
    settings: settings(),
    rules: RULES,
    stored: null,
    instance: 1,
    now,
    heardEpoch: 41,
  });
  equal(work.unusedEpoch, 42);
});

Deno.test("a primary that was being adopted is served by whoever leads next", () => {
  const scene = new Scene({ stored: null });
  scene.input({ kind: "instances", ids: [1, 2] });
  scene.pass(100);
  scene.restart();
  scene.pass(100);
  deepEqual(scene.done, [
    "hold cut",
    "epoch 1 hold",
    "hold cut",
    "restart",
    "hold cut",
    "epoch 1 serving n1",
    "serve n1",
  ]);
});

Deno.test("a primary that dies while it is adopted is failed over from as soon as each instance holds, or is gone", () => {
  const scene = new Scene({ stored: null });
  scene.input({ kind: "instances", ids: [1, 2] });
  scene.pass(1_000);
  const ask = (id: number) =>
    scene.input({ kind: "command", id, by: "ada", command: { kind: "failover", to: null, isForced: false } });
  scene.nodes["n1"] = "down";
  for (const name of ["n2", "n3"]) scene.nodes[name] = inspected({ receiver: null });
  ask(1);
  scene.pass(9_000);
  deepEqual(scene.answers, ["refused: not all instances know the primary yet: try again"]);
  equal(scene.record?.move?.step, "hold");
  equal(scene.reports.at(-1), "waiting for instance 2, to hold its clients or to lose its lease");
  scene.input({ kind: "instances", ids: [1] });
  scene.pass(2_000);
  equal(scene.record?.primary, "n2");
});

Deno.test("a primary is adopted in each mode of failover", () => {
  for (const mode of ["follow", "manual", "auto"] as const) {
    const scene = new Scene({ stored: null, changed: { mode } });
    scene.input({ kind: "instances", ids: [1, 2] });
    scene.pass(1_000);
    equal(scene.done.at(-1), "hold cut");
    scene.acknowledge(2, 1);
    equal(scene.done.at(-1), "serve n1");
  }
});

Deno.test("adopt asks where a standby has seen a newer timeline, or two say primary of one", () => {
  equal(adopted({ n1: primarySays(), n2: on(2), n3: on(1) }), null);
  equal(adopted({ n1: primarySays(), n2: primarySays(), n3: on(1) }), null);
  deepEqual(adopted({ n1: primarySays(), n2: primarySays(), n3: on(1) }, "n2"), ["n2", 1, 1]);
});

Deno.test("adopt takes the node that an operator names, also a standby where no primary is left", () => {
  deepEqual(adopted({ n1: primarySays(), n2: "down", n3: "down" }, "n1"), ["n1", 1, 1]);
  deepEqual(adopted({ n1: on(3), n2: on(3), n3: on(3) }, "n2"), ["n2", 3, 3]);
  equal(adopted({ n1: primarySays(), n2: on(1), n3: on(1) }, "n2"), null);
  equal(adopted({ n1: primarySays(), n2: on(2), n3: on(2) }, "n1"), null);
});

Deno.test("adopt waits for the timeline of a standby that receives nothing, also where a node is named: it may be a newer one", () => {
  const nodes = { n1: primarySays(), n2: "down", n3: on(1, { timeline: null, receiver: null }) } as const;
  equal(adopted(nodes, "n1"), null);
  deepEqual(adopted(nodes, "n1", true), ["n1", 1, 1]);
});

Deno.test("adopt takes a standby while another node is silent only where it is forced: that may be the primary", () => {
  equal(adopted({ n1: on(3), n2: on(3), n3: "down" }, "n2"), null);
  deepEqual(adopted({ n1: on(3), n2: on(3), n3: "down" }, "n2", true), ["n2", 3, 3]);
});

Deno.test("adopt goes by the system identifier of most", () => {
  const foreign = { system: "999", timeline: 9 };
  deepEqual(adopted({ n1: primarySays(), n2: on(1), n3: primarySays(foreign) }), ["n1", 1, 1]);
  // None of the cluster's own says that it is the primary, as in the middle of a switchover.
  equal(adopted({ n1: on(1), n2: on(1), n3: primarySays(foreign) }), null);
  const two = { nodes: settings().nodes.slice(0, 2) };
  const tied = { n1: on(1), n2: primarySays({ system: "999" }) };
  for (const named of [null, "n1", "n2"]) equal(adopted(tied, named, false, two), null, `${named}`);
  deepEqual(adopted(tied, "n1", true, two), ["n1", 1, 1]);
});

Deno.test("adopt takes a node of another cluster only where it is forced, also where an operator names it", () => {
  for (const foreign of [on(9, { system: "999" }), primarySays({ system: "999" })]) {
    const nodes = { n1: primarySays(), n2: on(1), n3: foreign };
    equal(adopted(nodes, "n3"), null);
    deepEqual(adopted(nodes, "n3", true)?.[0], "n3");
  }
});

Deno.test("rename finds the primary again where the file calls it by another name, and asks where it is gone", () => {
  const nodes = ["m", "n2", "n3"].map((name, at) => ({ ...settings().nodes[at]!, name }));
  const renamed = (says: Parameters<typeof workWith>[0], lsn = 5_000n, address?: string) => {
    const work = workWith(says, { changed: { nodes } });
    work.seen = { primary: "n1", timeline: 1, lsn };
    rename(work, { ...record(), ...(address !== undefined && { address }) });
    return work.takeActions().map((action) => {
      if (action.kind === "write") return `${action.record.primary} ${action.record.epoch}`;
      return action.kind === "report" ? action.level : action.kind;
    });
  };
  deepEqual(renamed({ m: primarySays(), n2: on(1), n3: on(1) }), ["warning", "m 7"]);
  deepEqual(renamed({ m: on(1), n2: on(1), n3: "down" }), ["error"]);
  deepEqual(renamed({ m: primarySays({ timeline: 2 }), n2: on(1), n3: on(1) }), ["error"]);
  deepEqual(renamed({ m: primarySays(), n2: primarySays(), n3: on(1) }), ["error"]);
  deepEqual(renamed({ m: primarySays(), n2: on(1), n3: on(1) }, 5_001n), ["error"]);
  deepEqual(renamed({ m: primarySays(), n2: "unknown", n3: on(1) }), []);
  // One that somebody has promoted beside it is another server.
  const says = { m: on(1), n2: primarySays(), n3: on(1) };
  deepEqual(renamed(says, 5_000n, "10.0.0.1:5432"), ["error"]);
  deepEqual(renamed(says, 5_000n, "10.0.0.2:5432"), ["warning", "n2 7"]);
});
