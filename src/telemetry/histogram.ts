/** The upper bounds of the buckets in seconds: each is twice the one before, from 125 µs to 65.536 s; beyond is +Inf. */
export const HISTOGRAM_BOUNDS: readonly number[] = Array.from(
  { length: 20 },
  (_, index) => 2 ** index / 8000,
);

/** Buckets of a {@link Histogram}, the last without a bound. */
const BUCKETS = HISTOGRAM_BOUNDS.length + 1;

const LAST_BOUND_MS = HISTOGRAM_BOUNDS.at(-1)! * 1000;

/** How often something took how long. To record allocates nothing and reads no clock. */
export class Histogram {
  /** How many fell into each bucket, not added up. */
  readonly buckets: Float64Array = new Float64Array(BUCKETS);
  sumMs = 0;

  record(ms: number): void {
    // The number of the first bound that is not less: bounds are powers of two eighths of a millisecond.
    const index = ms <= 0.125 ? 0 : ms > LAST_BOUND_MS ? BUCKETS - 1 : 32 - Math.clz32(Math.ceil(ms * 8) - 1);
    this.buckets[index]!++;
    this.sumMs += ms;
  }
}

/** How long waits for a server connection, queries and transactions took, of everything that counts together. */
export class WorkHistograms {
  readonly wait: Histogram = new Histogram();
  readonly query: Histogram = new Histogram();
  readonly xact: Histogram = new Histogram();
}
