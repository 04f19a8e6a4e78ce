import { RULES, type Rules } from "../../src/arbiter/mod.ts";
import type { PlanOptions } from "./plan.ts";
import { INSTANCE_RULES, type InstanceRules } from "../../src/instances/rules.ts";

/** A way to break the arbiter, or what instances do to keep out of each other's way: one rule that says something else. */
export interface Mutation extends PlanOptions {
  readonly name: string;
  readonly rules?: Rules;
  readonly instanceRules?: InstanceRules;
}

/** Each check of the arbiter, left out or done wrong. */
export const MUTATIONS: readonly Mutation[] = [
  breaks("lets clients go before the record is stored", {
    actsUnconfirmed: () => true,
  }),
  breaks("promotes before the record names the candidate", { announcesFirst: () => false }),
  breaks("keeps the epoch", { nextEpoch: (epoch) => epoch }),
  breaks("holds nobody", { holdsClients: () => false }),
  breaks("waits for no acknowledgement", { awaitsAcknowledgements: () => false }),
  breaks("ignores the system identifier", { isSameSystem: () => true }),
  breaks("counts too many connections (53300) as dead", {
    isGone: (health) => health === "down" || health === "unknown",
  }),
  breaks("counts a missed answer as dead", { isGone: (health) => health === "down" || health === "suspect" }),
  breaks("gives up a primary that starts", { startsTooLong: () => true }),
  breaks("ignores standbys that hear from the primary", {
    hearsStill: () => false,
    looksThroughStandbys: () => false,
  }),
  breaks("does not look through standbys", { looksThroughStandbys: () => false }),
  breaks("fails over as often as it likes", { isFlapping: () => false }),
  breaks("promotes beside a primary that is back", { givesBack: () => false }),
  breaks("leaves earlier deciders' sessions", { takesOver: () => false }),
  breaks("does not freeze", { freezesFirst: () => false }),
  breaks("chooses before all standbys have stopped", { awaitsAllStandbys: () => false }),
  breaks("is off by one in the quorum", { quorum: (n, k) => n - k }),
  breaks("asks for no quorum", { quorum: () => 0 }),
  breaks("compares what standbys have replayed", { positionOf: ({ replayLsn }) => replayLsn }),
  breaks("forgets the timeline", { isOnTimeline: () => true }),
  breaks("promotes delayed and excluded standbys", { isEligible: () => true }),
  breaks("ignores max_failover_lag", { isLagAllowed: () => true }),
  breaks("takes a promotion that is unknown for done", { confirmsByResult: () => true }),
  breaks("does not look whether the candidate is promoted", { isPromoted: () => true }),
  breaks("asks another node while a promotion is pending", { mayAbandon: () => true }),
  breaks("follows an old primary that returns", { isNewerClaim: () => true }),
  breaks("does not wait for transactions", { awaitsTransactions: () => false }),
  breaks("promotes before the old primary is demoted", { demotesFirst: () => false }),
  breaks("does not wait until the candidate has everything", { isCaughtUp: () => true }),
  breaks("points diverged standbys at the primary, and rewinds none", { needsRewind: () => false }),
  breaks("rewinds from a primary without a checkpoint", { checkpointsFirst: () => false }),
  breaks("takes whom it hears for the primary when the record is lost", { adoptsUnheard: () => true }),
];

/** The same of three instances, each in the scene that brings it out soonest. */
export const INSTANCE_MUTATIONS: readonly Mutation[] = [
  breaks("waits for no acknowledgement", { awaitsAcknowledgements: () => false }, { instances: 3 }),
  breaks("asks no majority", { isMajority: () => true }, { instances: 3, scene: "split" }),
  breaks("leaves earlier deciders' sessions", { takesOver: () => false }, { instances: 3 }),
  breaks("goes by its own sight of how far the primary was", { heedsOthersSight: () => false }, {
    instances: 3,
  }),
  among("has permits without a margin", { marginMs: () => 0 }, { scene: "lonely", way: "no store" }),
  among("counts others for its own lease only", { leaseMs: (ownMs) => ownMs }, {
    scene: "lonely",
    way: "no store",
  }),
  among("counts a permit from the answer, not from the sending", {
    renewedMs: (_, answeredMs) => answeredMs,
  }, { scene: "lonely", way: "doze" }),
  among("counts a renewal that it only finds in the store", { countsUnread: () => true }, {
    scene: "lonely",
    way: "straggle",
  }),
  among("renews without a look at the records", { readsRecords: () => false }, {
    scene: "lonely",
    way: "doze",
  }),
  among("serves a cluster that it has not announced", { announcesFirst: () => false }, { scene: "reload" }),
  among("takes the lead of one that has a permit", { mayLead: () => true }),
  among("takes the lead of one that has just renewed", { comparesRenewal: () => false }, { scene: "return" }),
  among("takes one for gone whose entry is", { trustsAbsence: () => true }, {
    scene: "lonely",
    way: "removed",
  }),
  among("writes records without leading", { comparesLeader: () => false }, { scene: "late word" }),
  among("does not look who has come before a record", { looksBehind: () => false }, { scene: "newcomer" }),
  among("does again what it does not know to have done", { isTaken: ({ kind }) => kind !== "failed" }, {
    scene: "again",
  }),
];

function breaks(name: string, changed: Partial<Rules>, plan: PlanOptions = { instances: 1 }): Mutation {
  return { name, rules: { ...RULES, ...changed }, ...plan };
}

function among(name: string, changed: Partial<InstanceRules>, plan: PlanOptions = {}): Mutation {
  return { name, instanceRules: { ...INSTANCE_RULES, ...changed }, instances: 3, ...plan };
}
