import type { Command } from "../arbiter/mod.ts";
import { literal } from "../verbs/mod.ts";

/** A row of `pgplex.requests` that was taken. */
export interface SqlRequest {
  readonly id: string;
  readonly kind: string;
  /** As the schema's functions make it. */
  readonly argument: Readonly<Record<string, unknown>>;
  readonly askedBy: string;
}

/** A request that is said to run for so long is nobody's any more. */
const FORGOTTEN = "10 minutes";

/** The statements by which requests are taken and answered, and what they bring. */
export const REQUEST_SQL = {
  /** One that was taken by a pgplex that is not there any more stands in nobody's way. */
  forget: `SELECT pgplex.answer_request(id, false, 'nobody knows what became of it: look at SHOW FAILOVERS')
 FROM pgplex.requests WHERE state = 'running' AND asked_at < clock_timestamp() - interval '${FORGOTTEN}'`,
  take: "SELECT id, kind, argument, asked_by FROM pgplex.take_request()",
  /** Null where none waits. */
  requestOf(row: readonly (string | null)[] | undefined): SqlRequest | null {
    const [id, kind, argument, askedBy] = row ?? [];
    if (id == null) return null;
    return { id, kind: kind ?? "", argument: JSON.parse(argument ?? "{}"), askedBy: askedBy ?? "" };
  },
  answer({ id, ok, text }: { readonly id: string; readonly ok: boolean; readonly text: string }): string {
    return `SELECT pgplex.answer_request(${BigInt(id)}, ${ok}, ${literal(text)})`;
  },
} as const;

/** What a request asks of the arbiter. @throws Error for a kind that this pgplex does not know */
export function commandOf({ kind, argument }: SqlRequest): Command {
  if (kind !== "switchover") throw new Error(`this pgplex knows no request "${kind}"`);
  const { target, within_ms: withinMs, force } = argument;
  return {
    kind: "switchover",
    to: typeof target === "string" ? target : null,
    withinMs: typeof withinMs === "number" && withinMs > 0 ? withinMs : null,
    isForced: force === true,
  };
}

/** The `failover` that a request wants; null where it wants something else. */
export function failoverModeOf({ kind, argument: { mode } }: SqlRequest): string | null {
  return kind === "failover_mode" ? String(mode) : null;
}
