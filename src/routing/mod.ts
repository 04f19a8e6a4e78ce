/**
 * Where a session goes: from the database name to cluster and database, and from the session's facts and the topology to a
 * node. Pure decisions, no state.
 *
 * @module
 */
export * from "./database_name.ts";
export * from "./node.ts";
export * from "./read_nodes.ts";
