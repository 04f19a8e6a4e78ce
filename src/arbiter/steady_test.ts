import { deepEqual, equal, ok } from "node:assert/strict";
import { inspected, primarySays, record, Scene } from "./scene_test.ts";

Deno.test("noteSynchronous keeps in the record by whose acknowledgement the primary commits", () => {
  const synchronous = { method: "any", k: 1, names: ["n2"] } as const;
  const scene = new Scene({ nodes: { n1: primarySays({ synchronous }) } });
  scene.pass(200);
  deepEqual(scene.record?.synchronous, synchronous);
});

Deno.test("follow takes the node that somebody else has promoted, behind a hold, and says what is lost", () => {
  const scene = new Scene({ nodes: { n1: primarySays({ lsn: 5_700n }) }, changed: { mode: "follow" } });
  scene.pass(500);
  scene.done.length = 0;
  scene.nodes["n2"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  scene.pass(500);
  deepEqual(scene.done.slice(0, 4), ["epoch 8 hold", "hold cut", "epoch 8 serving n2", "serve n2"]);
  equal(scene.record?.history[0]?.lostBytes, 700n);
});

Deno.test("follow takes the primary itself where somebody has promoted it again, as behind a restore", () => {
  for (const mode of ["follow", "manual", "auto"] as const) {
    const scene = new Scene({ changed: { mode } });
    scene.pass(500);
    scene.done.length = 0;
    scene.nodes["n1"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
    scene.pass(500);
    deepEqual(scene.done.slice(0, 4), ["hold cut", "epoch 8 hold", "hold cut", "epoch 8 serving n1"]);
    deepEqual([scene.record?.timeline, scene.record?.history.length], [2, 1]);
  }
});

Deno.test("follow leaves a primary of another history, of an old timeline, and a disowned one alone", () => {
  const stored = record({ timeline: 3, disowned: ["n3"] });
  const scene = new Scene({
    stored,
    nodes: { n1: primarySays({ timeline: 3 }) },
    changed: { mode: "follow" },
  });
  scene.nodes["n2"] = primarySays({ timeline: 4, forks: [[1, 5_000n]] });
  scene.nodes["n3"] = primarySays({ timeline: 4, forks: [[3, 5_000n]] });
  scene.pass(2_000);
  scene.nodes["n2"] = primarySays({ timeline: 2 });
  scene.pass(2_000);
  equal(scene.record?.primary, "n1");
});

Deno.test("follow goes back where the promoted node is gone again", () => {
  const scene = new Scene({ changed: { mode: "follow" } });
  scene.pass(500);
  scene.acknowledges = "never";
  scene.nodes["n2"] = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  scene.pass(500);
  scene.nodes["n2"] = "down";
  scene.pass(100);
  scene.acknowledge(1, 8);
  scene.pass(8_000);
  equal(scene.record?.primary, "n1");
  equal(scene.record?.phase, "serving");
});

Deno.test("failOver waits behind the last one for failover_interval", () => {
  const scene = new Scene({ changed: { failoverIntervalMs: 60_000 } });
  const fail = (name: string) => {
    scene.nodes[name] = "down";
    for (const other of ["n2", "n3"]) {
      const says = scene.nodes[other];
      if (other !== name && typeof says === "object") scene.nodes[other] = { ...says, receiver: null };
    }
  };
  scene.pass(1_000);
  fail("n1");
  scene.pass(5_000);
  equal(scene.record?.primary, "n2");
  fail("n2");
  scene.pass(40_000);
  equal(scene.record?.primary, "n2");
  scene.pass(20_000);
  equal(scene.record?.primary, "n3");
});

Deno.test("failOver counts failover_interval from when the store has the end of the last one, also where it leads again since", () => {
  for (const leadsAgain of [false, true]) {
    const scene = new Scene({ changed: { failoverIntervalMs: 10_000 } });
    const fail = (name: string) => {
      scene.nodes[name] = "down";
      for (const [other, says] of Object.entries(scene.nodes)) {
        if (other !== name && typeof says === "object") scene.nodes[other] = { ...says, receiver: null };
      }
    };
    scene.pass(1_000);
    fail("n1");
    scene.storesFor = ({ history }) => history.length > 0 ? 4_000 : 0;
    scene.pass(4_000);
    equal(scene.record?.primary, "n1");
    scene.pass(200);
    equal(scene.record?.primary, "n2");
    const storedMs = scene.nowMs;
    if (leadsAgain) scene.restart({ epoch: scene.record.epoch, atMs: storedMs });
    scene.storesFor = () => 0;
    scene.pass(500);
    fail("n2");
    for (let at = 0; at < 200 && scene.record?.primary !== "n3"; at++) scene.pass(100);
    equal(scene.record?.primary, "n3");
    ok(scene.nowMs - storedMs >= 9_900, `${scene.nowMs - storedMs} ms`);
  }
});

Deno.test("failOver begins nothing where nobody may be promoted, or nobody knows how far the primary was", () => {
  const gone = { n1: "down", n2: inspected({ receiver: null }), n3: inspected({ receiver: null }) } as const;
  const unseen = new Scene({ nodes: gone });
  unseen.pass(5_000);
  equal(unseen.record?.phase, "serving");
  const synchronous = { method: "any", k: 1, names: ["n2", "n3"] } as const;
  const covered = new Scene({ stored: record({ synchronous }), nodes: gone });
  covered.pass(8_000);
  equal(covered.record?.primary, "n2");
  const short = new Scene({ stored: record({ synchronous }), nodes: { ...gone, n3: "down" } });
  short.pass(8_000);
  ok(!short.done.some((text) => text.startsWith("freeze")));
});

Deno.test("failOver waits no longer than failover_interval where the wall clock was set back, in this life or before it", () => {
  for (const restarts of [false, true]) {
    const scene = new Scene({ changed: { failoverIntervalMs: 10_000 } });
    const fail = (name: string) => {
      scene.nodes[name] = "down";
      for (const [other, says] of Object.entries(scene.nodes)) {
        if (other !== name && typeof says === "object") scene.nodes[other] = { ...says, receiver: null };
      }
    };
    scene.wallOffsetMs = 3_600_000;
    scene.pass(1_000);
    fail("n1");
    scene.pass(5_000);
    equal(scene.record?.primary, "n2");
    scene.wallOffsetMs = 0;
    if (restarts) scene.restart();
    scene.pass(500);
    fail("n2");
    scene.pass(4_000);
    equal(scene.record?.primary, "n2");
    scene.pass(12_000);
    equal(scene.record?.primary, "n3");
  }
});
