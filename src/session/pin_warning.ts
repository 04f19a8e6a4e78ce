import type { PinReason } from "../lease/mod.ts";
import type { RareWarnings } from "../telemetry/mod.ts";
import type { SessionFacts } from "./session_facts.ts";

/** An operator hears that a session keeps its server connection, and the statement that most likely did it. */
export function warnOfPins(
  warnings: Pick<RareWarnings, "say">,
  { id, user, database }: Pick<SessionFacts, "id" | "user" | "database">,
  reasons: readonly PinReason[],
  statement: string | null,
): void {
  const reason = reasons.join(", ");
  warnings.say(
    `pin ${reason} ${user} ${database}`,
    "session pinned to its server connection",
    { session: id, user, database, reason, statement: statement ?? undefined },
  );
}
