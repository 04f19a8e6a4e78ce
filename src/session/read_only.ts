import type { Settings } from "../backend/mod.ts";
import type { Base } from "../servers/mod.ts";

const NAME = "default_transaction_read_only";

/** As servers read a boolean of a startup packet, all that mean yes. */
const YES = "(?:on|t|tr|tru|true|y|ye|yes|1)";
const IS_YES = new RegExp(`^${YES}$`, "i");
const IN_OPTIONS = new RegExp(`default[_-]transaction[_-]read[_-]only=${YES}(?:\\s|$)`, "i");

/**
 * Whether a session's transactions are READ ONLY where they say nothing else. Servers report that from PostgreSQL 14 on; before, it
 * is known of what was SET in the session, and of what the startup packet said.
 */
export function isReadOnly(settings: Settings | null, { params }: Base): boolean {
  const value = settings?.values.get(NAME);
  if (value !== undefined) return value === "on";
  return IS_YES.test(params.get(NAME) ?? "") || IN_OPTIONS.test(params.get("options") ?? "");
}
