/**
 * Executes what the arbiters of the clusters decide, where `failover` is manual or auto: {@link Moves}, one {@link ClusterMoves} for
 * each cluster.
 *
 * What the monitor finds goes in as views, verbs are run at the nodes, the record is written to where instances agree, and the arbiter's
 * word on the clients comes out as a {@link Stance}, which `stance.ts` lays over what the monitor makes of the cluster. It decides
 * nothing. {@link Requests} takes what people ask for by SQL in the schema `pgplex`, as the console takes commands.
 *
 * @module
 */
export * from "./moves.ts";
export { Requests, type RequestsParts } from "./requests.ts";
export * from "./stance.ts";
