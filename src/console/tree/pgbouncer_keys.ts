import { FATES } from "../../import/mod.ts";

/** What `SET key = value` of one of PgBouncer's keys means, where no setting here has that name. */
export type PgBouncerKey =
  /** The setting at this path, with this value. */
  | { readonly kind: "setting"; readonly path: readonly string[]; readonly value: string }
  /** There is no such setting, and that is no mistake of whoever says it: why. */
  | { readonly kind: "none"; readonly why: string };

/** How `key` with `value` is understood; null where PgBouncer has no such key, or it is no single setting here. */
export function pgbouncerKey(key: string, value: string): PgBouncerKey | null {
  const name = key.toLowerCase();
  if (name === "verbose") {
    return { kind: "setting", path: ["log", "level"], value: Number(value) > 0 ? "debug" : "info" };
  }
  const fate = FATES.get(name);
  return fate?.kind === "left" ? { kind: "none", why: fate.why } : null;
}
