import type { ArbiterAction, ArbiterEvent, Moment } from "./events.ts";
import type { ClusterRecord, StoredRecord } from "./record.ts";
import type { ArbiterSettings } from "./settings.ts";
import { showingOf, Shown } from "./showing.ts";
import { type NodeCondition, recordedConditionOf } from "./standing.ts";
import type { NodeView } from "./views.ts";

/** How a {@link Follower} begins. */
export interface FollowerParts {
  readonly settings: Pick<ArbiterSettings, "nodes">;
  readonly stored: StoredRecord | null;
  readonly now: Moment;
}

/** It has nothing to do by itself. */
const QUIET_MS = 60_000;

/**
 * The part of an instance that does not lead in the moves of a cluster: its clients go, or wait, as the record says. Events go in,
 * actions come out, as with the {@link Arbiter}; it asks for `serve` and `hold` only.
 */
export class Follower {
  #stored: StoredRecord | null;
  /** The record cannot be understood; for people. */
  #why: string | null = null;
  #nowMs: number;
  readonly #views = new Map<string, NodeView>();
  readonly #shown = new Shown();
  /** The nodes of the file. */
  #names: readonly string[];
  /** The primary of the record of which it was said that the file does not have it. */
  #missing: string | null = null;

  constructor({ settings, stored, now }: FollowerParts) {
    this.#names = settings.nodes.map(({ name }) => name);
    this.#stored = stored;
    this.#nowMs = now.nowMs;
  }

  /** The record as it was heard last; null where there is none. */
  get record(): ClusterRecord | null {
    return this.#stored?.record ?? null;
  }

  /** What there is to say of a node besides its role, as far as the record has it; null: nothing. */
  conditionOf(node: string): NodeCondition | null {
    const { record } = this;
    return record === null ? null : recordedConditionOf(record, node);
  }

  get dueMs(): number {
    return this.#nowMs + QUIET_MS;
  }

  /** Another file is in force. */
  configure({ nodes }: ArbiterSettings, now: Moment): ArbiterAction[] {
    this.#nowMs = now.nowMs;
    this.#names = nodes.map(({ name }) => name);
    return this.#show();
  }

  /** The record is in a form that this pgplex does not understand: whoever wrote it decides, and no client is let to the primary. */
  misunderstood(why: string, now: Moment): ArbiterAction[] {
    this.#nowMs = now.nowMs;
    this.#why = why;
    return this.#show();
  }

  /** Something has happened. */
  input(event: ArbiterEvent, now: Moment): ArbiterAction[] {
    this.#nowMs = now.nowMs;
    if (event.kind === "view") this.#views.set(event.view.node, event.view);
    if (event.kind === "record" && event.stored !== null) {
      if (event.stored.revision >= (this.#stored?.revision ?? 0)) this.#stored = event.stored;
      this.#why = null;
    }
    if (event.kind === "command") {
      const text = "this instance does not lead: try again";
      return [{ kind: "answer", id: event.id, ok: false, text }];
    }
    return this.#show();
  }

  #show(): ArbiterAction[] {
    const { record } = this;
    const view = record === null ? undefined : this.#views.get(record.primary);
    const said = view?.health === "up" ? view.said : null;
    const showing = this.#why === null
      ? showingOf(record, said)
      : { kind: "hold", epoch: record?.epoch ?? 0, startedAtMs: 0, cut: true, reason: this.#why } as const;
    return [...this.#sayMissing(record), ...(this.#shown.isNew(showing) ? [showing] : [])];
  }

  /** Once for each, where its file does not have the primary: files of instances may be changed one after the other. */
  #sayMissing(record: ClusterRecord | null): ArbiterAction[] {
    const primary = record?.primary ?? null;
    const missing = primary === null || this.#names.includes(primary) ? null : primary;
    const isNew = missing !== null && missing !== this.#missing;
    this.#missing = missing;
    if (!isNew) return [];
    const text =
      `${missing}, which the others have as the primary, is not in this instance's file, so its clients wait: ` +
      "the files of all instances must have the same nodes";
    return [{ kind: "report", level: "error", text, evidence: [] }];
  }
}
