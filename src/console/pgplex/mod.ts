/**
 * The SHOW tables that only pgplex has: pins, listeners, probes, and the state of one session.
 *
 * @module
 */
export * from "./commands.ts";
