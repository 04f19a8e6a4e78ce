import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Follower } from "./follower.ts";
import type { Move } from "./record.ts";
import { inspected, record, settings } from "./scene_test.ts";

const NOW = { nowMs: 0, wallMs: 0 };
const MOVE = { kind: "failover", step: "recruit", cuts: false, reason: "n1 is silent" } as Move;

function kinds(actions: readonly { readonly kind: string }[]): string[] {
  return actions.map(({ kind }) => kind);
}

Deno.test("a follower lets its clients go and wait as the newest record says", () => {
  const follower = new Follower({ settings: settings(), stored: null, now: NOW });
  deepEqual(kinds(follower.configure(settings(), NOW)), ["hold"]);
  const tell = (revision: number, stored = record()) =>
    kinds(follower.input({ kind: "record", stored: { revision, record: stored } }, NOW));
  deepEqual(tell(3), ["serve"]);
  deepEqual(tell(5, record({ epoch: 2, phase: "moving", move: MOVE })), ["hold"]);
  deepEqual(tell(4), []);
  deepEqual(follower.record?.epoch, 2);
  deepEqual(tell(6, record({ epoch: 2, primary: "n2", timeline: 2 })), ["serve"]);
});

Deno.test("a follower holds where the primary itself says that it is none", () => {
  const follower = new Follower({
    settings: settings(),
    stored: { revision: 1, record: record() },
    now: NOW,
  });
  const view = { node: "n1", health: "up", sinceMs: 0, silentMs: null, isRefused: false } as const;
  deepEqual(kinds(follower.input({ kind: "view", view: { ...view, said: inspected() } }, NOW)), ["hold"]);
  const said = inspected({ recovering: false, receiver: null });
  deepEqual(kinds(follower.input({ kind: "view", view: { ...view, said } }, NOW)), ["serve"]);
});

Deno.test("a follower says once that its file does not have the primary of the record", () => {
  const follower = new Follower({ settings: settings(), stored: null, now: NOW });
  const tell = (revision: number, primary: string) =>
    kinds(follower.input({ kind: "record", stored: { revision, record: record({ primary }) } }, NOW));
  deepEqual(tell(1, "n1"), ["serve"]);
  deepEqual(tell(2, "x"), ["report", "serve"]);
  deepEqual(tell(3, "x"), []);
  deepEqual(tell(4, "n1"), ["serve"]);
  deepEqual(tell(5, "x"), ["report", "serve"]);
  deepEqual(kinds(follower.configure({ ...settings(), nodes: [] }, NOW)), []);
});

Deno.test("a follower stays out of what it does not understand, and obeys nobody", () => {
  const follower = new Follower({
    settings: settings(),
    stored: { revision: 1, record: record() },
    now: NOW,
  });
  deepEqual(kinds(follower.misunderstood("format 2", NOW)), ["hold"]);
  const command = { kind: "rejoin", node: "n1" } as const;
  deepEqual(kinds(follower.input({ kind: "command", id: 1, by: "op", command }, NOW)), ["answer"]);
  const stored = { revision: 2, record: record() };
  deepEqual(kinds(follower.input({ kind: "record", stored }, NOW)), ["serve"]);
});
