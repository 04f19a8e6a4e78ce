import { deepEqual, equal, match, ok } from "node:assert/strict";
import { inspected, primarySays, record, Scene, settings } from "./scene_test.ts";
import { UNKNOWN_INSTANCE } from "./views.ts";

function told(scene: Scene, { to = "n2" as string | null, isForced = false, withinMs = 5_000 } = {}): Scene {
  scene.pass(1_000);
  scene.done.length = 0;
  scene.input({ kind: "command", id: 1, by: "me", command: { kind: "switchover", to, withinMs, isForced } });
  return scene;
}

Deno.test("a switchover demotes the old primary before the candidate is promoted, and changes nothing before its record", () => {
  const scene = told(new Scene());
  scene.pass(3_000);
  deepEqual(scene.done.slice(0, 13), [
    "epoch 7 prepare",
    "repoint n3",
    "checkpoint n1",
    "epoch 8 hold",
    "hold",
    "checkpoint n1",
    "epoch 8 demote",
    "hold cut",
    "demote n1",
    "epoch 8 promote",
    "promote n2",
    "epoch 8 serving n2",
    "serve n2",
  ]);
  match(scene.answers[0]!, /^done: n2 is the primary, on timeline 2/);
  equal(scene.record?.history[0]?.lostBytes, 0n);
});

Deno.test("a switchover waits before it holds anybody for one that nobody knows, where the store was empty", () => {
  const scene = new Scene();
  scene.input({ kind: "instances", ids: [UNKNOWN_INSTANCE, 1] });
  told(scene).pass(20_000);
  deepEqual([scene.done, scene.answers], [[], []]);
  scene.input({ kind: "instances", ids: [1] });
  scene.pass(3_000);
  match(scene.answers[0]!, /^done: n2 is the primary/);
});

Deno.test("a switchover refuses before it touches anything what would go wrong", () => {
  const cases: [ConstructorParameters<typeof Scene>[0], RegExp][] = [
    [{ nodes: { n1: primarySays({ dataDirMode: "0755" }) } }, /has mode 0755/],
    [{ nodes: { n1: primarySays({ canRewind: false }) } }, /neither wal_log_hints nor checksums/],
    [{ nodes: { n1: primarySays({ canRunPrograms: false }) } }, /may not run programs/],
    [{ nodes: { n2: inspected({ lsn: 1_000n }) } }, /n2: is 4000 bytes behind/],
    [{ nodes: { n2: inspected({ isPaused: true }) } }, /n2: replays late, or is paused/],
    [{ nodes: { n2: inspected({ receiver: null }) } }, /n2: does not stream/],
    [{ nodes: { n2: inspected({ system: "999" }) } }, /n2: belongs to another cluster/],
    [{ nodes: { n2: "down" } }, /n2: does not answer/],
    [{ changed: { mode: "follow" } }, /failover is follow/],
  ];
  for (const [options, problem] of cases) {
    const scene = told(new Scene(options));
    scene.pass(6_000);
    match(scene.answers[0] ?? "none", problem);
    ok(!scene.done.some((text) => /epoch|demote|hold/.test(text)), scene.done.join());
  }
});

Deno.test("a switchover gives up for a transaction that does not end, and changes nothing", () => {
  const scene = new Scene();
  scene.acknowledges = "held";
  told(scene);
  scene.pass(6_000);
  match(
    scene.answers[0]!,
    /^refused: nothing has changed, n1 is the primary: transactions had not ended within 5000 ms/,
  );
  ok(scene.done.slice(-2).includes("repoint n3"));
  ok(scene.done.includes("serve n1"));
});

Deno.test("a switchover with FORCE cuts what has not ended", () => {
  const scene = new Scene();
  scene.acknowledges = "held";
  told(scene, { isForced: true });
  scene.pass(4_900);
  ok(!scene.done.includes("endSessions n1"));
  scene.acknowledges = "drained";
  scene.pass(3_000);
  ok(scene.done.includes("endSessions n1"));
  equal(scene.record?.primary, "n2");
});

Deno.test("a switchover that is not ready in time says what it waited for", () => {
  const answerOf = (change: (scene: Scene) => void) => {
    const scene = new Scene();
    change(scene);
    told(scene).pass(8_000);
    equal(scene.record?.primary, "n1");
    return scene.answers[0]!;
  };
  const taken = answerOf((scene) => {
    scene.results["takeOver"] = (node) =>
      node === "n1" ? { ok: false, kind: "refused", reason: "a later one has it" } : { ok: true };
  });
  match(taken, /n1 could not be taken over \(a later one has it\) within 5000 ms/);
  match(
    answerOf((scene) => scene.acknowledges = "never"),
    /not all instances held their clients within 5000 ms/,
  );
});

Deno.test("a switchover takes a standby that receives from an address which no node of the file has for the primary's", () => {
  const receiver = {
    status: "streaming",
    timeline: 1,
    fromHost: "db1.example",
    fromPort: 5432,
    heardAgeMs: 1,
  };
  const scene = told(new Scene({ nodes: { n2: inspected({ receiver }) } }));
  scene.pass(3_000);
  equal(scene.record?.primary, "n2");
});

Deno.test("a switchover goes back when the demotion is refused, and forward by whoever has most when the candidate dies", () => {
  const refused = new Scene();
  refused.results["demote"] = () => ({ ok: false, kind: "failed", reason: "no pg_ctl" });
  told(refused).pass(3_000);
  equal(refused.record?.primary, "n1");
  match(refused.answers[0]!, /demote: no pg_ctl/);
  const died = new Scene();
  died.results["demote"] = (node) => {
    died.nodes[node] = inspected({ lsn: 6_000n, replayLsn: 6_000n, receiver: null });
    died.nodes["n2"] = "down";
    return { ok: true };
  };
  told(died).pass(8_000);
  equal(died.record?.primary, "n1");
  equal(died.record?.timeline, 2);
});

Deno.test("a switchover goes back behind a demotion of unknown end only when that cannot come to its restart any more", () => {
  const scene = new Scene();
  scene.results["demote"] = () => null;
  let isStuck = true;
  scene.results["stayPrimary"] = () =>
    isStuck ? { ok: false, kind: "failed", reason: "stuck" } : { ok: true };
  told(scene).pass(17_000);
  equal(scene.record?.move?.step, "demote");
  isStuck = false;
  scene.pass(1_500);
  deepEqual([scene.record?.phase, scene.record?.primary], ["serving", "n1"]);
  match(scene.answers[0]!, /n1 goes on as the primary/);
  // It has come to it meanwhile: nothing is taken back.
  const restarted = new Scene();
  restarted.results["demote"] = () => null;
  restarted.results["stayPrimary"] = (node) => {
    restarted.nodes[node] = inspected({ receiver: null });
    return { ok: false, kind: "refused", reason: "it is a standby already" };
  };
  told(restarted).pass(25_000);
  equal(restarted.record?.phase, "serving");
  equal(restarted.record?.timeline, 2);
});

Deno.test("a switchover promotes nobody beside an old primary that was restarted and promoted by hand meanwhile", () => {
  const scene = new Scene();
  scene.results["demote"] = (node) => {
    scene.nodes[node] = primarySays({ timeline: 2, forks: [[1, 5_000n]], lsn: 6_000n });
    return { ok: true };
  };
  told(scene).pass(8_000);
  equal(scene.done.includes("promote n2"), false);
  deepEqual([scene.record?.primary, scene.record?.timeline], ["n1", 2]);
});

Deno.test("a switchover keeps the other standbys where commits need more than the candidate", () => {
  const synchronous = { method: "any", k: 2, names: ["n2", "n3"] } as const;
  const scene = told(new Scene({ nodes: { n1: primarySays({ synchronous }) } }));
  scene.pass(300);
  const at = (text: string) => scene.done.indexOf(text);
  ok(at("repoint n3") < 0 || at("repoint n3") > at("promote n2"), scene.done.join());
});

Deno.test("a switchover with rejoin manual fences the old primary, and leaves it so", () => {
  const scene = told(new Scene({ changed: { rejoin: "manual" } }));
  scene.pass(3_000);
  const steps = scene.record?.history[0]?.steps.map(({ step }) => step);
  deepEqual(steps, ["prepare", "hold", "fence", "promote"]);
  ok(!scene.done.includes("unfence n1"));
  ok(!scene.done.includes("rejoin n1"));
});

Deno.test("a switchover without a name takes the standby with the highest priority", () => {
  const nodes = [1, 2, 3].map((at) => ({
    name: `n${at}`,
    host: `10.0.0.${at}`,
    port: 5432,
    priority: at * 10,
    promote: true,
  }));
  const scene = told(new Scene({ changed: { nodes } }), { to: null });
  scene.pass(3_000);
  equal(scene.record?.primary, "n3");
});

Deno.test("a switchover ends where the file has no such candidate any more: before the demotion back, behind it by whoever has most", () => {
  const without = (scene: Scene) => {
    const nodes = settings().nodes.filter(({ name }) => name !== "n2");
    scene.arbiter.configure(settings({ nodes }), { nowMs: scene.nowMs, wallMs: scene.nowMs });
  };
  const prepares = new Scene();
  prepares.results["checkpoint"] = () => null;
  told(prepares).pass(500);
  equal(prepares.record?.move?.step, "prepare");
  without(prepares);
  // The write that the reload brings is lost here, and asked for.
  prepares.pass(6_000);
  deepEqual([prepares.record?.move, prepares.record?.primary], [null, "n1"]);
  match(prepares.answers[0]!, /n2 is not in the file any more/);
  const demotes = new Scene();
  demotes.results["demote"] = () => null;
  told(demotes).pass(1_000);
  equal(demotes.record?.move?.step, "demote");
  without(demotes);
  demotes.nodes["n1"] = inspected({ receiver: null });
  demotes.pass(8_000);
  deepEqual([demotes.record?.move, demotes.record?.timeline], [null, 2]);
});

Deno.test("a switchover notes by whose acknowledgement the primary commits until it is demoted", () => {
  const [before, after] = [["n2"], ["n3"]].map((names) => ({ method: "any", k: 1, names }) as const);
  const stored = record({ synchronous: before! });
  const scene = new Scene({ stored, nodes: { n1: primarySays({ synchronous: before! }) } });
  scene.acknowledges = "held";
  told(scene, { withinMs: 30_000 });
  scene.pass(1_000);
  equal(scene.record?.move?.step, "hold");
  scene.nodes["n1"] = primarySays({ synchronous: after!, lsn: 6_000n });
  scene.pass(500);
  equal(scene.record?.move?.step, "hold");
  deepEqual(scene.record?.synchronous, after);
  deepEqual(scene.record?.earlier?.map(({ synchronous }) => synchronous), [before]);
});

Deno.test("a switchover ends where another cluster's server is in the place of either, and takes no such standby for the demoted one", () => {
  for (const name of ["n1", "n2"]) {
    const scene = new Scene();
    scene.acknowledges = "held";
    told(scene, { withinMs: 30_000 });
    scene.pass(1_000);
    const says = scene.nodes[name];
    if (typeof says === "object") scene.nodes[name] = { ...says, system: "999" };
    scene.pass(500);
    equal(scene.record?.history[0]?.why, `${name} belongs to another cluster`);
  }
  const scene = new Scene();
  scene.results["demote"] = () => {
    scene.nodes["n1"] = inspected({ system: "999", lsn: 10n, receiver: null });
    return { ok: true };
  };
  told(scene);
  scene.pass(10_000);
  ok(!scene.done.some((text) => text.startsWith("promote")), scene.done.join());
});

Deno.test("a switchover that a new life finds is taken back, and not where another node is the primary by now", () => {
  for (const isOther of [false, true]) {
    const scene = new Scene();
    scene.acknowledges = "held";
    told(scene).pass(500);
    equal(scene.record?.move?.step, "hold");
    if (isOther) {
      // Its record was removed behind its end, and put back by who had missed that.
      scene.nodes["n1"] = "down";
      scene.nodes["n2"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
    }
    scene.done.length = 0;
    scene.restart();
    scene.acknowledges = "drained";
    scene.pass(1_000);
    deepEqual([scene.record?.phase, scene.record?.primary], ["serving", isOther ? "n2" : "n1"]);
    equal(scene.done.some((text) => text === "serve n1"), !isOther, scene.done.join());
  }
});
