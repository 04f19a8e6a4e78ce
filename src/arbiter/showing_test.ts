import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { inspected, record } from "./scene_test.ts";
import { showingOf, Shown } from "./showing.ts";
import type { Move } from "./record.ts";

const MOVE = { kind: "switchover", step: "hold", cuts: false, reason: "asked for" } as Move;

Deno.test("clients go to the primary of a record that serves, unless it says that it is none", () => {
  const served = { kind: "serve", epoch: 7, primary: "n1", timeline: 1 };
  const primary = inspected({ recovering: false, receiver: null });
  deepEqual(showingOf(record(), null), served);
  deepEqual(showingOf(record(), primary), served);
  const others = [
    { recovering: true },
    { recovering: false, system: "222" },
    { recovering: false, timeline: 2 },
  ];
  for (const other of others) equal(showingOf(record(), inspected(other)).kind, "hold");
  equal(showingOf(null, null).kind, "hold");
});

Deno.test("clients hear why they wait while a primary is adopted, of a new cluster and of one whose record was lost", () => {
  const move = {
    ...MOVE,
    kind: "follow",
    candidate: null,
    reason: "there was no record of the cluster",
  } as const;
  const showing = showingOf(record({ phase: "moving", move }), null);
  equal(
    showing.kind === "hold" && showing.reason,
    "there was no record of the cluster: n1 is served when all instances know",
  );
});

Deno.test("a switchover waits for transactions until it cuts them; any other move cuts at once", () => {
  const cut = (move: Partial<Move>) => {
    const showing = showingOf(record({ phase: "moving", move: { ...MOVE, ...move } }), null);
    return showing.kind === "hold" && showing.cut;
  };
  deepEqual([cut({}), cut({ cuts: true }), cut({ kind: "failover" }), cut({ step: "demote" })], [
    false,
    true,
    true,
    true,
  ]);
});

Deno.test("what was shown is not shown again", () => {
  const shown = new Shown();
  const serve = showingOf(record(), null);
  deepEqual(
    [shown.isNew(serve), shown.isNew(serve), shown.isNew(showingOf(null, null)), shown.isNew(serve)],
    [
      true,
      false,
      true,
      true,
    ],
  );
});
