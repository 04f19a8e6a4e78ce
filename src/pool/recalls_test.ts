import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { Recall } from "./pool_port.ts";
import { Recalls } from "./recalls.ts";

/** Resources that answer a recall so, in the order in which they were lent; who was asked. */
function rig(...answers: readonly Recall[]) {
  const recalls = new Recalls<number>();
  const asked: number[] = [];
  const ask = (resource: number, answer: Recall) => {
    asked.push(resource);
    return answer;
  };
  for (const [i, answer] of answers.entries()) recalls.lent(i, { recall: () => ask(i, answer) });
  return { recalls, asked };
}

Deno.test("Recalls has back those that were lent the longest ago, as many as are missing, and no one twice", () => {
  const { recalls, asked } = rig("looking", "looking", "looking");
  recalls.recall(2);
  recalls.recall(2);
  deepEqual([asked, recalls.size], [[0, 1], 1]);
  recalls.recall(3);
  deepEqual([asked, recalls.size], [[0, 1, 2], 0]);
});

Deno.test("Recalls passes over those that are needed, and asks them again the next time", () => {
  const { recalls, asked } = rig(null, "looking");
  recalls.recall(1);
  deepEqual([asked, recalls.size], [[0, 1], 1]);
  recalls.recall(2);
  deepEqual(asked, [0, 1, 0]);
});

Deno.test("Recalls stops behind one that was given back at once, as that has served who waits", () => {
  const { recalls, asked } = rig("given", "looking");
  recalls.recall(2);
  deepEqual(asked, [0]);
});

Deno.test("Recalls.forget tells whether a resource was on its way, after which another is asked", () => {
  const { recalls, asked } = rig("looking", "looking");
  recalls.recall(1);
  deepEqual([recalls.forget(0), recalls.forget(0), recalls.forget(7)], [true, false, false]);
  recalls.recall(1);
  deepEqual(asked, [0, 1]);
  equal(recalls.forget(1), true);
});
