import assert from "node:assert/strict";
import { startPgplex, startPostgres, waitFor, WireClient } from "../harness/mod.ts";
import { shown, shownRow, succeed } from "../harness/console_shown.ts";
import { one } from "../harness/served.ts";

Deno.test("Statistics outlive the node that made them, averages follow log.stats_period, and pauses end with their alias", async () => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  const config = (name: string, routing: Record<string, unknown>) => ({
    auth: { type: "trust" },
    routing: { default_cluster: "main", ...routing },
    clusters: { main: { nodes: [{ name, host: node.host, port: node.port }] } },
    console: { admin_users: ["postgres"] },
    log: { stats_period: "200ms" },
  });
  const aliased = { databases: { app: { cluster: "main", database: "postgres" } } };
  await using pgplex = await startPgplex({ config: config("first", aliased) });
  await using console = await WireClient.connect(pgplex, { user: "postgres", database: "pgplex" });
  const client = await WireClient.connect(pgplex, { user: "postgres", database: "app" });
  for (let i = 0; i < 10; i++) await one(client, "SELECT 1");
  const totals = () => shownRow(console, "SHOW STATS_TOTALS", "database", "app");
  await waitFor(async () => (await totals())["query_count"] === "10", { what: "the queries to be counted" });

  await waitFor(async () => {
    await one(client, "SELECT 1");
    const averages = await shownRow(console, "SHOW STATS_AVERAGES", "database", "app");
    return Number(averages["query_count"]) > 0 && Number(averages["query_time"]) > 0;
  }, { what: "a period's averages" });
  const all = new Map((await shown(console, "SHOW TOTALS")).map((row) => [row["name"], row["value"]]));
  assert.ok(Number(all.get("total_query_count")) >= 10);

  await client.close();
  const before = await totals();
  await pgplex.reload(config("second", aliased));
  await waitFor(
    async () => (await shown(console, "SHOW SERVERS")).every((s) => s["database"] !== "app"),
    { what: "the old node's connections to end" },
  );
  assert.equal((await totals())["query_count"], before["query_count"]);
  await using next = await WireClient.connect(pgplex, { user: "postgres", database: "app" });
  await one(next, "SELECT 1");
  await waitFor(
    async () => Number((await totals())["query_count"]) === Number(before["query_count"]) + 1,
    { what: "the new node's query to be added" },
  );

  await succeed(console, "PAUSE app");
  await succeed(console, "DISABLE app");
  await pgplex.reload(config("second", {}));
  const state = async (key: string) => (await shownRow(console, "SHOW STATE", "key", key))["value"];
  await waitFor(async () => await state("paused_databases") === "", { what: "the pause to be forgotten" });
  assert.equal(await state("disabled_databases"), "");
  assert.ok((await shown(console, "SHOW STATS")).every((row) => row["database"] !== "app"));
});
