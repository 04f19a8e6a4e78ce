/**
 * Leases: who may have which resource, who waits, how many there may be, how long they live.
 *
 * Generic and pure: it knows no PostgreSQL, awaits nothing, and asks for connections through a {@link PoolPort}. Called
 * by `servers/`, which hands it server connections.
 *
 * @module
 */
export * from "./limits.ts";
export * from "./pool.ts";
export * from "./pool_port.ts";
