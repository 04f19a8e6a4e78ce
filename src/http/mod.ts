/**
 * What others look at by HTTP: metrics for Prometheus, health for load balancers and containers, and a status page for people. It changes
 * nothing. Off unless the configuration has `http`.
 *
 * `process.ts` starts it, and hands over the console, whose tables it shows.
 *
 * @module
 */
export * from "./endpoint.ts";
export type { Meter } from "./meters.ts";
