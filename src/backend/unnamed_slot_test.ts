import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { UnnamedSlot } from "./unnamed_slot.ts";

const [me, other] = [{}, {}];

Deno.test("UnnamedSlot tells whose statement it is, and which of the owner's", () => {
  const slot = new UnnamedSlot();
  equal(slot.holds(me, 0), false);
  slot.parseSent(me, 1, 0);
  deepEqual([slot.holds(me, 1), slot.holds(me, 2), slot.holds(other, 1)], [true, false, false]);
  slot.parsed();
  equal(slot.holds(me, 1), true);
  slot.clear();
  equal(slot.holds(me, 1), false);
});

Deno.test("UnnamedSlot is nobody's when the last Parse fails, and as the last says when an earlier one does", () => {
  const slot = new UnnamedSlot();
  slot.parseSent(me, 1, 0);
  slot.parseSent(me, 2, 0);
  slot.parseFailed();
  equal(slot.holds(me, 2), true);
  slot.parseFailed();
  equal(slot.holds(me, 2), false);
});

Deno.test("UnnamedSlot is doubtful for another batch while a Parse is on its way", () => {
  const slot = new UnnamedSlot();
  equal(slot.doubtful(4), false);
  slot.parseSent(me, 1, 3);
  deepEqual([slot.doubtful(3), slot.doubtful(4)], [false, true]);
  slot.parsed();
  equal(slot.doubtful(4), false);
});
