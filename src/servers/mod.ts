/**
 * Server connections in pools. A {@link Destination} is where clients go, whichever node serves: it owns settings, credentials,
 * greetings and counters. Its pools hang at nodes, and `routing/` says at each lease which of them it is.
 *
 * `server_pools.ts` has all of a worker; `server_opening.ts` opens a connection; `shared_limits.ts` counts over destinations;
 * `pool_control.ts` is what an operator holds back. It knows no session: whoever needs a server connection says by a
 * {@link ServerWish} what it has to be like. Called by `lease/`, `listen/`, `login/` and `console/`.
 *
 * @module
 */
export * from "./acquire.ts";
export { type CommitInquiry, INQUIRY_MAX_MS } from "./commit_inquiry.ts";
export type { CommitVerdict } from "./commit_truth.ts";
export * from "./databases.ts";
export * from "./destination.ts";
export * from "./destination_key.ts";
export * from "./gone_reason.ts";
export * from "./node_drain.ts";
export * from "./pool_control.ts";
export * from "./server_pool.ts";
export * from "./server_pools.ts";
export * from "./server_wish.ts";
