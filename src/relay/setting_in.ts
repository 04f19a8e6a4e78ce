import type { Fingerprint } from "../learning/mod.ts";
import { lowerCase } from "../protocol/mod.ts";

/** What these say holds for the SET itself: whether it is logged, or counted. Options of pgplex are its own matter. */
const HEEDED = /^(?:auto_explain|pgaudit|pg_stat_statements|pgplex)\./;

/**
 * The custom setting that a statement sets to a literal, and does nothing else: what it was before makes no difference to what it does,
 * and answers. Empty for none.
 */
export function settingIn(fingerprint: Fingerprint | null): string {
  const name = lowerCase(fingerprint?.traits.assigns ?? "");
  return isHeeded(name) ? "" : name;
}

/** Whether SET of this custom setting, in lower case, does more than that the session has it. */
export function isHeeded(name: string): boolean {
  return HEEDED.test(name);
}
