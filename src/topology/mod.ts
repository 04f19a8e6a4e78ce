/**
 * Clusters, their nodes, and what is known of them at one moment: an immutable {@link TopologySnapshot}, replaced as a
 * whole by the {@link TopologyPublisher}. Sessions look at the current one at each boundary.
 *
 * Pure. It never connects to anything: `monitor/` and `ha/` will find out and publish, until then the file says it all.
 *
 * @module
 */
export * from "./snapshot.ts";
