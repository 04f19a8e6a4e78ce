import type { ClusterRecord, StoredRecord } from "./record.ts";
import type { Verb, VerbResult } from "./verbs.ts";
import type { Acknowledgement, InstanceView, NodeView } from "./views.ts";

/** Two clocks at one moment, in milliseconds: one that never jumps, and the one that people read. */
export interface Moment {
  readonly nowMs: number;
  readonly wallMs: number;
}

/** What an operator may ask for. */
export type Command =
  | {
    readonly kind: "switchover";
    readonly to: string | null;
    readonly withinMs: number | null;
    readonly isForced: boolean;
  }
  | { readonly kind: "failover"; readonly to: string | null; readonly isForced: boolean }
  | { readonly kind: "rejoin"; readonly node: string };

/** A command as JSON has kept it; null for anything else. */
export function commandOf(value: unknown): Command | null {
  if (typeof value !== "object" || value === null) return null;
  const { kind, to, withinMs, isForced, node } = value as Record<string, unknown>;
  const isTarget = to === null || typeof to === "string";
  switch (kind) {
    case "switchover": {
      const isWithin = withinMs === null || typeof withinMs === "number";
      return isTarget && isWithin && typeof isForced === "boolean" ? { kind, to, withinMs, isForced } : null;
    }
    case "failover":
      return isTarget && typeof isForced === "boolean" ? { kind, to, isForced } : null;
    case "rejoin":
      return typeof node === "string" ? { kind, node } : null;
    default:
      return null;
  }
}

/** What the machine is told. */
export type ArbiterEvent =
  /** Time has passed. */
  | { readonly kind: "time" }
  /** The monitor has found something out about a node. */
  | { readonly kind: "view"; readonly view: NodeView }
  /** A verb has ended; of those whose end nobody tells the machine takes it that it is unknown, behind their deadline. */
  | { readonly kind: "result"; readonly id: number; readonly result: VerbResult }
  /** The write is in the store, under this revision. */
  | { readonly kind: "written"; readonly revision: number }
  /** It certainly is not. */
  | { readonly kind: "write failed"; readonly reason: string }
  /** It may be: the machine asks for what is there. */
  | { readonly kind: "write unknown"; readonly reason: string }
  /** What is in the store: the answer to `read`, also where a write met another revision; null: nothing is. */
  | { readonly kind: "record"; readonly stored: StoredRecord | null }
  /** Which instances may hold a permit. */
  | { readonly kind: "instances"; readonly ids: readonly number[] }
  /** How the others of them see the nodes. */
  | { readonly kind: "views"; readonly views: readonly InstanceView[] }
  /** An instance holds its clients for this epoch; drained: none of them is inside of a transaction on the primary. */
  | Acknowledgement & { readonly kind: "acknowledged" }
  | { readonly kind: "command"; readonly id: number; readonly by: string; readonly command: Command };

/** How urgent a line is. */
export type ReportLevel = "info" | "warning" | "error";

/** What the machine wants done, in this order. */
export type ArbiterAction =
  /** Compare the revision in the store (0: there is none), and put this record there. */
  | { readonly kind: "write"; readonly record: ClusterRecord; readonly revision: number }
  /** Tell what is in the store. */
  | { readonly kind: "read" }
  | {
    readonly kind: "verb";
    readonly id: number;
    readonly node: string;
    readonly verb: Verb;
    readonly deadlineMs: number;
  }
  /** Let clients to this primary, and nowhere else. */
  | { readonly kind: "serve"; readonly epoch: number; readonly primary: string; readonly timeline: number }
  /** Let no transaction begin on any primary, and acknowledge it. `cut`: also end those that run. */
  | {
    readonly kind: "hold";
    readonly epoch: number;
    /** Of the move; 0: there is none. */
    readonly startedAtMs: number;
    readonly cut: boolean;
    readonly reason: string;
  }
  | {
    readonly kind: "report";
    readonly level: ReportLevel;
    readonly text: string;
    readonly evidence: readonly string[];
  }
  /** To a command. */
  | { readonly kind: "answer"; readonly id: number; readonly ok: boolean; readonly text: string };
