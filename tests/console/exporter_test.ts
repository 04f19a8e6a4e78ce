import assert from "node:assert/strict";
import { rowsOf, tagsOf, waitFor, type WireClient } from "../harness/mod.ts";
import { describedColumns, succeed } from "../harness/console_shown.ts";
import { one, Served } from "../harness/served.ts";

/**
 * A scrape as prometheus-community/pgbouncer_exporter 0.12.1 makes it: what its collector sends through lib/pq, and what it
 * reads by column name. A value that it could not convert, a metric that comes twice, or a table that is missing fails here.
 */
const served = new Served({
  setup: "CREATE ROLE watcher LOGIN; CREATE ROLE other LOGIN",
  pools: { app: {}, sess: { pool_mode: "session" } },
});

/** A value as lib/pq scans it into an interface: by type oid, int64, string, or bytes for what it does not know. */
type Scanned = { kind: "int64" | "string" | "bytes"; text: string } | null;

interface Scan {
  readonly names: string[];
  readonly rows: Scanned[][];
}

async function scan(client: WireClient, query: string): Promise<Scan> {
  const messages = await succeed(client, query);
  assert.deepEqual(tagsOf(messages), ["SHOW"]);
  const columns = describedColumns(messages.find(({ type }) => type === "T")!);
  const rows = rowsOf(messages).map((row) =>
    row.map((text, i): Scanned => {
      if (text === null) return null;
      const { oid } = columns[i]!;
      const kind = oid === 20 || oid === 23 ? "int64" : oid === 25 ? "string" : "bytes";
      if (kind === "int64") assert.match(text, /^-?\d+$/);
      return { kind, text };
    })
  );
  return { names: columns.map(({ name }) => name), rows };
}

/** The collector's metricMaps: labels, then values. */
const METRICS: Record<string, { labels: string; values: string }> = {
  databases: {
    labels: "name host port database force_user pool_mode",
    values: "pool_size reserve_pool|reserve_pool_size max_connections current_connections paused disabled",
  },
  stats_totals: {
    labels: "database",
    values:
      "query_count query_time bytes_received bytes_sent wait_time xact_count xact_time client_parse_count " +
      "server_parse_count bind_count server_assignment_count",
  },
  pools: {
    labels: "database user",
    values: "cl_active cl_active_cancel_req cl_waiting cl_waiting_cancel_req sv_active sv_active_cancel " +
      "sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait",
  },
};

/** A value as the collector makes a number of it; labels are text, numbers or NULL. */
function number(value: Scanned): number {
  assert.ok(value !== null);
  const result = Number(value.text);
  assert.ok(value.text !== "" && Number.isFinite(result), `${value.text} is a number`);
  return result;
}

function label(value: Scanned): string {
  assert.notEqual(value?.kind, "bytes", "a label is text or a number");
  return value?.text ?? "";
}

/** What `SHOW <namespace>;` gives, by metric name and labels. */
async function namespaceMetrics(client: WireClient, namespace: string): Promise<Map<string, number>> {
  const { names, rows } = await scan(client, `SHOW ${namespace};`);
  const { labels, values } = METRICS[namespace]!;
  const metrics = new Map<string, number>();
  for (const row of rows) {
    const at = (name: string) => {
      const index = names.indexOf(name);
      assert.ok(index >= 0, `${namespace} has a column ${name}`);
      return row[index]!;
    };
    const labelled = labels.split(" ").map((name) => `${name}=${label(at(name))}`).join(",");
    for (const wanted of values.split(" ")) {
      const name = wanted.split("|").find((name) => names.includes(name)) ?? wanted;
      const key = `${namespace}.${name}{${labelled}}`;
      assert.ok(!metrics.has(key), `${key} comes once`); // Prometheus refuses the whole scrape otherwise
      metrics.set(key, number(at(name)));
    }
  }
  return metrics;
}

for (const user of ["postgres", "watcher"]) {
  Deno.test(`pgbouncer_exporter scrapes everything it looks for, as ${user}`, async () => {
    await using busy = await served.client("app", {}, "other");
    await using session = await served.client("sess");
    await using plain = await served.client("postgres");
    await one(busy, "BEGIN");
    await one(session, "SELECT 1");
    await one(plain, "SELECT 1");
    // As lib/pq logs in: postgres://user@host:port/pgbouncer?sslmode=disable
    const startup = { client_encoding: "UTF8", datestyle: "ISO, MDY", extra_float_digits: "2" };
    await using client = await served.client("pgbouncer", startup, user);

    assert.ok((await scan(client, "SHOW STATS")).rows.length > 0);
    const version = await scan(client, "SHOW VERSION;");
    assert.deepEqual(version.names, ["version"]);
    assert.match(label(version.rows[0]![0]!), /^pgplex \d/);

    const lists = await scan(client, "SHOW LISTS;");
    assert.equal(lists.names.length, 2);
    const items = new Map(lists.rows.map(([list, count]) => [label(list!), number(count!)]));
    for (
      const list of [
        "databases",
        "users",
        "pools",
        "free_clients",
        "used_clients",
        "login_clients",
        "free_servers",
        "used_servers",
        "dns_names",
        "dns_zones",
        "dns_queries",
      ]
    ) assert.ok(items.has(list), list);

    const config = await scan(client, "SHOW CONFIG;");
    assert.equal(config.names.length, 4);
    const settings = new Map(config.rows.map(([key, value]) => [label(key!), value!]));
    assert.equal(number(settings.get("max_client_conn")!), 10_000);
    assert.equal(number(settings.get("max_user_connections")!), 0);
    for (const [key, , fallback] of config.rows) assert.ok(fallback !== null, `${label(key!)} has a default`);

    const count = async () => {
      const clients = await scan(client, "SHOW CLIENTS;");
      const [database, owner, state] = ["database", "user", "state"].map((name) =>
        clients.names.indexOf(name)
      );
      const counts = new Map<string, number>();
      for (const row of clients.rows) {
        const key = [database!, owner!, state!].map((index) => label(row[index]!)).join(" ");
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return counts;
    };
    // Clients of the test before may be on their way out, and a connection be looked at behind its transaction.
    await waitFor(async () => (await count()).get("postgres postgres idle") === 1, {
      what: "one client to be idle",
    });
    const counts = await count();
    assert.equal(counts.get("app other active"), 1);
    assert.equal(counts.get("sess postgres active"), 1);

    const databases = await namespaceMetrics(client, "databases");
    const app = `name=app,host=127.0.0.1,port=${served.node.port},database=postgres,force_user=,pool_mode=`;
    assert.equal(databases.get(`databases.pool_size{${app}}`), 20);
    assert.equal(databases.get(`databases.paused{${app}}`), 0);
    const totals = await namespaceMetrics(client, "stats_totals");
    assert.ok(totals.get("stats_totals.bytes_received{database=app}")! > 0);
    const pools = await namespaceMetrics(client, "pools");
    assert.equal(pools.get("pools.sv_active{database=app,user=other}"), 1);
    assert.ok(pools.has("pools.maxwait{database=pgplex,user=pgplex}"));
    await one(busy, "ROLLBACK");
  });
}
