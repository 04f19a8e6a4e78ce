import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { WaitingQueue } from "./waiting_queue.ts";

function rig() {
  const queue = new WaitingQueue<string, number>();
  const refused = () => {};
  const resource = (wish: string) => ({ wish, granted: () => {}, refused });
  const seat = (wish: string) => ({ wish, seated: () => {}, refused });
  const waiters = [resource("a"), seat("b"), resource("c"), seat("d")];
  for (const waiter of waiters) queue.add({ waiter, sinceMs: 0, untilMs: 1 });
  return { queue, waiters };
}

function wishes({ length, at }: { length: number; at(index: number): { waiter: { wish: string } } }): string {
  return Array.from({ length }, (_, index) => at(index).waiter.wish).join("");
}

Deno.test("WaitingQueue counts those who wait for seats, however they leave", () => {
  const { queue, waiters } = rig();
  deepEqual([queue.length, queue.seatWaiters], [4, 2]);
  deepEqual([queue.forget(waiters[1]!), queue.forget(waiters[1]!), queue.seatWaiters], [true, false, 1]);
  queue.removeAt(2);
  equal(queue.seatWaiters, 0);
  const again = rig().queue;
  deepEqual(again.takeOut(({ waiter }) => waiter.wish === "b" || waiter.wish === "c").length, 2);
  deepEqual([again.length, again.seatWaiters], [2, 1]);
  equal(wishes({ length: 2, at: (index) => again.at(index) }), "ad");
});

Deno.test("WaitingQueue.keepOpening takes what is not on its way any more from the last ones", () => {
  const { queue } = rig();
  for (const index of [0, 2, 2]) queue.expect(queue.at(index), true);
  equal(queue.expecting, 2);
  equal(queue.keepOpening(2), false);
  equal(queue.keepOpening(1), true);
  deepEqual([queue.at(0).opening, queue.at(2).opening, queue.expecting], [true, false, 1]);
  queue.expect(queue.at(3), true);
  queue.removeAt(0);
  equal(queue.expecting, 1);
  queue.takeOut(() => true);
  deepEqual([queue.expecting, queue.length], [0, 0]);
});
