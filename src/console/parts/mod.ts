/**
 * What the console is handed of pgplex, and what all tables derive from it: databases by the names that an operator knows, and
 * what their clients do.
 *
 * It shows nothing itself: `pgbouncer/`, `pgplex/` and `tree/` make tables of it.
 *
 * @module
 */
export * from "./clients.ts";
export * from "./connected_client.ts";
export * from "./database_list.ts";
export * from "./nodes.ts";
export * from "./parts.ts";
