import { deepEqual, equal, match, ok } from "node:assert/strict";
import { inspected, primarySays, record, Scene, settings, stopped } from "./scene_test.ts";
import type { Inspected, SeenPosition } from "./views.ts";

const alone: Inspected = inspected({ receiver: null });

/** A cluster whose primary has died a moment ago. */
function bereaved(options: ConstructorParameters<typeof Scene>[0] = {}): Scene {
  const scene = new Scene(options);
  scene.pass(1_000);
  scene.nodes["n1"] = "down";
  for (const name of ["n2", "n3"]) {
    const says = scene.nodes[name]!;
    if (typeof says !== "string") scene.nodes[name] = { ...says, receiver: null };
  }
  scene.done.length = 0;
  return scene;
}

Deno.test("recruit gives the cluster back to a primary that answers again before the choice", () => {
  const scene = bereaved();
  scene.results["freeze"] = () => null;
  scene.pass(1_000);
  equal(scene.record?.move?.step, "recruit");
  delete scene.results["freeze"];
  scene.nodes["n1"] = primarySays();
  scene.pass(2_000);
  ok(!scene.done.some((text) => text.startsWith("promote")));
  equal(scene.record?.primary, "n1");
  equal(scene.record?.history[0]?.outcome, "undone");
  ok(scene.done.includes("repoint n2"), "what was frozen follows again");
});

Deno.test("recruit gives the cluster back although another node says primary of that timeline too", () => {
  const scene = new Scene({
    stored: record({ primary: "n3" }),
    nodes: { n1: inspected(), n2: inspected(), n3: primarySays() },
  });
  scene.pass(1_000);
  scene.nodes["n3"] = "down";
  for (const name of ["n1", "n2"]) scene.nodes[name] = { ...alone };
  scene.results["freeze"] = () => null;
  scene.pass(1_000);
  equal(scene.record?.move?.step, "recruit");
  scene.nodes["n1"] = primarySays();
  scene.nodes["n3"] = primarySays();
  scene.pass(2_000);
  equal(scene.record?.primary, "n3");
  equal(scene.record?.phase, "serving");
});

Deno.test("recruit counts a standby that cannot be frozen as one that may have acknowledged", () => {
  const synchronous = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  const scene = bereaved({ nodes: { n1: primarySays({ synchronous }) } });
  scene.results["freeze"] = (node) => node === "n3" ? { ok: false, kind: "failed", reason: "x" } : stopped();
  scene.pass(10_000);
  equal(scene.record?.move?.step, "recruit");
  scene.results["freeze"] = () => stopped();
  scene.pass(2_000);
  ok(scene.done.includes("promote n2"));
});

Deno.test("recruit forgets what another cluster's server has said in a standby's place", () => {
  const synchronous = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  const scene = bereaved({ nodes: { n1: primarySays({ synchronous }) } });
  let lsn = 9_000_000n;
  scene.results["freeze"] = (node) =>
    node === "n2" ? { ok: false, kind: "failed", reason: "x" } : stopped({ lsn, replayLsn: lsn });
  scene.pass(6_000);
  equal(scene.record?.move?.step, "recruit");
  const own = scene.nodes["n3"]!;
  if (typeof own === "string") throw new Error("n3 answers");
  scene.nodes["n3"] = { ...own, system: "999" };
  scene.pass(3_000);
  lsn = 4_000n;
  scene.nodes["n3"] = own;
  scene.done.length = 0;
  scene.pass(3_000);
  ok(scene.done.includes("freeze n3"), scene.done.join());
});

Deno.test("recruit counts nothing that another cluster's server says of itself behind a look at the standby", () => {
  const scene = bereaved();
  scene.results["freeze"] = (node) =>
    node === "n2" ? stopped({ lsn: 9_000_000n, replayLsn: 9_000_000n }, "999") : stopped();
  scene.pass(10_000);
  ok(scene.done.includes("promote n3"), scene.done.join());
  ok(!scene.done.includes("promote n2"));
});

/** Answers a freeze as a standby does, which does not say any more by what name it was known. */
function stop(scene: Scene, node: string): ReturnType<typeof stopped> {
  const says = scene.nodes[node]!;
  if (typeof says === "string") return { ok: false, kind: "failed", reason: "connection refused" };
  scene.nodes[node] = { ...says, receiver: null, hasUpstream: false, standbyName: null };
  return stopped({ lsn: says.lsn, replayLsn: says.lsn });
}

Deno.test("recruit knows by what names standbys acknowledged when they have stopped receiving, also in another life", () => {
  const synchronous = { method: "any", k: 1, names: ["a", "b"] } as const;
  for (const isRestarted of [false, true]) {
    const scene = bereaved({
      nodes: {
        n1: primarySays({ synchronous }),
        n2: inspected({ standbyName: "a" }),
        n3: inspected({ standbyName: "b" }),
      },
    });
    let isReplayed = false;
    scene.results["freeze"] = (node) => {
      const result = stop(scene, node);
      return result.ok ? { ...result, frozen: { ...result.frozen, isReplayed } } : result;
    };
    scene.pass(2_500);
    equal(scene.record?.move?.step, "recruit");
    deepEqual(scene.record?.move?.names, { n2: "a", n3: "b" });
    if (isRestarted) scene.restart();
    isReplayed = true;
    scene.pass(6_000);
    match(scene.done.join(), /promote n[23]/);
  }
});

Deno.test("recruit promotes nobody without a standby that has another's name, and more, when both have stopped receiving", () => {
  const synchronous = { method: "any", k: 1, names: ["n2"] } as const;
  const scene = bereaved({
    nodes: {
      n1: primarySays({ synchronous }),
      n2: inspected({ standbyName: "n2" }),
      n3: inspected({ standbyName: "n2", lsn: 6_000n, replayLsn: 6_000n }),
    },
    changed: { nodes: settings().nodes.map((node) => ({ ...node, promote: node.name !== "n3" })) },
  });
  scene.results["freeze"] = (node) => stop(scene, node);
  scene.pass(20_000);
  ok(scene.done.includes("freeze n3"));
  ok(!scene.done.some((text) => text.startsWith("promote")), scene.done.join());
});

Deno.test("recruit waits for the replay of what was received, so that the watermark is exact", () => {
  const scene = bereaved();
  let isReplayed = false;
  // The last bytes are the beginning of a record whose end never came.
  scene.results["freeze"] = () => stopped({ replayLsn: 4_900n, isReplayed, xidWatermark: "8" });
  scene.pass(2_000);
  equal(scene.record?.move?.step, "recruit");
  isReplayed = true;
  scene.pass(1_000);
  equal(scene.record?.history[0]?.watermark, "8");
});

Deno.test("recruit counts what the primary has written while a move was under way", () => {
  const scene = new Scene();
  scene.pass(1_000);
  scene.acknowledges = "held";
  const command = { kind: "switchover", to: "n2", withinMs: 20_000, isForced: false } as const;
  scene.input({ kind: "command", id: 1, by: "operator", command });
  scene.pass(1_000);
  equal(scene.record?.move?.step, "hold");
  scene.nodes["n1"] = primarySays({ lsn: 9_000n });
  scene.pass(500);
  scene.nodes["n1"] = "down";
  for (const name of ["n2", "n3"]) scene.nodes[name] = { ...alone };
  scene.acknowledges = "drained";
  scene.pass(20_000);
  equal(scene.record?.move?.step, "recruit");
  equal(scene.record.move.lastLsn, 9_000n);
  ok(!scene.done.some((text) => text.startsWith("promote")), "4000 bytes are more than 1000");
});

Deno.test("recruit counts how far another instance has seen the primary, when that holds its clients", () => {
  for (const [lsn, lost] of [[9_000n, null], [5_700n, 700n], [4_000n, 0n]] as const) {
    const scene = new Scene();
    scene.pass(1_000);
    scene.input({ kind: "instances", ids: [1, 2] });
    scene.input({
      kind: "views",
      views: [{ instance: 2, healths: new Map([["n1", "down"]]), seen: null }],
    });
    scene.nodes["n1"] = "down";
    for (const name of ["n2", "n3"]) scene.nodes[name] = { ...alone };
    scene.pass(1_000);
    equal(scene.record?.move?.step, "recruit");
    const seen = { primary: "n1", timeline: 1, lsn };
    scene.acknowledge(2, 8, { seen });
    scene.pass(5_000);
    equal(scene.record?.history[0]?.lostBytes ?? null, lost);
    if (lost !== null) equal(scene.record?.history[0]?.lastLsn, lsn > 5_000n ? lsn : 5_000n);
  }
});

Deno.test("recruit counts how far another instance has seen the primary that is gone meanwhile", () => {
  const scene = new Scene();
  scene.pass(1_000);
  scene.input({ kind: "instances", ids: [1, 2] });
  const seen = { primary: "n1", timeline: 1, lsn: 9_000n };
  scene.input({ kind: "views", views: [{ instance: 2, healths: new Map([["n1", "down"]]), seen }] });
  scene.input({ kind: "views", views: [] });
  scene.input({ kind: "instances", ids: [1] });
  scene.nodes["n1"] = "down";
  for (const name of ["n2", "n3"]) scene.nodes[name] = { ...alone };
  scene.pass(10_000);
  equal(scene.record?.move?.step, "recruit");
  equal(scene.record.move.lastLsn, 9_000n);
});

Deno.test("a failover begins where only another instance has seen the primary, or this one did before it led", () => {
  const begins = (said: Inspected | null, seen: SeenPosition | null) => {
    const scene = new Scene({ nodes: { n1: "down", n2: { ...alone }, n3: { ...alone } } });
    const view = { node: "n1", health: "down", sinceMs: 0, silentMs: 0, isRefused: true, said } as const;
    scene.input({ kind: "view", view });
    scene.input({ kind: "views", views: [{ instance: 2, healths: new Map([["n1", "down"]]), seen }] });
    scene.pass(2_000);
    return scene.record?.phase === "moving" || scene.record?.primary === "n2";
  };
  equal(begins(null, null), false);
  equal(begins(primarySays(), null), true);
  equal(begins(primarySays({ timeline: 7 }), null), false);
  equal(begins(null, { primary: "n1", timeline: 1, lsn: 5_000n }), true);
  equal(begins(null, { primary: "n1", timeline: 7, lsn: 5_000n }), false);
  equal(begins(null, { primary: "n2", timeline: 1, lsn: 5_000n }), false);
});

Deno.test("recruit follows a node that somebody else has promoted meanwhile", () => {
  const scene = bereaved();
  scene.results["freeze"] = () => null;
  scene.pass(1_000);
  scene.nodes["n3"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  scene.pass(1_000);
  equal(scene.record?.primary, "n3");
  equal(scene.record?.history[0]?.kind, "follow");
});

Deno.test("recruit ends at once when failover is switched to manual", () => {
  const scene = bereaved();
  scene.results["freeze"] = () => null;
  scene.pass(1_000);
  const { nowMs } = scene;
  const actions = scene.arbiter.configure(settings({ mode: "manual" }), { nowMs, wallMs: nowMs });
  const write = actions.find(({ kind }) => kind === "write");
  ok(write?.kind === "write" && write.record.phase === "serving" && write.record.primary === "n1");
});

/** n2 is chosen, and the store takes 3 s to say that it has that; meanwhile n1 is seen to be `lsn` far, by another instance. */
function chosenSlowly(lsn: bigint): Scene {
  const scene = bereaved();
  scene.storesFor = ({ move }) => move?.step === "promote" ? 3_000 : 0;
  scene.pass(1_000);
  equal(scene.record?.move?.step, "recruit");
  scene.input({ kind: "instances", ids: [1, 2] });
  const seen = { primary: "n1", timeline: 1, lsn };
  scene.acknowledge(2, 8, { seen });
  return scene;
}

Deno.test("promote asks nobody when the primary is back before the store has said that it has the choice", () => {
  const scene = chosenSlowly(5_000n);
  scene.nodes["n1"] = primarySays({ lsn: 9_000n });
  scene.pass(4_000);
  ok(!scene.done.some((text) => text.startsWith("promote")), scene.done.join());
  deepEqual([scene.record?.phase, scene.record?.primary], ["serving", "n1"]);
});

Deno.test("promote asks nobody who is found to be further behind than is allowed since the choice", () => {
  for (const [lsn, lost] of [[5_900n, true], [6_100n, false]] as const) {
    const scene = chosenSlowly(lsn);
    scene.pass(4_000);
    equal(scene.done.includes("promote n2"), lost, scene.done.join());
    if (!lost) equal(scene.record?.move?.step, "recruit");
  }
});

Deno.test("promote asks again by whoever goes on with it, as somebody may have asked already", () => {
  const scene = bereaved();
  scene.results["promote"] = () => null;
  scene.pass(1_000);
  ok(scene.done.includes("promote n2"));
  scene.done.length = 0;
  scene.restart();
  scene.nodes["n1"] = primarySays({ lsn: 9_000n });
  scene.pass(1_000);
  ok(scene.done.includes("promote n2"), scene.done.join());
});

Deno.test("promote says so where a reload has taken the candidate out of the file, and goes on when it is back", () => {
  const scene = bereaved();
  scene.results["promote"] = () => null;
  scene.pass(1_000);
  equal(scene.record?.move?.candidate, "n2");
  const all = settings();
  scene.configure({ ...all, nodes: all.nodes.filter(({ name }) => name !== "n2") });
  scene.pass(1_000);
  ok(scene.reports.some((text) => /n2, which was to be promoted, is not in the file any more/.test(text)));
  scene.configure(all);
  delete scene.results["promote"];
  scene.pass(8_000);
  deepEqual([scene.record?.phase, scene.record?.primary], ["serving", "n2"]);
});

Deno.test("promote asks nobody else while it is unknown whether the candidate promotes itself", () => {
  const scene = bereaved();
  scene.results["promote"] = () => ({ ok: false, kind: "unknown", reason: "the connection broke" });
  scene.pass(70_000);
  const asked = new Set(scene.done.filter((text) => text.startsWith("promote")));
  deepEqual([...asked], ["promote n2"]);
  // It had been pending, and comes.
  scene.nodes["n2"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  scene.pass(500);
  equal(scene.record?.primary, "n2");
});

Deno.test("promote turns to another node when the candidate's postmaster is gone, and disowns that one", () => {
  const scene = bereaved();
  scene.results["promote"] = (node) => {
    if (node === "n2") return null;
    scene.nodes["n3"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
    return { ok: true, timeline: 2 };
  };
  scene.pass(1_000);
  scene.nodes["n2"] = "down";
  scene.pass(1_900);
  ok(!scene.done.includes("promote n3"));
  scene.pass(2_000);
  equal(scene.record?.primary, "n3");
  deepEqual(scene.record?.disowned, ["n2"]);
  // Its promotion had come through before it died: it is stale all the same.
  scene.nodes["n2"] = primarySays({ timeline: 3, forks: [[1, 5_000n], [2, 5_001n]] });
  scene.pass(1_000);
  equal(scene.record?.primary, "n3");
});

Deno.test("promote gives up nobody who was asked behind the beginning of a silence of which was heard only later", () => {
  const scene = bereaved();
  scene.results["promote"] = () => null;
  scene.pass(1_000);
  equal(scene.record?.move?.candidate, "n2");
  const asked = () => scene.done.filter((text) => text === "promote n2").length;
  scene.results["promote"] = () => ({ ok: false, kind: "failed", reason: "x" });
  for (const before = asked(); asked() === before;) scene.pass(100);
  // It was asleep for a while: the server may have started again since.
  const sinceMs = scene.nowMs - 4_000;
  scene.input({
    kind: "view",
    view: { node: "n2", health: "down", sinceMs, silentMs: sinceMs, isRefused: true, said: null },
  });
  equal(scene.record?.move?.candidate, "n2");
});

Deno.test("promote goes on with an abandoned candidate that turns out to be promoted before another one is", () => {
  const scene = bereaved({ nodes: { n3: inspected({ isPaused: true }) } });
  scene.results["promote"] = () => null;
  scene.pass(1_000);
  scene.nodes["n2"] = "down";
  scene.pass(4_000);
  equal(scene.record?.move?.step, "recruit");
  scene.nodes["n2"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  scene.pass(1_000);
  equal(scene.record?.primary, "n2");
});

Deno.test("settle brings a synchronous standby before clients are let go, at most for sync_wait", () => {
  const synchronous = { method: "any", k: 1, names: ["n1", "n2", "n3"] } as const;
  const scene = bereaved({
    nodes: { n1: primarySays({ synchronous }), n2: { ...alone, synchronous }, n3: { ...alone, synchronous } },
  });
  scene.pass(2_000);
  ok(scene.done.includes("repoint n3"));
  equal(scene.record?.phase, "moving");
  const n2 = scene.nodes["n2"] as Inspected;
  const replica = { name: "n3", state: "streaming", syncState: "quorum", flushLsn: null, replayLsn: null };
  scene.nodes["n2"] = { ...n2, replicas: [replica] };
  scene.pass(200);
  equal(scene.record?.phase, "serving");
  const lonely = bereaved({
    nodes: { n1: primarySays({ synchronous }), n2: { ...alone, synchronous }, n3: { ...alone, synchronous } },
  });
  lonely.results["repoint"] = () => ({ ok: false, kind: "failed", reason: "x" });
  lonely.pass(4_000);
  equal(lonely.record?.phase, "moving");
  // Whoever says it again meanwhile, and forces it, does not begin that anew.
  const command = { kind: "failover", to: null, isForced: true } as const;
  lonely.input({ kind: "command", id: 1, by: "ada", command });
  deepEqual(lonely.answers, ["refused: the primary is being moved already"]);
  lonely.pass(3_000);
  equal(lonely.record?.phase, "serving");
});

Deno.test("settle brings the others also where another decider goes on with a promotion that has happened", () => {
  const synchronous = { method: "any", k: 1, names: ["n1", "n2", "n3"] } as const;
  const scene = bereaved({
    nodes: { n1: primarySays({ synchronous }), n2: { ...alone, synchronous }, n3: { ...alone, synchronous } },
  });
  scene.results["repoint"] = () => null;
  scene.pass(1_500);
  deepEqual([scene.record?.move?.step, scene.record?.move?.candidate], ["promote", "n2"]);
  equal((scene.nodes["n2"] as Inspected).recovering, false);
  delete scene.results["repoint"];
  scene.results["promote"] = () => null;
  scene.done.length = 0;
  scene.restart();
  scene.pass(1_000);
  equal(scene.record?.phase, "moving");
  ok(scene.done.includes("repoint n3"), scene.done.join());
});

Deno.test("settle sets the names on a new primary that has none", () => {
  const synchronous = { method: "first", k: 1, names: ["n2", "n3"] } as const;
  const scene = bereaved({ nodes: { n1: primarySays({ synchronous }) } });
  let text = "";
  scene.results["synchronousNames"] = (_, verb) => {
    if (verb.kind === "synchronousNames") text = verb.text;
    return { ok: true };
  };
  scene.pass(2_000);
  equal(text, 'FIRST 1 ("n1", "n3")');
});

Deno.test("FAILOVER is answered where nobody can be promoted, and where another one takes its place", () => {
  const gone = { n1: "down", n2: inspected({ receiver: null, lsn: 1n, replayLsn: 1n }), n3: "down" } as const;
  const scene = new Scene({ changed: { mode: "manual" } });
  scene.pass(1_000);
  Object.assign(scene.nodes, gone);
  scene.pass(4_000);
  const ask = (id: number, isForced: boolean) =>
    scene.input({
      kind: "command",
      id,
      by: `operator ${id}`,
      command: { kind: "failover", to: null, isForced },
    });
  ask(1, false);
  scene.pass(5_000);
  deepEqual(scene.answers, []);
  ask(2, false);
  match(scene.answers[0]!, /^refused: operator 2 has asked for another one/);
  scene.pass(12_000);
  match(
    scene.answers[1]!,
    /^refused: nobody is promoted: .* Clients wait until that changes; then it goes on\. Where .* follow, it is taken back/,
  );
  equal(scene.record?.move?.step, "recruit");
  ask(3, true);
  scene.pass(6_000);
  match(scene.answers[2]!, /^done: n2 is the primary/);
});

Deno.test("promote asks no server of another cluster that is in the candidate's place", () => {
  const scene = bereaved();
  scene.results["promote"] = () => ({ ok: false, kind: "unknown", reason: "the connection broke" });
  scene.pass(2_000);
  equal(scene.record?.move?.candidate, "n2");
  scene.nodes["n2"] = inspected({ system: "999", receiver: null });
  scene.pass(100);
  scene.done.length = 0;
  scene.pass(10_000);
  deepEqual(scene.done, []);
  // It is put back.
  delete scene.results["promote"];
  scene.nodes["n2"] = inspected({ receiver: null });
  scene.pass(1_000);
  equal(scene.record?.primary, "n2");
});
