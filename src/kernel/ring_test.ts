import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { AssertionFailure } from "./assert.ts";
import { ByteRing } from "./ring.ts";

Deno.test("ByteRing gives items back in the order in which they came", () => {
  const ring = new ByteRing(2);
  for (const item of [1, 2, 3, 4, 5]) ring.push(item);
  equal(ring.length, 5);
  deepEqual([ring.shift(), ring.shift(), ring.peek(), ring.at(2)], [1, 2, 3, 5]);
});

Deno.test("ByteRing says -1 for what an empty one holds", () => {
  const ring = new ByteRing();
  equal(ring.peek(), -1);
  equal(ring.shift(), -1);
  equal(ring.length, 0);
});

Deno.test("ByteRing grows while its items wrap around the end", () => {
  const ring = new ByteRing(4);
  for (const item of [1, 2, 3, 4]) ring.push(item);
  ring.shift();
  ring.shift();
  for (const item of [5, 6, 7]) ring.push(item);
  deepEqual([0, 1, 2, 3, 4].map((index) => ring.at(index)), [3, 4, 5, 6, 7]);
});

Deno.test("ByteRing.full says when the limit is reached, and pushing on is a defect", () => {
  const ring = new ByteRing(2, 8);
  for (let i = 0; i < 8; i++) {
    equal(ring.full, false);
    ring.push(i);
  }
  equal(ring.full, true);
  throws(() => ring.push(8), AssertionFailure);
  ring.shift();
  equal(ring.full, false);
});

Deno.test("ByteRing refuses a capacity that is no power of two, and places outside of its length", () => {
  throws(() => new ByteRing(3), AssertionFailure);
  const ring = new ByteRing();
  ring.push(1);
  throws(() => ring.at(1), AssertionFailure);
  throws(() => ring.removeAt(1), AssertionFailure);
});

Deno.test("ByteRing behaves as an array does, whatever is done to it", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("push" as const), value: fc.nat(255) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("shift" as const), value: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("removeAt" as const), value: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), value: fc.constant(0) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const ring = new ByteRing(1, 64);
    const model: number[] = [];
    for (const { kind, value } of steps) {
      switch (kind) {
        case "push":
          if (ring.full) continue;
          ring.push(value);
          model.push(value);
          break;
        case "shift":
          equal(ring.shift(), model.shift() ?? -1);
          break;
        case "removeAt":
          if (value >= model.length) continue;
          ring.removeAt(value);
          model.splice(value, 1);
          break;
        case "clear":
          ring.clear();
          model.length = 0;
          break;
      }
      equal(ring.length, model.length);
      equal(ring.full, model.length >= 64);
      equal(ring.peek(), model[0] ?? -1);
      deepEqual(model.map((_, index) => ring.at(index)), model);
    }
  }));
});
