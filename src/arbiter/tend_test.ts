import { deepStrictEqual as deepEqual, equal, ok } from "node:assert/strict";
import { inspected, primarySays, record, Scene, verbs, workWith } from "./scene_test.ts";
import { conditionOf, standingOf, tend } from "./tend.ts";
import type { Inspected } from "./views.ts";

const OTHER = { status: "streaming", timeline: 2, fromHost: "10.0.0.3", fromPort: 5432, heardAgeMs: 1 };

Deno.test("standingOf tells who follows, who could, and who has diverged", () => {
  const primary = primarySays({ timeline: 2, lsn: 9_000n, forks: [[1, 5_000n]] });
  const stored = record({ timeline: 2 });
  const standing = (n2: Parameters<typeof workWith>[0][string]) => {
    const work = workWith({ n1: primary, n2, n3: inspected({ timeline: 2 }) }, { stored });
    return standingOf(work, stored, work.nodes.get("n2")!, primary);
  };
  const receiver = { ...OTHER, fromHost: "10.0.0.1" };
  equal(standing(inspected({ timeline: 2, receiver })), "follows");
  equal(standing(inspected({ timeline: 2, receiver: OTHER })), "follows");
  equal(standing(inspected({ timeline: 2, receiver: { ...receiver, status: "waiting" } })), "astray");
  equal(standing(inspected({ receiver: null })), "astray");
  equal(standing(inspected({ lsn: 5_001n, replayLsn: 5_001n, receiver: null })), "diverged");
  equal(standing(inspected({ lsn: 5_001n, receiver: null })), "astray");
  equal(standing(primarySays()), "stale");
  equal(standing(inspected({ system: "999" })), "unknown");
  equal(standing("down"), "unknown");
});

Deno.test("standingOf knows nothing by what was found before a node became what it is", () => {
  const stored = record({ timeline: 2 });
  const n1 = primarySays({ timeline: 2, lsn: 9_000n, forks: [[1, 5_000n]] });
  const n2 = inspected({ receiver: null });
  const standing = (primary: Inspected, found: Inspected) => {
    const work = workWith({ n1, n2 }, { stored });
    const known = work.nodes.get("n2")!;
    known.inspected = { ...found, askedMs: -1 };
    return standingOf(work, stored, known, primary);
  };
  equal(standing(n1, n2), "astray");
  // The primary was a standby then, on the timeline that it has left since.
  equal(standing(inspected({ lsn: 5_000n }), n2), "unknown");
  equal(standing(primarySays({ timeline: 1 }), n2), "unknown");
  // The standby was the primary.
  equal(standing(n1, primarySays({ lsn: 4_000n })), "unknown");
});

Deno.test("conditionOf says what there is to say of a node besides its role", () => {
  const stored = record({ timeline: 2 });
  const n1 = primarySays({ timeline: 2, lsn: 9_000n, forks: [[1, 5_000n]] });
  const diverged = inspected({ lsn: 6_000n, replayLsn: 6_000n, receiver: null });
  const nodes = { n1, n2: primarySays({ isFenced: true }), n3: diverged };
  const scene = new Scene({ stored, changed: { rejoin: "manual" }, nodes });
  scene.pass(2_000);
  const conditions = () => ["n1", "n2", "n3", "n4"].map((name) => scene.arbiter.conditionOf(name));
  deepEqual(conditions(), [null, "fenced", "diverged", null]);
  scene.nodes["n3"] = inspected({ timeline: 2 });
  scene.pass(2_000);
  deepEqual(conditions(), [null, "fenced", null, null]);
  const rejoin = { node: "n2", mode: "rewind", reason: "", startedAtMs: 0 } as const;
  for (const [state, condition] of [["running", "rejoining"], ["failed", "quarantined"]] as const) {
    const work = workWith(nodes, { stored });
    equal(conditionOf(work, { ...stored, rejoins: [{ ...rejoin, state }] }, "n2"), condition);
  }
});

Deno.test("tend points a standby that was left behind at the primary, and never one that has diverged", () => {
  const stored = record({ timeline: 2, moved: ["n2", "n3"] });
  const n1 = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  const n3 = inspected({ lsn: 6_000n, replayLsn: 6_000n, receiver: null });
  const scene = new Scene({
    stored,
    changed: { rejoin: "manual" },
    nodes: { n1, n2: inspected({ receiver: null }), n3 },
  });
  scene.pass(4_000);
  ok(scene.done.includes("repoint n2"));
  ok(!scene.done.includes("repoint n3"));
  equal(scene.record?.moved.join(), "n3");
});

Deno.test("tend takes a standby for one that follows by what it says behind the move", () => {
  const stored = record({ moved: ["n2"] });
  const said = (askedMs: number) => {
    const nodes = { n1: primarySays({ askedMs: 10_000 }), n2: inspected({ askedMs }), n3: "down" as const };
    const work = workWith(nodes, { stored, nowMs: 10_000 });
    return [tend(work, stored), verbs(work.takeActions()).filter((verb) => verb.endsWith(" n2")).join()];
  };
  deepEqual(said(9_999), [false, "inspect n2"]);
  deepEqual(said(10_000), [true, ""]);
});

Deno.test("tend fences an old primary that answers, and takes a fence on the primary back", () => {
  const stored = record({ timeline: 2 });
  const nodes = {
    n1: primarySays({ timeline: 2, forks: [[1, 4_000n]], isFenced: true }),
    n2: primarySays(),
  } as const;
  const scene = new Scene({ stored, changed: { rejoin: "manual" }, nodes });
  scene.pass(1_000);
  ok(scene.done.includes("fence n2"));
  ok(scene.done.includes("unfence n1"));
  const off = new Scene({ stored, changed: { rejoin: "manual", fence: "off" }, nodes });
  off.pass(1_000);
  ok(!off.done.includes("fence n2"));
});

Deno.test("tend takes back in follow a fence on the primary that a move of pgplex has left, and no other", () => {
  for (const moved of [[], ["n1"]]) {
    const scene = new Scene({
      stored: record({ moved }),
      changed: { mode: "follow" },
      nodes: { n1: primarySays({ isFenced: true }) },
    });
    scene.pass(1_000);
    equal(scene.done.includes("unfence n1"), moved.length > 0);
    scene.nodes["n1"] = primarySays();
    scene.pass(6_000);
    deepEqual(scene.record?.moved, []);
  }
});

Deno.test("tend leaves everything alone in follow, but what a move of pgplex has left", () => {
  const n1 = primarySays({ timeline: 2, forks: [[1, 5_000n]] });
  for (const moved of [[], ["n2"]]) {
    const scene = new Scene({
      stored: record({ timeline: 2, moved }),
      changed: { mode: "follow" },
      nodes: { n1, n2: inspected({ receiver: null, hasUpstream: false }) },
    });
    scene.pass(6_000);
    equal(scene.done.includes("repoint n2"), moved.length > 0);
  }
});
