/**
 * What happened: counters and the log. Knows nothing of who counts; never blocks, never throws.
 *
 * @module
 */
export * from "./counters.ts";
export * from "./histogram.ts";
export * from "./log.ts";
export * from "./logtape.ts";
export * from "./rare_warnings.ts";
export * from "./stats.ts";
export * from "./stats_line.ts";
