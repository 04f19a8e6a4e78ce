import { addStats, NO_STATS, STATS_NAMES, type StatsTotals } from "../../telemetry/mod.ts";
import { type Column, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** Names in SHOW STATS that differ from those in SHOW STATS_TOTALS: `total_received`, `avg_recv`. */
const TOTAL_NAMES: Partial<Record<keyof StatsTotals, string>> = {
  bytes_received: "received",
  bytes_sent: "sent",
};
const AVERAGE_NAMES: Partial<Record<keyof StatsTotals, string>> = {
  bytes_received: "recv",
  bytes_sent: "sent",
};

/** PgBouncer prefixes its newest columns in SHOW STATS_AVERAGES too. */
const PREFIXED: ReadonlySet<string> = new Set([
  "client_parse_count",
  "server_parse_count",
  "bind_count",
  "client_login_count",
]);

/** SHOW STATS: totals since the start and averages of the last `log.stats_period`, by database. */
export function showStats(parts: ConsoleParts): Table {
  const names = [
    ...STATS_NAMES.map((name) => `total_${TOTAL_NAMES[name] ?? name}`),
    ...STATS_NAMES.map((name) => `avg_${AVERAGE_NAMES[name] ?? name}`),
  ];
  const { periods } = parts.worker.pools.statistics;
  const rows = byDatabase(parts).map(([database, totals]) => [
    database,
    ...values(totals),
    ...values(periods.averages(database)),
  ]);
  return { columns: withDatabase(names), rows };
}

/** SHOW STATS_TOTALS. */
export function showStatsTotals(parts: ConsoleParts): Table {
  const rows = byDatabase(parts).map(([database, totals]) => [database, ...values(totals)]);
  return { columns: withDatabase(STATS_NAMES), rows };
}

/** SHOW STATS_AVERAGES. */
export function showStatsAverages(parts: ConsoleParts): Table {
  const names = STATS_NAMES.map((name) => PREFIXED.has(name) ? `avg_${name}` : name);
  const { periods } = parts.worker.pools.statistics;
  const rows = byDatabase(parts).map(([database]) => [database, ...values(periods.averages(database))]);
  return { columns: withDatabase(names), rows };
}

/** SHOW TOTALS: all databases together. */
export function showTotals(parts: ConsoleParts): Table {
  const all = byDatabase(parts);
  const totals = all.reduce((sum, [, totals]) => addStats(sum, totals), NO_STATS);
  const averages = parts.worker.pools.statistics.periods.overall();
  const rows = [
    ...STATS_NAMES.map((name) => [`total_${TOTAL_NAMES[name] ?? name}`, totals[name]]),
    ...STATS_NAMES.map((name) => [`avg_${AVERAGE_NAMES[name] ?? name}`, averages[name]]),
  ];
  return { columns: columns("name text, value numeric"), rows };
}

function byDatabase(
  { worker: { pools, config, counters } }: ConsoleParts,
): (readonly [database: string, totals: StatsTotals])[] {
  const totals: Map<string, StatsTotals> = pools.totals();
  // The console is a database too, of which commands are counted, as in PgBouncer.
  const commands = counters.consoleCommands;
  totals.set(config.console.database, { ...NO_STATS, xact_count: commands, query_count: commands });
  return [...totals].sort(([a], [b]) => a < b ? -1 : 1);
}

function values(stats: StatsTotals): number[] {
  return STATS_NAMES.map((name) => stats[name]);
}

function withDatabase(names: readonly string[]): Column[] {
  return [{ name: "database", type: "text" }, ...names.map((name): Column => ({ name, type: "numeric" }))];
}
