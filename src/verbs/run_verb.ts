import { assertNever } from "../kernel/mod.ts";
import type { Upstream } from "./conninfo.ts";
import type { Inspection } from "./inspection.ts";
import type { NodeVerbs } from "./node_verbs.ts";
import type { VerbResult } from "./result.ts";

/** A verb as a value, as the arbiter's machine asks for it. */
export type Verb =
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
  | {
    readonly kind: "rejoin";
    readonly upstream: Upstream;
    readonly mode: "standby" | "rewind";
    readonly token: string;
  }
  | { readonly kind: "rejoinState"; readonly token: string }
  | { readonly kind: "witness"; readonly of: Upstream }
  | { readonly kind: "synchronousNames"; readonly text: string }
  | { readonly kind: "recordEpoch"; readonly epoch: number; readonly text: string };

/** What a verb brings, beside `ok`. */
export interface VerbValues {
  readonly inspect: { readonly inspected: Inspection };
  readonly freeze: {
    readonly frozen: {
      readonly lsn: bigint;
      readonly replayLsn: bigint;
      readonly timeline: number | null;
      readonly isReplayed: boolean;
      /** In decimal digits. */
      readonly xidWatermark: string;
    };
    readonly system: string;
  };
  readonly promote: { readonly timeline: number };
  readonly endSessions: { readonly count: number };
  readonly rejoinState: { readonly state: "none" | "running" | "done" | "failed"; readonly reason: string };
  readonly witness: { readonly sees: "up" | "down" };
}

/** What {@link VerbValues} has of a verb; nothing of the others. */
export type ValuesOf<K extends Verb["kind"]> = K extends keyof VerbValues ? VerbValues[K] : object;

/** What the file says of the nodes, and who asks. */
export interface VerbSetting {
  readonly instance: number;
  /** Something else starts the servers. */
  readonly supervised: boolean;
  /** The slot that the node uses at any upstream; null: none. */
  readonly slot: string | null;
}

/** Does a verb that is a value. */
export async function runVerb<V extends Verb>(
  node: Omit<NodeVerbs, "close">,
  verb: V,
  setting: VerbSetting,
): Promise<VerbResult<ValuesOf<V["kind"]>>> {
  return await run(node, verb, setting) as VerbResult<ValuesOf<V["kind"]>>;
}

async function run(
  node: Omit<NodeVerbs, "close">,
  verb: Verb,
  { instance, supervised, slot }: VerbSetting,
): Promise<VerbResult> {
  switch (verb.kind) {
    case "takeOver":
      return await node.takeOver({ epoch: verb.epoch, instance, system: verb.system });
    case "inspect":
      return valueOf(await node.inspect(), ({ ok: _, ...inspected }) => ({ inspected }));
    case "freeze":
      return valueOf(await node.freeze(), ({ ok: _, xidWatermark, system, ...frozen }) => ({
        frozen: { ...frozen, xidWatermark: String(xidWatermark) },
        system,
      }));
    case "repoint":
      return await node.repoint({ upstream: verb.upstream, slot });
    case "promote":
      return await node.promote({ timeoutMs: verb.timeoutMs });
    case "fence":
      return await node.fence();
    case "unfence":
      return await node.unfence();
    case "endSessions":
      return valueOf(await node.endSessions(), ({ ended }) => ({ count: ended }));
    case "checkpoint":
      return await node.checkpoint();
    case "demote":
      return await node.demote({ upstream: verb.upstream, supervised, slot, timeoutMs: verb.timeoutMs });
    case "stayPrimary":
      return await node.stayPrimary();
    case "rejoin":
      return await node.rejoin({
        upstream: verb.upstream,
        mode: verb.mode,
        token: verb.token,
        supervised,
        slot,
      });
    case "rejoinState":
      return valueOf(await node.rejoinState(verb.token), ({ state, why }) => ({ state, reason: why }));
    case "witness":
      return await node.witness(verb.of);
    case "synchronousNames":
      return await node.synchronousNames(verb.text);
    case "recordEpoch":
      return await node.recordEpoch({ epoch: verb.epoch, text: verb.text });
    default:
      return assertNever(verb);
  }
}

function valueOf<T extends object, U extends object>(
  result: VerbResult<T>,
  of: (good: T & { readonly ok: true }) => U,
): VerbResult<U> {
  return result.ok ? { ok: true, ...of(result) } : result;
}
