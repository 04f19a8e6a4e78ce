import type { Inspected } from "./views.ts";

/** Where a node is. */
export interface Upstream {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** What may be done at one node. Each may be asked for again: the second time changes nothing. */
export type Verb =
  /** `system`: of the cluster; a node of another one is not taken. */
  | { readonly kind: "takeOver"; readonly epoch: number; readonly system: string }
  | { readonly kind: "inspect" }
  | { readonly kind: "freeze" }
  | { readonly kind: "repoint"; readonly upstream: Upstream }
  | { readonly kind: "promote"; readonly timeoutMs: number }
  | { readonly kind: "fence" }
  | { readonly kind: "unfence" }
  | { readonly kind: "endSessions" }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "demote"; readonly upstream: Upstream; readonly timeoutMs: number }
  | { readonly kind: "stayPrimary" }
  /** `token`: of this one's result alone, of letters and digits. */
  | {
    readonly kind: "rejoin";
    readonly upstream: Upstream;
    readonly mode: "standby" | "rewind";
    readonly token: string;
  }
  /** `token`: of the {@link Verb} `rejoin`; empty: of whichever script was the last one at the node. */
  | { readonly kind: "rejoinState"; readonly token: string }
  | { readonly kind: "witness"; readonly of: Upstream }
  | { readonly kind: "synchronousNames"; readonly text: string }
  | { readonly kind: "recordEpoch"; readonly epoch: number; readonly text: string };

/** The name of a verb. */
export type VerbKind = Verb["kind"];

/** What a standby had when it stopped receiving. */
export interface Frozen {
  readonly lsn: bigint;
  readonly replayLsn: bigint;
  readonly timeline: number;
  /** All that it can replay is replayed: all that it has, but for the beginning of a record whose end never came. */
  readonly isReplayed: boolean;
  readonly xidWatermark: string | null;
}

/** What a verb brings. */
export interface VerbValues {
  readonly takeOver: Record<never, never>;
  readonly inspect: { readonly inspected: Inspected };
  /** `system`: of which cluster's server. */
  readonly freeze: { readonly frozen: Frozen; readonly system: string };
  readonly repoint: Record<never, never>;
  readonly promote: { readonly timeline: number };
  readonly fence: Record<never, never>;
  readonly unfence: Record<never, never>;
  readonly endSessions: { readonly count: number };
  readonly checkpoint: Record<never, never>;
  readonly demote: Record<never, never>;
  readonly stayPrimary: Record<never, never>;
  readonly rejoin: Record<never, never>;
  readonly rejoinState: { readonly state: "none" | "running" | "done" | "failed"; readonly reason: string };
  readonly witness: { readonly sees: "up" | "down" };
  readonly synchronousNames: Record<never, never>;
  readonly recordEpoch: Record<never, never>;
}

/**
 * Why a verb did not bring what it should. `unknown`: it may have happened all the same, also later; `not possible`: this server
 * cannot do it as it is.
 */
export interface VerbFailure {
  readonly ok: false;
  readonly kind: "refused" | "failed" | "unknown" | "not possible";
  readonly reason: string;
}

/** What became of a verb. */
export type VerbResult<K extends VerbKind = VerbKind> = ({ readonly ok: true } & VerbValues[K]) | VerbFailure;
