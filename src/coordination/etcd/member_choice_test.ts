import assert from "node:assert/strict";
import { AVOID_MS, MemberChoice } from "./member_choice.ts";

Deno.test("members are tried in the file's order, and the last good one is kept", () => {
  const choice = new MemberChoice(3);
  assert.deepEqual(choice.order(0), [0, 1, 2]);
  choice.good(1);
  assert.deepEqual(choice.order(0), [1, 2, 0]);
});

Deno.test("a member that failed comes last for 3 s, and is not gone back to while another one is good", () => {
  const choice = new MemberChoice(3);
  choice.good(0);
  choice.failed(0, 1_000);
  assert.deepEqual(choice.order(1_000), [1, 2, 0]);
  assert.deepEqual(choice.order(1_000 + AVOID_MS - 1), [1, 2, 0]);
  choice.good(1);
  assert.deepEqual(choice.order(1_000 + AVOID_MS), [1, 2, 0]);
});

Deno.test("where all failed all are tried, and one that answers is good again at once", () => {
  const choice = new MemberChoice(2);
  choice.failed(0, 0);
  choice.failed(1, 0);
  assert.deepEqual(choice.order(1), [0, 1]);
  choice.good(1);
  assert.deepEqual(choice.order(1), [1, 0]);
});
