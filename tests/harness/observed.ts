import assert from "node:assert/strict";
import { type PgplexProcess, waitFor } from "./mod.ts";

/** One line "stats" of pgplex's log: what is there, and what happened since the line before. */
export interface Stats {
  readonly clients: number;
  readonly connections: number;
  readonly waiting: number;
  readonly servers_active: number;
  readonly servers_idle: number;
  readonly servers_login: number;
  readonly buffers_lent: number;
  readonly statements: number;
  readonly transactions: number;
  readonly queries: number;
  readonly servers_opened: number;
  readonly servers_lost: number;
}

/** The part of pgplex's configuration that {@link statsOf} needs. */
export const OBSERVED_LOG = { level: "info", format: "json", stats_period: "100ms" };

/** All lines "stats", oldest first. */
export function statsOf(pgplex: PgplexProcess): Stats[] {
  const lines = pgplex.log.split("\n").filter((line) => line.includes('"message":"stats"'));
  return lines.map((line) => JSON.parse(line).properties);
}

/** What is to be seen when everything is over. */
type Wanted = Partial<Record<keyof Stats, number | ((value: number) => boolean)>>;

/** Waits for a line "stats", written after this call, in which all of `wanted` is true. Returns it. */
export async function statsSettle(
  pgplex: PgplexProcess,
  wanted: Wanted,
  deadlineMs = 10_000,
): Promise<Stats> {
  const seen = statsOf(pgplex).length;
  let last: Stats | undefined;
  return await waitFor(() => {
    const all = statsOf(pgplex);
    // The first new one may have been on its way already.
    if (all.length < seen + 2) return null;
    const stats = last = all.at(-1)!;
    const differs = Object.entries(wanted).filter(([name, want]) => {
      const value = stats[name as keyof Stats];
      return typeof want === "number" ? value !== want : !want(value);
    });
    if (differs.length > 0) throw new Error(`${differs.map(([name]) => name)} in ${JSON.stringify(last)}`);
    return stats;
  }, { what: "pgplex's counters to agree", deadlineMs, everyMs: 50 });
}

/** Resident memory of a process, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Asserts that pgplex still runs and found no defect in itself. */
export function assertSound(pgplex: PgplexProcess): void {
  assert.ok(pgplex.running, `pgplex has ended. It said:\n${pgplex.log.slice(-5000)}`);
  const defects = pgplex.log.split("\n").filter((line) => line.includes("internal error"));
  assert.deepEqual(defects, []);
}
