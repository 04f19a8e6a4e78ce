import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** The columns of {@link showState}. */
export const STATE_COLUMNS = columns("key text, value text");

/** SHOW STATE: PgBouncer's three keys, then the databases paused or disabled by name, and whether pgplex is shutting down. */
export function showState({ worker: { pools: { control }, stopping } }: ConsoleParts): Table {
  const yes = (is: boolean) => is ? "yes" : "no";
  const rows: Cell[][] = [
    ["active", yes(control.mode === "none")],
    ["paused", yes(control.mode === "paused")],
    ["suspended", yes(control.mode === "suspended")],
    ["paused_databases", control.pausedNames.join(", ")],
    ["disabled_databases", control.disabledNames.join(", ")],
    ["shutting_down", yes(stopping)],
  ];
  return { columns: STATE_COLUMNS, rows };
}
