/**
 * Who finds out how the nodes are and which of them is the primary: one connection to each node of a cluster that has `superuser`,
 * one statement each `monitor.interval`.
 *
 * What a server said, or did not say, is an {@link Outcome}; `node_health.ts` makes a node's health of outcomes, `reign.ts` finds the
 * primary among the nodes, `wal_marks.ts` says how fresh a standby is, `cluster_watch.ts` puts these together for a cluster. They
 * are machines over values. `node_link.ts` is one connection, `node_loop.ts` when it is asked, {@link Monitor} all of them.
 *
 * It promotes nobody, chooses nobody's server, and uses no pool. `process.ts` hands what it finds to the workers as snapshots.
 *
 * @module
 */
export type { WatchedNode } from "./cluster_watch.ts";
export * from "./monitor.ts";
