import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { Histogram, HISTOGRAM_BOUNDS } from "./histogram.ts";

/** The number of the bucket that a time falls into. */
function bucketOf(ms: number): number {
  const histogram = new Histogram();
  histogram.record(ms);
  equal(histogram.buckets.reduce((sum, count) => sum + count), 1);
  return histogram.buckets.indexOf(1);
}

Deno.test("record takes the first bucket whose bound is not less, and the last one beyond all bounds", () => {
  deepEqual([0, 0.125, 0.126, 0.25, 0.251, 1, 1.001].map(bucketOf), [0, 0, 1, 1, 2, 3, 4]);
  const last = HISTOGRAM_BOUNDS.length;
  deepEqual([65_536, 65_536.1, 1e9, 1e300, Infinity].map(bucketOf), [last - 1, last, last, last, last]);
  fc.assert(fc.property(fc.double({ min: 0, max: 100_000, noNaN: true }), (ms) => {
    const index = bucketOf(ms);
    ok(index === last || ms <= HISTOGRAM_BOUNDS[index]! * 1000);
    ok(index === 0 || ms > HISTOGRAM_BOUNDS[index - 1]! * 1000);
  }));
});

Deno.test("record adds up what it was told", () => {
  const histogram = new Histogram();
  for (const ms of [1, 2, 3.5]) histogram.record(ms);
  equal(histogram.sumMs, 6.5);
});
