import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { AssertionFailure } from "./assert.ts";
import { Queue } from "./queue.ts";

const item = (id: number) => ({ id });

Deno.test("Queue behaves as an array does, whatever is done to it", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("push" as const), at: fc.constant(0) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("shift" as const), at: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("removeAt" as const), at: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), at: fc.constant(0) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
    const queue = new Queue<{ id: number }>();
    const model: { id: number }[] = [];
    for (const [id, { kind, at }] of steps.entries()) {
      if (kind === "push") {
        queue.push(item(id));
        model.push(item(id));
      } else if (kind === "shift") deepEqual(queue.shift(), model.shift() ?? null);
      else if (kind === "clear") {
        queue.clear();
        model.length = 0;
      } else if (at < model.length) deepEqual(queue.removeAt(at), model.splice(at, 1)[0]);
      else throws(() => queue.removeAt(at), AssertionFailure);
      equal(queue.length, model.length);
      deepEqual([...queue], model);
      equal(queue.findIndex((each) => each.id === id), model.findIndex((each) => each.id === id));
    }
  }));
});

Deno.test("Queue goes on behind a burst as it did before", () => {
  const queue = new Queue<{ id: number }>();
  for (let burst = 0; burst < 3; burst++) {
    for (let id = 0; id < 5000; id++) queue.push(item(id));
    for (let id = 0; id < 5000; id++) deepEqual(queue.shift(), item(id));
    equal(queue.shift(), null);
  }
});

Deno.test("Queue takes the first of a hundred thousand as fast as the first of a hundred", () => {
  const timeOf = (length: number) => {
    const queue = new Queue<{ id: number }>();
    for (let id = 0; id < length; id++) queue.push(item(id));
    const began = performance.now();
    for (let i = 0; i < 200_000; i++) queue.push(queue.shift()!);
    return performance.now() - began;
  };
  const fastest = (length: number) => Math.min(...[1, 2, 3].map(() => timeOf(length)));
  fastest(100);
  const [few, many] = [fastest(100), fastest(100_000)];
  equal(many < 40 * few + 20, true, `${few} ms for a hundred, ${many} ms for a hundred thousand`);
});
