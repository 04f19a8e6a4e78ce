/**
 * Server connections in pools: which pools there are, what limits they share, what an operator holds back, and how a new
 * connection is opened for one.
 *
 * It knows no session: whoever needs a server connection says by a wish what it has to be like.
 *
 * @module
 */
export * from "./acquire.ts";
export * from "./databases.ts";
export * from "./pool_control.ts";
export * from "./server_pool.ts";
export * from "./server_pools.ts";
export * from "./unused_pools.ts";
