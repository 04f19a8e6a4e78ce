/**
 * Real PostgreSQL servers, 12 to 18, for the integration tests and for the demo.
 *
 * Downloads binaries once into a cache, starts servers on free ports of 127.0.0.1 in temporary folders, and leaves neither
 * processes nor files behind, whatever way the calling program ends. Never part of pgplex itself: nothing under `src/`
 * imports it.
 *
 * @module
 */
export * from "./daemon.ts";
export * from "./download.ts";
export * from "./pgplex.ts";
export * from "./place.ts";
export * from "./postgres.ts";
export * from "./processes.ts";
export * from "./user.ts";
export * from "./wait.ts";
export * from "./watchdog.ts";
