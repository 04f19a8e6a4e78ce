/**
 * Who decides which node of a cluster is the primary: {@link Arbiter}, one machine for each cluster.
 *
 * Its interface is three things. `new Arbiter({ settings, stored, instance, now })` begins with what is in the store.
 * `input(event, now)` takes an {@link ArbiterEvent} (what the monitor has seen, what a verb or a write has come to, which instances
 * hold their clients, what an operator wants, that time has passed) and gives the {@link ArbiterAction}s to begin, in their order.
 * `dueMs` says when `time` is to be told at the latest.
 *
 * Whoever drives it executes actions and tells what came of them: each `write` ends in `written`, `write failed`, `write unknown` or,
 * where the revision was another one, `record`; each `read` in `record`; each `verb` in `result`. `hold` is answered by
 * `acknowledged` once no transaction can begin any more, and again when none runs. `serve` and `hold` hold until the next of them.
 * One machine has one thing to write at a time; it acts on what it announces only when that is stored. A driver that dies loses
 * nothing: the next one begins with the stored record.
 *
 * Pure. It knows no socket, no file, no etcd and no SQL; what a verb does is written in `verbs.ts`. See docs/ARBITER.md.
 *
 * @module
 */
export * from "./arbiter.ts";
export * from "./coordination.ts";
export * from "./events.ts";
export * from "./follower.ts";
export * from "./record.ts";
export * from "./rules.ts";
export * from "./settings.ts";
export * from "./showing.ts";
export type { NodeCondition } from "./standing.ts";
export * from "./verbs.ts";
export * from "./views.ts";
export * from "./witness.ts";
export type { KnownEnd } from "./work.ts";
