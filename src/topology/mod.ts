/**
 * Clusters, their nodes, and what is known of them at one moment: an immutable {@link TopologySnapshot}, replaced as a
 * whole by the {@link TopologyPublisher}, which tells its subscribers. `routing/` reads it whenever a lease begins.
 *
 * Pure. It connects to nothing: what the file says is merged with what is known; whoever finds out more publishes it.
 *
 * @module
 */
export * from "./disabled_nodes.ts";
export * from "./lsn.ts";
export * from "./node_changes.ts";
export * from "./publisher.ts";
export * from "./snapshot.ts";
