/**
 * What everything else stands on: time, randomness, assertions, the closed list of errors, bounded queues.
 *
 * Pure: it touches no socket, file, timer, clock or random source; those are handed in behind {@link Clock} and
 * {@link Random}. Every other folder may import it; it imports nothing.
 *
 * @module
 */
export * from "./assert.ts";
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./error.ts";
export * from "./queue.ts";
export * from "./random.ts";
export * from "./ring.ts";
export * from "./ticker.ts";
