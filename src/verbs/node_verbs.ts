import type { Runtime } from "../backend/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import { type ArbiterAccess, ArbiterSession, type Deadline } from "./arbiter_session.ts";
import type { Claim } from "./claim.ts";
import type { Conninfo, Upstream } from "./conninfo.ts";
import type { Inspection } from "./inspection.ts";
import { keepConninfo, lookAt, presentConninfo } from "./node_facts.ts";
import * as primary from "./primary_verbs.ts";
import * as records from "./record_verbs.ts";
import * as rejoining from "./rejoin.ts";
import { attempt, type VerbResult } from "./result.ts";
import * as standby from "./standby_verbs.ts";

/** How long each verb may take, connecting included, in milliseconds. Those that restart a server (12) have {@link RESTART_MS} more. */
export const VERB_TIMEOUTS_MS = {
  takeOver: 3_000,
  inspect: 2_000,
  freeze: 3_000,
  repoint: 2_000,
  fence: 5_000,
  unfence: 5_000,
  endSessions: 5_000,
  checkpoint: 60_000,
  demote: 30_000,
  stayPrimary: 3_000,
  rejoin: 10_000,
  rejoinState: 2_000,
  witness: 4_000,
  synchronousNames: 3_000,
  slots: 5_000,
  recordEpoch: 2_000,
  xactStatus: 2_000,
} as const;

/** What a restart of a server before 13 may add to freeze and repoint. */
export const RESTART_MS = 20_000;

/** The name of a verb with a deadline of {@link VERB_TIMEOUTS_MS}. */
export type TimedVerb = keyof typeof VERB_TIMEOUTS_MS;

/**
 * What the arbiter can do to one node. Each verb ends within its deadline, never rejects for what a server does, and may be asked for again.
 * They run one after the other, statement by statement.
 */
export class NodeVerbs {
  readonly #session: ArbiterSession;
  readonly #timeouts: Readonly<Record<TimedVerb, number>>;
  /** How the node logged in to its upstream when it was asked last, for where the host keeps nothing. Secret. */
  #kept: Conninfo | null = null;

  constructor(
    node: NodeAddress,
    { access, runtime, timeouts = {} }: {
      readonly access: () => ArbiterAccess;
      readonly runtime: Runtime;
      /** Other deadlines than {@link VERB_TIMEOUTS_MS}. */
      readonly timeouts?: Partial<Record<TimedVerb, number>>;
    },
  ) {
    this.#session = new ArbiterSession(node, { access, runtime });
    this.#timeouts = { ...VERB_TIMEOUTS_MS, ...timeouts };
  }

  /** Ends earlier arbiters' sessions on the node. `refused` where a later one has it; then every other verb is refused too. */
  takeOver(claim: Claim): Promise<VerbResult<{ readonly ended: number }>> {
    return this.#do("takeOver", (until) => this.#session.claim(claim, until));
  }

  /** How the node is. `host`: also what only a program on its host can see. */
  inspect({ host = false }: { readonly host?: boolean } = {}): Promise<VerbResult<Inspection>> {
    return this.#do("inspect", async (until) => {
      const found = await lookAt(this.#session, until);
      if (!host) return found;
      const look = await primary.hostLook(this.#session, until);
      return { ...found, host: look, dataDirMode: look?.isModeSafe === false ? "unsafe" : found.dataDirMode };
    });
  }

  /** The standby stops to receive, for good, and replays what it has. */
  freeze(): Promise<VerbResult<standby.Frozen>> {
    return this.#doOrRestart("freeze", async (until) => {
      this.#kept = await keepConninfo(this.#session, until) ?? this.#kept;
      return await standby.freeze(this.#session, until);
    });
  }

  /** The standby receives from another node. Look before: what it has must not be beyond where the other's timeline begins. */
  repoint(
    { upstream, slot }: { readonly upstream: Upstream; readonly slot: string | null },
  ): Promise<VerbResult<{ readonly isStreaming: boolean }>> {
    return this.#doOrRestart("repoint", async (until) => {
      const before = await this.#present(until);
      return await standby.repoint(this.#session, { upstream, slot, before }, until);
    });
  }

  /**
   * Promotes the standby. `unknown`: it was asked for, and comes later or has come: look at this node until it has, and ask no other
   * one.
   */
  promote({ timeoutMs }: { readonly timeoutMs: number }): Promise<VerbResult<{ readonly timeline: number }>> {
    return attempt(() => standby.promote(this.#session, this.#session.deadline(timeoutMs)));
  }

  /** Keeps others out, as far as SQL can. */
  fence(): Promise<VerbResult<primary.Fenced>> {
    return this.#do("fence", (until) => primary.fence(this.#session, until));
  }

  /** Takes the fence back. */
  unfence(): Promise<VerbResult> {
    return this.#do("unfence", (until) => primary.unfence(this.#session, until));
  }

  /** Ends all client sessions but pgplex's own. */
  endSessions(): Promise<VerbResult<{ readonly ended: number }>> {
    return this.#do("endSessions", (until) => primary.endSessions(this.#session, until));
  }

  /** A CHECKPOINT. */
  checkpoint(): Promise<VerbResult> {
    return this.#do("checkpoint", (until) => primary.checkpoint(this.#session, until));
  }

  /**
   * The primary restarts as a standby of a node that is not promoted yet. Look at it until it is one. Where it is not known to have come to
   * that: {@link stayPrimary} before anybody goes on with it.
   */
  demote({ timeoutMs = this.#timeouts.demote, ...request }: {
    readonly upstream: Upstream;
    readonly supervised: boolean;
    readonly slot: string | null;
    readonly timeoutMs?: number;
  }): Promise<VerbResult<{ readonly alreadyStandby: boolean }>> {
    const until = this.#session.deadline(timeoutMs);
    return attempt(async () =>
      await primary.demote(this.#session, { ...request, before: await this.#present(until) }, until)
    );
  }

  /** Takes a demotion back that has not come to its restart. */
  stayPrimary(): Promise<VerbResult> {
    return this.#do("stayPrimary", (until) => primary.stayPrimary(this.#session, until));
  }

  /** Starts the script that makes a standby of the node. */
  rejoin(
    request: Omit<rejoining.RejoinRequest, "before">,
  ): Promise<VerbResult<{ readonly token: string }>> {
    return this.#do("rejoin", async (until) => {
      // A rewind that is refused empties primary_conninfo.
      this.#kept = await keepConninfo(this.#session, until) ?? this.#kept;
      return await rejoining.rejoin(this.#session, { ...request, before: this.#kept }, until);
    });
  }

  /** How far that is. */
  rejoinState(token: string): Promise<
    VerbResult<{ readonly state: "running" | "done" | "failed" | "none"; readonly why: string }>
  > {
    return this.#do("rejoinState", (until) => rejoining.rejoinState(this.#session, token, until));
  }

  /** Whether the host of this node reaches a server. */
  witness(
    of: { readonly host: string; readonly port: number },
  ): Promise<VerbResult<{ readonly sees: "up" | "down" }>> {
    return this.#do("witness", (until) => standby.witness(this.#session, of, until));
  }

  /** Which standbys a commit waits for. `refused` on a fenced node. */
  synchronousNames(text: string): Promise<VerbResult> {
    return this.#do("synchronousNames", (until) => primary.synchronousNames(this.#session, text, until));
  }

  /** The node keeps WAL for these. */
  slots(
    wishes: readonly records.SlotWish[],
  ): Promise<VerbResult<{ readonly made: number; readonly dropped: number }>> {
    return this.#do("slots", (until) => records.slots(this.#session, wishes, until));
  }

  /** A row in the schema's history, where there is one. */
  recordEpoch(
    row: { readonly epoch: number; readonly text: string },
  ): Promise<VerbResult<{ readonly isRecorded: boolean }>> {
    return this.#do("recordEpoch", (until) => records.recordEpoch(this.#session, row, until));
  }

  /** What became of a transaction. */
  xactStatus(xid: bigint): Promise<VerbResult<{ readonly status: records.XactStatus }>> {
    return this.#do("xactStatus", (until) => records.xactStatus(this.#session, xid, until));
  }

  /** Closes the connection. Verbs that run end as if they had lost it. */
  close(): void {
    this.#session.close();
  }

  async #present(until: Deadline): Promise<Conninfo | null> {
    this.#kept = await presentConninfo(this.#session, until) ?? this.#kept;
    return this.#kept;
  }

  #do<T extends object>(verb: TimedVerb, work: (until: Deadline) => Promise<T>): Promise<VerbResult<T>> {
    return attempt(() => work(this.#session.deadline(this.#timeouts[verb])));
  }

  #doOrRestart<T extends object>(
    verb: "freeze" | "repoint",
    work: (until: Deadline) => Promise<T>,
  ): Promise<VerbResult<T>> {
    return attempt(async () => {
      const { version } = await this.#session.rights(this.#session.deadline(this.#timeouts[verb]));
      const moreMs = version < 130000 ? RESTART_MS : 0;
      return await work(this.#session.deadline(this.#timeouts[verb] + moreMs));
    });
  }
}
