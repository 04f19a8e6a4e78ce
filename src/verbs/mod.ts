/**
 * What the arbiter can do to the nodes of a cluster, with nothing but SQL over one session of its own for each
 * (`application_name` is `pgplex arbiter`).
 *
 * {@link NodeVerbs} is one node; {@link runVerb} does a verb that is a value. Each verb may be asked for again, has its own deadline on the runtime's clock, and ends in a
 * {@link VerbResult}: done, or why not and whether it may have happened all the same. No result, error or statement that a server logs
 * shows a password.
 *
 * Who calls: the driver of the arbiter. The order of the verbs, and whether to act at all, is the arbiter's; they decide nothing. A few
 * refuse what would be wrong in any order: to promote or repoint what is no standby, to empty the synchronous names of a fenced node, to
 * stop a server that would not start again.
 *
 * `conninfo.ts`, `sync_names.ts`, `hba.ts`, `claim.ts`, `inspection.ts`, `programs.ts` and `host_scripts.ts` are texts and parsing;
 * `arbiter_session.ts` is the connection; `standby_verbs.ts`, `primary_verbs.ts`, `record_verbs.ts` and `rejoin.ts` are the verbs; `wal_segment.ts` is
 * what a standby is given before it follows another timeline.
 * `NodeSession` is such a connection for others who act on a node as its superuser. docs/FENCING.md says what they need, and what a person types where they may not.
 *
 * @module
 */
export { type ArbiterAccess, ArbiterSession as NodeSession } from "./arbiter_session.ts";
export { ARBITER_NAME, type Claim } from "./claim.ts";
export type { Upstream } from "./conninfo.ts";
export type { HostState, Inspection, Receiver, Replica } from "./inspection.ts";
export * from "./node_verbs.ts";
export type { Fenced } from "./primary_verbs.ts";
export type { SlotWish, XactStatus } from "./record_verbs.ts";
export type { RejoinMode, RejoinRequest } from "./rejoin.ts";
export { literal } from "./programs.ts";
export { attempt, type VerbFailure, type VerbResult, VerbTrouble } from "./result.ts";
export * from "./run_verb.ts";
export type { Frozen } from "./standby_verbs.ts";
export * from "./sync_names.ts";
