/**
 * The schema `pgplex` on the servers: plain SQL files, a version each, that lead from one to the next.
 *
 * `versions.ts` plans what a command comes to; `schema_run.ts` finds the cluster's primary and runs it there. Nothing of pgplex needs the
 * schema. `main.ts` (`pgplex schema`) calls it. It removes and changes nothing that pgplex has not made.
 *
 * @module
 */
export * from "./schema_run.ts";
export { SCHEMA_COMMANDS, SCHEMA_VERSIONS, type SchemaCommand } from "./versions.ts";
