/**
 * The SHOW tables that only pgplex has: clusters, nodes, pins, listeners, probes, and the state of one session.
 *
 * @module
 */
export * from "./commands.ts";
export * from "./show_clusters.ts";
export * from "./show_failovers.ts";
export * from "./show_nodes.ts";
export * from "./show_pins.ts";
