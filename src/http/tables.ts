import type { Cell, Table } from "../console/mod.ts";
import { type Exposition, labelsOf, type MetricKind } from "./exposition.ts";
import { KeptSamples, Labelled } from "./kept_samples.ts";

/** A metric that stands in one column of a table of the console. */
export interface ColumnMetric {
  readonly column: string;
  readonly name: string;
  readonly kind: Exclude<MetricKind, "histogram">;
  readonly help: string;
  /** What the column counts, in the metric's unit; 1 unless given. */
  readonly unit?: number;
}

/** The metrics of a table: one sample of each for each row, labelled by some columns. */
export interface TableMetrics {
  readonly labels: readonly string[];
  readonly metrics: readonly ColumnMetric[];
}

const MICROSECOND = 1e-6;

/** Names of prometheus' pgbouncer_exporter, with what is labelled there. */
export const POOLS: TableMetrics = {
  labels: ["database", "user"],
  metrics: [
    gauge("cl_active", "pgbouncer_pools_client_active_connections", "Clients that do not wait for a server."),
    gauge("cl_waiting", "pgbouncer_pools_client_waiting_connections", "Clients that wait for a server."),
    gauge(
      "cl_active_cancel_req",
      "pgbouncer_pools_client_active_cancel_connections",
      "Cancel requests on their way to a server.",
    ),
    gauge("sv_active", "pgbouncer_pools_server_active_connections", "Server connections that a client has."),
    gauge("sv_idle", "pgbouncer_pools_server_idle_connections", "Server connections that nobody has."),
    gauge("sv_tested", "pgbouncer_pools_server_testing_connections", "Server connections being restored."),
    gauge("sv_login", "pgbouncer_pools_server_login_connections", "Server connections that are logging in."),
    gauge(
      "maxwait",
      "pgbouncer_pools_client_maxwait_seconds",
      "How long the first client in line has waited.",
    ),
    gauge(
      "cl_pinned",
      "pgplex_pool_pinned_clients",
      "Clients that keep their server connection for its state.",
    ),
  ],
};

export const DATABASES: TableMetrics = {
  labels: ["name", "cluster"],
  metrics: [
    gauge("pool_size", "pgbouncer_databases_pool_size", "Server connections that a pool may have."),
    gauge(
      "max_connections",
      "pgbouncer_databases_max_connections",
      "Server connections over all users; 0: no limit.",
    ),
    gauge("current_connections", "pgbouncer_databases_current_connections", "Server connections there are."),
    gauge("paused", "pgbouncer_databases_paused", "Whether it is paused."),
    gauge("disabled", "pgbouncer_databases_disabled", "Whether it takes no new clients."),
  ],
};

export const STATS: TableMetrics = {
  labels: ["database"],
  metrics: [
    counter("xact_count", "pgbouncer_stats_sql_transactions_pooled", "Transactions."),
    counter("query_count", "pgbouncer_stats_queries_pooled", "Queries."),
    counter("bytes_received", "pgbouncer_stats_received_bytes", "Bytes from clients."),
    counter("bytes_sent", "pgbouncer_stats_sent_bytes", "Bytes to clients."),
    counter(
      "xact_time",
      "pgbouncer_stats_server_in_transaction_seconds",
      "Time in transactions.",
      MICROSECOND,
    ),
    counter("query_time", "pgbouncer_stats_queries_duration_seconds", "Time in queries.", MICROSECOND),
    counter("wait_time", "pgbouncer_stats_client_wait_seconds", "Time that clients waited.", MICROSECOND),
    counter("server_assignment_count", "pgbouncer_stats_server_assignments", "Leases of server connections."),
    counter("client_parse_count", "pgbouncer_stats_client_parses", "Parse messages of clients."),
    counter("server_parse_count", "pgbouncer_stats_server_parses", "Parse messages to servers."),
    counter("bind_count", "pgbouncer_stats_binds", "Bind messages of clients."),
  ],
};

export const NODES: TableMetrics = {
  labels: ["cluster", "node"],
  metrics: [
    gauge("lag_bytes", "pgplex_node_lag_bytes", "WAL that a standby has not replayed."),
    gauge(
      "lag_ms",
      "pgplex_node_lag_seconds",
      "How long ago the primary had what a standby has replayed.",
      1e-3,
    ),
    gauge("latency_ms", "pgplex_node_probe_seconds", "How long the last answer of the node took.", 1e-3),
    gauge("timeline", "pgplex_node_timeline", "Its timeline."),
    gauge("slots_used", "pgplex_node_connections", "Client connections that the node has."),
    gauge("slots_max", "pgplex_node_connections_max", "Client connections that it may have."),
    gauge("servers", "pgplex_node_server_connections", "Connections of pgplex to it."),
    gauge("leases", "pgplex_node_leases", "Those that are in use."),
    gauge("stale", "pgplex_node_stale", "Whether it says that it is a primary and is not the cluster's."),
  ],
};

export const CLUSTERS: TableMetrics = {
  labels: ["name"],
  metrics: [
    gauge("epoch", "pgplex_cluster_epoch", "Rises by one with each move of the primary."),
    gauge("sessions", "pgplex_cluster_sessions", "Sessions."),
    gauge("waiting", "pgplex_cluster_waiting_sessions", "Sessions that wait for a server connection."),
    gauge("servers", "pgplex_cluster_server_connections", "Server connections."),
    gauge("nodes", "pgplex_cluster_nodes", "Nodes of the configuration."),
    gauge("up", "pgplex_cluster_nodes_up", "Nodes that answer."),
  ],
};

/** The metrics of a table, whose text is kept for the next scrape. */
export class MetricsTable {
  readonly #spec: TableMetrics;
  readonly #labels: readonly string[];
  /** What stood in the columns of the labels, row by row, and for each metric its samples of these rows. */
  #named: Cell[] = [];
  #samples: readonly KeptSamples[] = [];

  /** `rename` gives labels other names than their columns. */
  constructor(spec: TableMetrics, rename: Readonly<Record<string, string>> = {}) {
    this.#spec = spec;
    this.#labels = spec.labels.map((label) => rename[label] ?? label);
  }

  /** Writes the metrics of what the table says now. Cells without a value are left out. */
  write(out: Exposition, { columns, rows }: Table): void {
    const at = (name: string) => columns.findIndex((column) => column.name === name);
    this.#name(rows, this.#spec.labels.map(at));
    this.#spec.metrics.forEach(({ column, name, kind, help, unit = 1 }, index) => {
      const place = at(column);
      out.family(name, kind, help);
      out.lines(this.#samples[index]!.text((row) => {
        const cell = rows[row]![place]!;
        return cell === null ? null : unit === 1 ? Number(cell) : Number(cell) * unit;
      }));
    });
  }

  /** Begins anew where the rows are not those of the last time. */
  #name(rows: Table["rows"], places: readonly number[]): void {
    const named = this.#named;
    const isNamed = (row: Table["rows"][number], index: number) =>
      places.every((place, label) => row[place] === named[index * places.length + label]);
    if (this.#samples.length > 0 && rows.length * places.length === named.length && rows.every(isNamed)) {
      return;
    }
    this.#named = rows.flatMap((row) => places.map((place) => row[place]!));
    const things = new Labelled(
      rows.map((row) => labelsOf(places.map((place, label) => [this.#labels[label]!, textOf(row[place]!)]))),
    );
    this.#samples = this.#spec.metrics.map(({ name, kind }) =>
      new KeptSamples(kind === "counter" ? `${name}_total` : name, things)
    );
  }
}

function textOf(cell: Cell): string {
  return cell === null ? "" : String(cell);
}

function gauge(column: string, name: string, help: string, unit = 1): ColumnMetric {
  return { column, name, kind: "gauge", help, unit };
}

function counter(column: string, name: string, help: string, unit = 1): ColumnMetric {
  return { column, name, kind: "counter", help, unit };
}
