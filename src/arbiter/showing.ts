import type { ArbiterAction } from "./events.ts";
import { type ClusterRecord, isAdoption } from "./record.ts";
import { RULES, type Rules } from "./rules.ts";
import type { Said } from "./views.ts";

/** Where the clients of an instance may go. */
export type Showing = ArbiterAction & { readonly kind: "serve" | "hold" };

/**
 * What a record means for the clients of each instance.
 *
 * @param said what the primary of the record says, while it answers
 */
export function showingOf(record: ClusterRecord | null, said: Said | null, rules: Rules = RULES): Showing {
  const epoch = record?.epoch ?? 0;
  const reason = whyHeld(record, said, rules);
  if (reason === null) {
    const { primary, timeline } = record!;
    return { kind: "serve", epoch, primary, timeline };
  }
  const move = record?.move ?? null;
  const isPlanned = move?.kind === "switchover" && move.step === "hold";
  return { kind: "hold", epoch, startedAtMs: move?.startedAtMs ?? 0, cut: !isPlanned || move.cuts, reason };
}

function whyHeld(record: ClusterRecord | null, said: Said | null, rules: Rules): string | null {
  if (record === null) return "it is not known yet which node is the primary";
  if (record.phase === "moving") {
    const { reason } = record.move!;
    if (isAdoption(record.move!)) return `${reason}: ${record.primary} is served when all instances know`;
    return `the primary is being moved: ${reason}`;
  }
  if (said === null) return null;
  if (!rules.isSameSystem(said.system, record.system)) return `${record.primary} belongs to another cluster`;
  if (said.recovering) return `${record.primary} is a standby`;
  return said.timeline === record.timeline ? null : `${record.primary} is on another timeline`;
}

/** What was shown is not shown again. */
export class Shown {
  #key = "";

  /** Whether a showing differs from the one before. */
  isNew(showing: Showing): boolean {
    const key = showing.kind === "serve"
      ? `${showing.epoch} ${showing.primary} ${showing.timeline}`
      : `${showing.epoch} hold ${showing.startedAtMs} ${showing.cut}`;
    if (key === this.#key) return false;
    this.#key = key;
    return true;
  }
}
