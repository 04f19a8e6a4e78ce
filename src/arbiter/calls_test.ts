import { deepEqual, equal } from "node:assert/strict";
import { Calls } from "./calls.ts";
import type { ArbiterAction } from "./events.ts";

function calls() {
  const sent: ArbiterAction[] = [];
  return { calls: new Calls((action) => sent.push(action)), sent };
}

Deno.test("Calls asks once, and gives the result from then on", () => {
  const { calls: one, sent } = calls();
  equal(one.ask("n1", { kind: "fence" }, 0), null);
  equal(one.ask("n1", { kind: "fence" }, 10), null);
  equal(sent.length, 1);
  one.ended(1, { ok: true }, 20);
  deepEqual(one.ask("n1", { kind: "fence" }, 30), { ok: true });
  equal(sent.length, 1);
});

Deno.test("Calls asks again behind a failure and its pause, a longer one where it is not possible", () => {
  const { calls: one, sent } = calls();
  one.ask("n1", { kind: "fence" }, 0);
  one.ended(1, { ok: false, kind: "failed", reason: "x" }, 100);
  equal(one.ask("n1", { kind: "fence" }, 599)?.ok, false);
  equal(sent.length, 1);
  one.ask("n1", { kind: "fence" }, 600);
  equal(sent.length, 2);
  one.ended(2, { ok: false, kind: "not possible", reason: "x" }, 700);
  one.ask("n1", { kind: "fence" }, 10_699);
  equal(sent.length, 2);
  one.ask("n1", { kind: "fence" }, 10_700);
  equal(sent.length, 3);
  one.ended(3, { ok: false, kind: "not possible", reason: "x" }, 10_800);
  one.ask("n1", { kind: "fence" }, 1e9, { retryMs: Infinity });
  equal(sent.length, 3);
});

Deno.test("Calls takes a verb of which nobody tells for unknown behind its deadline", () => {
  const { calls: one } = calls();
  one.ask("n1", { kind: "fence" }, 0, { timeoutMs: 1_000 });
  one.tick(1_499);
  equal(one.peek("n1", "fence"), null);
  one.tick(1_500);
  equal(one.peek("n1", "fence")?.ok, false);
});

Deno.test("Calls takes what comes later than its deadline for the truth, unless it was asked for again", () => {
  const { calls: one } = calls();
  one.ask("n1", { kind: "fence" }, 0, { retryMs: Infinity });
  one.tick(10_000);
  equal(one.peek("n1", "fence")?.ok, false);
  one.ended(1, { ok: true }, 11_000);
  deepEqual(one.peek("n1", "fence"), { ok: true });
  one.ask("n1", { kind: "inspect" }, 0);
  one.tick(10_000);
  one.ask("n1", { kind: "inspect" }, 11_000);
  one.ended(2, { ok: false, kind: "failed", reason: "x" }, 11_500);
  deepEqual(one.peek("n1", "inspect"), { ok: false, kind: "unknown", reason: "no answer in time" });
});

Deno.test("Calls notes nothing of what was asked in an earlier step, but knows at which node it was", () => {
  const { calls: one } = calls();
  one.ask("n1", { kind: "inspect" }, 0);
  one.reset();
  equal(one.nodeOf(1), "n1");
  one.ended(1, { ok: false, kind: "failed", reason: "x" }, 1);
  equal(one.peek("n1", "inspect"), null);
  equal(one.nodeOf(1), null);
});
