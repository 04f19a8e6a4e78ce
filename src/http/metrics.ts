import type { Console, Table } from "../console/mod.ts";
import type { LoginParts } from "../login/mod.ts";
import { Exposition, type Form, labelsOf } from "./exposition.ts";
import { CLUSTERS, DATABASES, MetricsTable, NODES, POOLS, STATS } from "./tables.ts";

/** An instance of pgplex, as this one knows it. */
export interface KnownInstance {
  readonly id: number;
  readonly name: string;
  readonly isLeading: boolean;
  readonly isThere: boolean;
  /** How long it counts yet where nothing is heard of it any more; null where there is but this one. */
  readonly leaseMs: number | null;
}

/** What the metrics are made of. */
export interface MetricsParts {
  readonly worker: Pick<
    LoginParts,
    "counters" | "pools" | "config" | "topology" | "sessions" | "replications"
  >;
  readonly console: Pick<Console, "table">;
  readonly instances: () => readonly KnownInstance[];
  readonly version: string;
}

type MetricsTables = ReturnType<typeof metricsTables>;

function metricsTables() {
  return {
    pools: new MetricsTable(POOLS),
    databases: new MetricsTable(DATABASES),
    stats: new MetricsTable(STATS),
    clusters: new MetricsTable(CLUSTERS, { name: "cluster" }),
    nodes: new MetricsTable(NODES),
  };
}

/** The metrics of a process. What most of their text says is kept from one scrape to the next. */
export class Metrics {
  readonly #parts: MetricsParts;
  readonly #out = new Exposition();
  readonly #tables = metricsTables();

  constructor(parts: MetricsParts) {
    this.#parts = parts;
  }

  /** All metrics at the moment: bytes that stand until the next call. */
  text(form: Form): Uint8Array<ArrayBuffer> {
    this.#out.begin(form);
    writeAll(this.#out, this.#parts, this.#tables);
    return this.#out.end();
  }
}

function writeAll(out: Exposition, parts: MetricsParts, tables: MetricsTables): void {
  const { worker: { counters, config, pools, replications, sessions, topology }, console, version } = parts;
  const one = (name: string, help: string, value: number, labels = "") => {
    out.family(name, "gauge", help);
    out.sample(name, labels, value);
  };
  const counted = (name: string, help: string, value: number) => {
    out.family(name, "counter", help);
    out.sample(`${name}_total`, "", value);
  };
  one("pgbouncer_up", "Whether the pooler answers: here it always does.", 1);
  one("pgplex_build", "The version, as a label.", 1, labelsOf([["version", version]]));
  one("pgplex_instance", "Which instance this is.", config.instance.id);
  one("pgbouncer_config_max_client_connections", "max_client_conn.", config.listen.max_client_conn);
  counted("pgplex_accepted_connections", "Connections that clients opened.", counters.accepted);
  counted("pgplex_login_failures", "Connections that ended before they logged in.", counters.loginFailures);
  counted("pgplex_cancel_requests", "Cancel requests of clients.", counters.cancels);
  counted("pgplex_protocol_violations", "Clients that broke the protocol.", counters.protocolViolations);
  const [poolTable, databaseTable] = [console.table("pools"), console.table("databases")];
  let servers = 0;
  for (const { link } of replications) if (link !== null) servers++;
  for (const { pool } of pools.all()) servers += pool.total;
  one("pgbouncer_databases", "Count of databases.", databaseTable.rows.length);
  one("pgbouncer_pools", "Count of pools.", poolTable.rows.length);
  one("pgbouncer_used_clients", "Count of clients.", sessions.size + replications.size);
  one("pgbouncer_login_clients", "Count of clients that are logging in.", counters.loggingIn);
  one("pgbouncer_used_servers", "Count of server connections.", servers);
  tables.pools.write(out, poolTable);
  tables.databases.write(out, databaseTable);
  tables.stats.write(out, console.table("stats_totals"));
  tables.clusters.write(out, console.table("clusters"));
  tables.nodes.write(out, console.table("nodes"));

  out.family(
    "pgplex_cluster_serving",
    "gauge",
    "Whether its clients are served; 0 while they wait for a primary.",
  );
  const clusters = [...topology.current.clusters.values()];
  for (const { name, phase } of clusters) {
    out.sample("pgplex_cluster_serving", labelsOf([["cluster", name]]), phase === "serving" ? 1 : 0);
  }
  const nodes = clusters.flatMap((cluster) => cluster.nodes.map((node) => [cluster.name, node] as const));
  const nodeGauge = (name: string, help: string, of: (node: (typeof nodes)[number][1]) => boolean) => {
    out.family(name, "gauge", help);
    for (const [cluster, node] of nodes) {
      out.sample(name, labelsOf([["cluster", cluster], ["node", node.name]]), of(node) ? 1 : 0);
    }
  };
  nodeGauge("pgplex_node_up", "Whether it answers.", ({ health }) => health === "up");
  nodeGauge("pgplex_node_primary", "Whether it is the cluster's primary.", ({ role }) => role === "primary");

  const histograms = [...pools.histograms].map(([name, of]) => [labelsOf([["cluster", name]]), of] as const);
  const histogram = (name: string, help: string, which: "wait" | "query" | "xact") => {
    out.family(name, "histogram", help);
    for (const [labels, of] of histograms) out.histogram(name, labels, of[which]);
  };
  histogram(
    "pgplex_wait_seconds",
    "How long sessions that had to wait waited for a server connection.",
    "wait",
  );
  histogram("pgplex_query_seconds", "How long the server owed a reply.", "query");
  histogram("pgplex_transaction_seconds", "How long transactions took.", "xact");

  writeInstances(out, parts.instances());
  writePins(out, console.table("pins"));
  writeMoves(out, console.table("failovers"));
  writeProbes(out, parts);
}

/** All instances that share the clusters, each as this one knows it. */
function writeInstances(out: Exposition, instances: readonly KnownInstance[]): void {
  const labelled = instances.map((of) => [labelsOf([["id", String(of.id)], ["name", of.name]]), of] as const);
  const write = (name: string, help: string, valueOf: (of: KnownInstance) => number | null) => {
    out.family(name, "gauge", help);
    for (const [labels, of] of labelled) {
      const value = valueOf(of);
      if (value !== null) out.sample(name, labels, value);
    }
  };
  write("pgplex_instance_there", "Whether it counts among the instances.", (of) => of.isThere ? 1 : 0);
  write("pgplex_instance_leading", "Whether it decides for the clusters.", (of) => of.isLeading ? 1 : 0);
  write(
    "pgplex_instance_lease_seconds",
    "How long it counts yet where nothing is heard of it any more.",
    ({ leaseMs }) => leaseMs === null ? null : leaseMs / 1000,
  );
}

/** One session may be pinned for several reasons: it counts for each. */
function writePins(out: Exposition, { columns, rows }: Table): void {
  const at = columns.findIndex(({ name }) => name === "reason");
  const counts = new Map<string, number>();
  for (const row of rows) {
    for (const reason of String(row[at]).split(", ")) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  out.family("pgplex_pinned_sessions", "gauge", "Sessions that keep their server connection, by why.");
  for (const [reason, count] of counts) {
    out.sample("pgplex_pinned_sessions", labelsOf([["reason", reason]]), count);
  }
}

/** Moves of primaries that the records remember, which is not all there ever were: a gauge. */
function writeMoves(out: Exposition, { columns, rows }: Table): void {
  const at = (name: string) => columns.findIndex((column) => column.name === name);
  const [cluster, kind, outcome] = [at("cluster"), at("kind"), at("outcome")];
  const counts = new Map<string, number>();
  for (const row of rows) {
    const labels = labelsOf([
      ["cluster", String(row[cluster])],
      ["kind", String(row[kind])],
      ["outcome", String(row[outcome])],
    ]);
    counts.set(labels, (counts.get(labels) ?? 0) + 1);
  }
  out.family("pgplex_moves", "gauge", "Moves of primaries that the record remembers, and those under way.");
  for (const [labels, count] of counts) out.sample("pgplex_moves", labels, count);
}

/** What is known of statements, by cluster and database. */
function writeProbes(out: Exposition, { worker: { pools } }: MetricsParts): void {
  const known = [...pools.fingerprints()].map(({ cluster, database, fingerprints }) => {
    let [statements, probes, hits] = [0, 0, 0];
    for (const [, fingerprint] of fingerprints.all()) {
      statements++;
      probes += fingerprint.probes;
      hits += fingerprint.hits;
    }
    return { labels: labelsOf([["cluster", cluster], ["database", database]]), statements, probes, hits };
  });
  const write = (name: string, help: string, of: (one: (typeof known)[number]) => number) => {
    out.family(name, "gauge", help);
    for (const one of known) out.sample(name, one.labels, of(one));
  };
  write(
    "pgplex_known_statements",
    "Statements that are known, without their literals.",
    (one) => one.statements,
  );
  write("pgplex_known_statement_probes", "Looks at session state behind these.", (one) => one.probes);
  write("pgplex_known_statement_hits", "Looks that found a change.", (one) => one.hits);
}
