import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import type { Waiter } from "../pool/mod.ts";
import { WaitingRoom } from "./waiting_room.ts";

const LATE = () => new PgplexError("query_wait_timeout", "late");

function rig() {
  const heard: string[] = [];
  const room = new WaitingRoom<string, never>();
  const waiter = (wish: string): Waiter<string, never> => ({
    wish,
    granted: () => heard.push(`${wish} granted`),
    refused: ({ message }) => heard.push(`${wish} ${message}`),
  });
  const add = (name: string, untilMs: number) => {
    const one = waiter(name);
    room.add({ waiter: one, sinceMs: 0, untilMs });
    return one;
  };
  return { heard, room, add };
}

Deno.test("WaitingRoom.tick refuses whoever has waited for too long, in order, and keeps the others in theirs", () => {
  const { heard, room, add } = rig();
  for (const [name, untilMs] of [["a", 20], ["b", 10], ["c", 10], ["d", Infinity]] as const) {
    add(name, untilMs);
  }
  room.tick(9, LATE);
  deepEqual([heard, room.size], [[], 4]);
  room.tick(10, LATE);
  deepEqual(heard, ["b late", "c late"]);
  deepEqual(room.takeAll().map(({ waiter }) => waiter.wish), ["a", "d"]);
});

Deno.test("WaitingRoom.tick lets a refused waiter come back at once, behind the others", () => {
  const { room, add } = rig();
  const again: Waiter<string, never> = {
    wish: "again",
    granted() {},
    refused: () => room.add({ waiter: again, sinceMs: 10, untilMs: 20 }),
  };
  room.add({ waiter: again, sinceMs: 0, untilMs: 10 });
  add("b", 20);
  room.tick(10, LATE);
  deepEqual(room.takeAll().map(({ waiter }) => waiter.wish), ["b", "again"]);
});

Deno.test("WaitingRoom.forget takes out one, once, without a word", () => {
  const { heard, room, add } = rig();
  const [a] = [add("a", 10), add("b", 10)];
  deepEqual([room.forget(a), room.forget(a), room.size], [true, false, 1]);
  room.tick(10, LATE);
  deepEqual(heard, ["b late"]);
  equal(room.size, 0);
});
