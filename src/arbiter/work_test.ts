import { deepEqual, equal, throws } from "node:assert/strict";
import { HISTORY_MAX, type Move, type MoveStep } from "./record.ts";
import { inspected, primarySays, record, settings, workWith } from "./scene_test.ts";

const MOVE = {
  kind: "failover",
  from: "n1",
  step: "recruit",
  steps: [],
  abandoned: ["n2"],
  evidence: [],
} as unknown as Move;

Deno.test("Work gives the fresher of what the monitor and the arbiter have heard", () => {
  const work = workWith({ n1: primarySays({ askedMs: 10 }), n2: "down", n3: inspected() });
  const known = work.nodes.get("n1")!;
  known.inspected = primarySays({ askedMs: 20, lsn: 6_000n });
  equal(work.said("n1")?.lsn, 6_000n);
  known.inspected = primarySays({ askedMs: 5, lsn: 4_000n });
  equal(work.said("n1")?.lsn, 5_000n);
  equal(work.fresh("n1", 11), null);
  equal(work.said("n2"), null);
});

Deno.test("Work writes one record at a time", () => {
  const work = workWith({});
  work.write(record());
  throws(() => work.write(record()), /while another one is/);
});

Deno.test("Work waits for each instance, and for their transactions where it must", () => {
  const work = workWith({});
  work.instances = [1, 2];
  work.acknowledged.set(1, { epoch: 8, startedAtMs: null, isDrained: true, seen: null });
  equal(work.isHeld(8), false);
  work.acknowledged.set(2, { epoch: 8, startedAtMs: null, isDrained: false, seen: null });
  equal(work.isHeld(8), true);
  equal(work.isHeld(8, { drained: true }), false);
  equal(work.isHeld(9), false);
  // A lost record begins its epochs anew: what was said of a higher one was about another move.
  equal(work.isHeld(7), false);
});

Deno.test("Work waits for one that nobody knows, but not where nothing is moved", () => {
  const work = workWith({});
  work.instances = [1];
  work.acknowledged.set(1, { epoch: 8, startedAtMs: null, isDrained: true, seen: null });
  work.mayMissOne = true;
  deepEqual([work.isHeld(8), work.isHeld(8, { known: true })], [false, true]);
  work.mayMissOne = false;
  equal(work.isHeld(8), true);
});

Deno.test("Work does not take what was said of another move of the same epoch, before a record was lost, for this one's", () => {
  const work = workWith({}, { stored: record({ phase: "moving", move: { ...MOVE, startedAtMs: 2_000 } }) });
  work.instances = [2];
  const held = { epoch: 7, isDrained: true, seen: null };
  const answers = [1_000, 0, 2_000, null].map((startedAtMs) => {
    work.acknowledged.set(2, { ...held, startedAtMs });
    return work.isHeld(7);
  });
  // Earlier versions do not say which move it is.
  deepEqual(answers, [false, false, true, true]);
});

Deno.test("Work does not take the FORCE of a switchover, which ends transactions, for that of a failover, which accepts a loss", () => {
  const forced = (past: MoveStep, step: MoveStep, more: Partial<Move> = {}) => {
    const work = workWith({});
    work.step(record(), { ...MOVE, isForced: true, steps: [{ step: past, atMs: 0 }] }, step, more);
    const [written] = work.takeActions();
    return written?.kind === "write" && written.record.move?.isForced;
  };
  deepEqual([forced("hold", "demote"), forced("hold", "recruit"), forced("recruit", "recruit")], [
    true,
    false,
    true,
  ]);
  equal(forced("hold", "recruit", { isForced: true }), true);
});

Deno.test("Work keeps a bounded history, and disowns candidates that were given up", () => {
  const work = workWith({});
  let one = record({ phase: "moving", move: MOVE });
  for (let at = 0; at < HISTORY_MAX + 5; at++) {
    work.undo(one, MOVE, `${at}`);
    one = { ...work.writing!, move: MOVE };
    work.writing = null;
  }
  equal(one.history.length, HISTORY_MAX);
  equal(one.history.at(-1)?.why, `${HISTORY_MAX + 4}`);
  deepEqual(one.disowned, ["n2"]);
});

Deno.test("Work says a thing once until another one is said", () => {
  const work = workWith({});
  for (const text of ["a", "a", "b", "b", "a"]) work.say("info", "key", text);
  equal(work.takeActions().length, 3);
});

Deno.test("Work keeps what it knows of nodes that a reload leaves where they are", () => {
  const work = workWith({ n1: primarySays(), n2: inspected() });
  const nodes = settings().nodes.map((node) => node.name === "n2" ? { ...node, port: 1 } : node).slice(0, 2);
  work.configure(settings({ nodes }));
  equal(work.said("n1") !== null, true);
  equal(work.said("n2"), null);
  equal(work.nodes.has("n3"), false);
});

Deno.test("Work asks a node again that a reload has moved, or taken away and brought back: its session is another one", () => {
  const work = workWith({ n1: primarySays(), n2: inspected() });
  const frozen = { lsn: 1n, replayLsn: 1n, timeline: 1, isReplayed: true, xidWatermark: null };
  const take = () => {
    for (const name of ["n1", "n2", "n3"]) {
      work.tookOver(name, 8);
      work.frozen.set(name, frozen);
    }
    for (const action of work.takeActions()) {
      if (action.kind === "verb") work.calls.ended(action.id, { ok: true }, 0);
    }
  };
  take();
  const nodes = settings().nodes.map((node) => node.name === "n2" ? { ...node, port: 1 } : node).slice(0, 2);
  work.configure(settings({ nodes }));
  work.configure(settings({ nodes: [...nodes, settings().nodes[2]!] }));
  deepEqual(["n1", "n2", "n3"].map((name) => work.tookOver(name, 8)), [true, false, false]);
  deepEqual([...work.frozen.keys()], ["n1"]);
});
