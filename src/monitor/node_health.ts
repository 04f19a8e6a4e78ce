import { assertNever } from "../kernel/mod.ts";
import type { NodeHealth } from "../topology/mod.ts";
import type { Outcome } from "./outcome.ts";

/** How a node is, by what was asked of it so far. Whether it is foreign its cluster says. */
export interface HealthState {
  readonly health: Exclude<NodeHealth, "foreign">;
  readonly reason: string;
  /** When the first of the questions was asked that nobody has answered since; null where the last one was. Clock milliseconds. */
  readonly silentMs: number | null;
  /** When the first connection was refused since it gave a sign of life; null where none was. */
  readonly refusedMs: number | null;
}

/** Limits of {@link afterOutcome}, in milliseconds. */
export interface HealthLimits {
  readonly failureTimeoutMs: number;
}

/** Nobody has asked it anything. */
export const UNASKED: HealthState = Object.freeze({
  health: "unknown",
  reason: "it has not answered yet",
  silentMs: null,
  refusedMs: null,
});

/**
 * How a node is behind an outcome, of which the question was asked at `askedMs`. Whatever the server says by itself is a sign of life, and takes
 * the suspicion back.
 */
export function afterOutcome(
  state: HealthState,
  outcome: Outcome,
  { askedMs, nowMs, failureTimeoutMs, failureConfirmMs }: HealthLimits & {
    readonly askedMs: number;
    readonly nowMs: number;
    /** A node that refuses connections is down when it still does so after this time: who restarts is often back before. */
    readonly failureConfirmMs: number;
  },
): HealthState {
  switch (outcome.kind) {
    case "answered":
      return { health: "up", reason: "it answers", silentMs: null, refusedMs: null };
    case "starting":
      return { health: "starting", reason: outcome.reason, silentMs: null, refusedMs: null };
    case "denied":
      return { health: "unknown", reason: outcome.reason, silentMs: null, refusedMs: null };
    case "refused":
    case "silent": {
      const silentMs = state.silentMs ?? askedMs;
      const refusedMs = state.refusedMs ?? (outcome.kind === "refused" ? nowMs : null);
      const isDown = state.health === "down" || nowMs - silentMs >= failureTimeoutMs ||
        (outcome.kind === "refused" && refusedMs !== null && nowMs - refusedMs >= failureConfirmMs);
      // One that starts, or stops, is not well enough to be doubted: it would be served again. A restart has no port for a moment.
      const doubted = state.health === "starting" ? "starting" : "suspect";
      return { health: isDown ? "down" : doubted, reason: outcome.reason, silentMs, refusedMs };
    }
    default:
      return assertNever(outcome);
  }
}

/** When {@link afterTime} changes something, in clock milliseconds; Infinity where time alone changes nothing. */
export function lapsesAtMs({ health, silentMs }: HealthState, { failureTimeoutMs }: HealthLimits): number {
  const canLapse = health === "suspect" || health === "starting";
  return canLapse && silentMs !== null ? silentMs + failureTimeoutMs : Infinity;
}

/** How a node is when nothing was heard of it until now. */
export function afterTime(
  state: HealthState,
  limits: HealthLimits & { readonly nowMs: number },
): HealthState {
  if (limits.nowMs < lapsesAtMs(state, limits)) return state;
  return { ...state, health: "down", reason: `silent for ${limits.failureTimeoutMs} ms: ${state.reason}` };
}
