import { deepEqual, equal, match, ok } from "node:assert/strict";
import { inspected, primarySays, record, Scene } from "./scene_test.ts";

/** What was done since the last look. */
function taken(scene: Scene): string[] {
  return scene.done.splice(0);
}

Deno.test("Arbiter serves the primary of the record at once, and holds where there is none", () => {
  const scene = new Scene();
  scene.pass(100);
  equal(taken(scene)[0], "serve n1");
  const unknown = new Scene({ stored: null, nodes: { n3: "down" } });
  unknown.pass(1_000);
  deepEqual(taken(unknown), ["hold cut"]);
});

Deno.test("Arbiter fails over in the order of the design, each act behind the record that announces it", () => {
  const scene = new Scene();
  scene.pass(1_000);
  taken(scene);
  scene.nodes["n1"] = "down";
  scene.nodes["n2"] = inspected({ lsn: 5_500n, replayLsn: 5_500n, receiver: null });
  scene.nodes["n3"] = inspected({ receiver: null });
  scene.pass(1_000);
  deepEqual(taken(scene), [
    "witness n2",
    "witness n3",
    "epoch 8 recruit",
    "hold cut",
    "freeze n2",
    "freeze n3",
    "epoch 8 promote",
    "promote n2",
    "epoch 8 serving n2",
    "serve n2",
    "repoint n3",
    "epoch 8 serving n2",
  ]);
  const [past] = scene.record!.history;
  equal(past?.lostBytes, 0n);
  equal(past?.watermark, "77");
  ok(past!.evidence.some((text) => text.includes("looked for it, and found nothing")));
});

Deno.test("Arbiter counts how long a primary starts from when it was first seen to, not from its last answer", () => {
  const scene = new Scene();
  scene.pass(1_000);
  scene.nodes["n1"] = "suspect";
  scene.pass(100);
  // Nothing is heard of it for a while.
  delete scene.nodes["n1"];
  scene.pass(900);
  scene.nodes["n1"] = "starting";
  for (const name of ["n2", "n3"]) scene.nodes[name] = inspected({ receiver: null });
  scene.pass(29_800);
  equal(scene.record?.phase, "serving");
  scene.pass(400);
  ok(scene.record?.history[0]?.evidence.includes("n1 has been starting for 30000 ms"));
});

Deno.test("Arbiter does nothing before each instance holds its clients", () => {
  const scene = new Scene();
  scene.pass(1_000);
  scene.acknowledges = "never";
  scene.nodes["n1"] = "down";
  scene.nodes["n2"] = inspected({ receiver: null });
  scene.nodes["n3"] = inspected({ receiver: null });
  taken(scene);
  scene.pass(20_000);
  deepEqual(taken(scene).slice(-2), ["epoch 8 recruit", "hold cut"]);
  scene.input({ kind: "instances", ids: [1, 2] });
  scene.acknowledge(1, 8);
  scene.pass(1_000);
  deepEqual(taken(scene), []);
  scene.acknowledge(2, 8);
  scene.pass(1_000);
  ok(taken(scene).includes("promote n2"));
});

Deno.test("Arbiter goes on with a failover that an earlier life has begun, at any step", () => {
  for (const stop of ["epoch 8 recruit", "epoch 8 promote"]) {
    const scene = new Scene();
    scene.pass(1_000);
    scene.nodes["n1"] = "down";
    scene.nodes["n2"] = inspected({ receiver: null });
    scene.nodes["n3"] = inspected({ receiver: null });
    // The first life dies with its next verb in flight.
    scene.results[stop === "epoch 8 recruit" ? "freeze" : "promote"] = () => null;
    scene.pass(1_000);
    ok(scene.done.includes(stop), stop);
    delete scene.results["freeze"];
    delete scene.results["promote"];
    scene.restart();
    taken(scene);
    scene.pass(1_000);
    const done = taken(scene);
    equal(done[0], "hold cut");
    ok(done.includes("promote n2"), done.join(", "));
    equal(scene.record?.primary, "n2");
  }
});

Deno.test("Arbiter takes a switchover back that a restart has broken before the demotion", () => {
  const scene = new Scene();
  scene.pass(1_000);
  scene.acknowledges = "held";
  scene.input({
    kind: "command",
    id: 1,
    by: "me",
    command: { kind: "switchover", to: "n2", withinMs: null, isForced: false },
  });
  scene.pass(1_000);
  equal(scene.record?.move?.step, "hold");
  scene.restart();
  scene.pass(1_000);
  equal(scene.record?.primary, "n1");
  equal(scene.record?.history.at(-1)?.outcome, "undone");
});

Deno.test("Arbiter reads again what a write of unknown end has left, and goes on from there", () => {
  const scene = new Scene({
    nodes: { n1: primarySays({ synchronous: { method: "any", k: 1, names: ["n2"] } }) },
  });
  const now = { nowMs: 100, wallMs: 100 };
  const said = primarySays({ synchronous: { method: "any", k: 1, names: ["n2"] }, askedMs: 50 });
  const view = { node: "n1", health: "up", sinceMs: 0, silentMs: null, isRefused: false, said } as const;
  const [write] = scene.arbiter.input({ kind: "view", view }, now).filter(({ kind }) => kind === "write");
  ok(write?.kind === "write");
  const actions = scene.arbiter.input({ kind: "write unknown", reason: "lost" }, now);
  deepEqual(actions.map(({ kind }) => kind), ["report", "read"]);
  scene.arbiter.input({ kind: "record", stored: { revision: 2, record: write.record } }, now);
  deepEqual(scene.arbiter.record?.synchronous?.names, ["n2"]);
});

Deno.test("Arbiter writes its record again where the store has lost it", () => {
  const scene = new Scene();
  scene.pass(500);
  scene.stored = null;
  scene.input({ kind: "record", stored: null });
  scene.nodes["n1"] = primarySays({ synchronous: { method: "any", k: 1, names: ["n2"] } });
  scene.pass(500);
  equal(scene.record?.epoch, 17);
});

Deno.test("Arbiter in follow refuses to promote anybody, and manual only does it when told", () => {
  const down = { n1: "down", n2: inspected({ receiver: null }), n3: inspected({ receiver: null }) } as const;
  const follow = new Scene({ changed: { mode: "follow" }, nodes: down });
  follow.pass(500);
  follow.input({
    kind: "command",
    id: 1,
    by: "me",
    command: { kind: "failover", to: null, isForced: false },
  });
  follow.pass(5_000);
  match(follow.answers[0]!, /refused: failover is follow/);
  const manual = new Scene({ changed: { mode: "manual", maxFailoverLagBytes: 0 } });
  manual.pass(500);
  Object.assign(manual.nodes, down);
  manual.pass(5_000);
  equal(manual.record?.primary, "n1");
  match(manual.reports.join("\n"), /n1 is gone, and failover is manual: FAILOVER replaces it/);
  manual.input({
    kind: "command",
    id: 1,
    by: "me",
    command: { kind: "failover", to: "n3", isForced: false },
  });
  manual.pass(2_000);
  equal(manual.record?.primary, "n3");
  match(
    manual.answers[0]!,
    /done: n3 is the primary, on timeline 2 \(recruit \d+ ms, promote \d+ ms; bytes lost: 0\)/,
  );
});

Deno.test("Arbiter refuses a failover of a primary that is well", () => {
  const scene = new Scene();
  scene.pass(500);
  scene.input({ kind: "command", id: 1, by: "me", command: { kind: "failover", to: null, isForced: true } });
  match(scene.answers[0]!, /n1 is well: say SWITCHOVER/);
});

Deno.test("Arbiter holds while the primary of the record says that it is a standby, or on another timeline", () => {
  for (const says of [inspected(), primarySays({ timeline: 9 })]) {
    const scene = new Scene({
      stored: record({ timeline: 5 }),
      nodes: { n1: says },
      changed: { mode: "manual" },
    });
    scene.pass(100);
    ok(scene.done.includes("hold cut"));
  }
});

Deno.test("Arbiter answers whoever has asked for a move that could not be announced", () => {
  const scene = new Scene();
  scene.pass(1_000);
  const now = { nowMs: scene.nowMs, wallMs: scene.nowMs };
  const command = { kind: "failover", to: "n2", isForced: true } as const;
  scene.nodes["n1"] = "down";
  scene.arbiter.input(
    {
      kind: "view",
      view: {
        node: "n1",
        health: "down",
        sinceMs: 0,
        silentMs: 0,
        isRefused: true,
        said: null,
      },
    },
    now,
  );
  const begun = scene.arbiter.input({ kind: "command", id: 7, by: "me", command }, now);
  equal(begun.some(({ kind }) => kind === "write"), true);
  scene.arbiter.input({ kind: "write unknown", reason: "no answer" }, now);
  const actions = scene.arbiter.input({ kind: "record", stored: scene.stored }, now);
  const [answer] = actions.filter(({ kind }) => kind === "answer");
  deepEqual(answer, {
    kind: "answer",
    id: 7,
    ok: false,
    text: "it could not be announced, so nothing has changed: try again",
  });
});

Deno.test("Arbiter puts a record that is lost back at once, as who starts then finds nothing", () => {
  const scene = new Scene();
  scene.pass(500);
  scene.stored = null;
  // Of a move that was announced, and that only another instance has heard of.
  scene.acknowledge(2, 28);
  scene.input({ kind: "record", stored: null });
  equal(scene.record?.epoch, 29);
  equal(scene.record?.primary, "n1");
});

Deno.test("Arbiter obeys FAILOVER where another cluster's server is in the primary's place, by itself it promotes nobody", () => {
  const scene = new Scene();
  scene.pass(500);
  for (const name of ["n2", "n3"]) scene.nodes[name] = inspected({ receiver: null });
  scene.nodes["n1"] = primarySays({ system: "999", lsn: 10n });
  scene.pass(10_000);
  equal(scene.record?.epoch, 7);
  scene.input({ kind: "command", id: 1, by: "me", command: { kind: "failover", to: null, isForced: false } });
  scene.pass(2_000);
  equal(scene.record?.primary, "n2");
  match(scene.answers[0]!, /^done/);
});

Deno.test("Arbiter answers commands while a store does not say what became of a write, and says that once", () => {
  const scene = new Scene({ changed: { mode: "manual" } });
  scene.pass(1_000);
  scene.nodes["n1"] = "down";
  scene.pass(4_000);
  scene.readable = false;
  scene.storesFor = () => Infinity;
  const say = (id: number, node: string) =>
    scene.input({ kind: "command", id, by: "me", command: { kind: "rejoin", node } });
  scene.input({ kind: "command", id: 1, by: "me", command: { kind: "failover", to: null, isForced: false } });
  for (let count = 0; count < 2; count++) scene.input({ kind: "write unknown", reason: "the disk hangs" });
  say(2, "n3");
  scene.pass(9_000);
  deepEqual(scene.answers, []);
  scene.pass(2_000);
  equal(scene.answers.length, 2);
  match(scene.answers.join("\n"), /^refused: it is not known .* the disk hangs\. .* SHOW FAILOVERS/);
  match(scene.answers[1]!, /^refused: nothing is begun: .* the disk hangs$/);
  const said = () => scene.reports.filter((text) => /not known whether/.test(text)).length;
  equal(said(), 1);
  // The store answers again: what was announced is not there, and the next time is another one.
  scene.readable = true;
  scene.storesFor = () => 0;
  scene.pass(6_000);
  scene.input({ kind: "write unknown", reason: "the disk hangs" });
  equal(said(), 2);
});
