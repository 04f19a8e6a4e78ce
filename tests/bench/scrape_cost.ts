/**
 * What a scrape of /metrics costs with a thousand pools: processor time of pgplex for each, and how long the answer takes. Run it on a machine
 * that does nothing else: `deno run -A tests/bench/scrape_cost.ts [scrapes]`, 200 unless said.
 *
 * @module
 */
import { freePort, startPgplex, startPostgres, waitFor, WireClient } from "../harness/mod.ts";
import { one } from "../harness/served.ts";
import { runOfThreads } from "./process_stats.ts";

const POOLS = 1000;
const TOGETHER = 20;
const scrapes = Number(Deno.args[0] ?? 200);

await using node = await startPostgres({ major: 18, auth: "trust" });
await node.sql(
  `DO $$ BEGIN FOR i IN 1..${POOLS} LOOP EXECUTE format('CREATE ROLE r%s LOGIN', i); END LOOP; END $$`,
);
const http = freePort();
await using pgplex = await startPgplex({
  config: {
    auth: { type: "trust" },
    routing: { default_cluster: "main" },
    clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: node.port }] } },
    console: { stats_users: ["watcher"] },
    pool: { server_idle_timeout: "1s" },
    http: { port: http },
  },
});
const clients: WireClient[] = [];
for (let from = 1; from <= POOLS; from += TOGETHER) {
  const users = Array.from({ length: TOGETHER }, (_, i) => `r${from + i}`);
  clients.push(
    ...await Promise.all(users.map((user) => WireClient.connect(pgplex, { user, database: "postgres" }))),
  );
  await Promise.all(clients.slice(-TOGETHER).map((client) => one(client, "SELECT 1")));
  await waitFor(async () => (await node.sql("SELECT count(*)::int n FROM pg_stat_activity"))[0]!.n < 60, {
    what: "idle server connections to be closed",
  });
}
const headers = { authorization: `Basic ${btoa("watcher:")}` };
const scrape = async () => {
  const response = await fetch(`http://127.0.0.1:${http}/metrics`, { headers });
  return await response.text();
};
for (let i = 0; i < 50; i++) await scrape();
const text = await scrape();
const ranMs = async () => {
  let sum = 0;
  for (const thread of (await runOfThreads(pgplex.pid)).values()) sum += thread.ranMs;
  return sum;
};
const took: number[] = [];
const used: number[] = [];
for (let i = 0; i < scrapes; i++) {
  const [usedMs, sinceMs] = [await ranMs(), performance.now()];
  await scrape();
  took.push(performance.now() - sinceMs);
  used.push(await ranMs() - usedMs);
}
const shares = (times: number[]) => {
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)]!.toFixed(1);
  return `${at(0)} ms (least), ${at(0.5)} ms (median), ${at(0.99)} ms (99 %)`;
};
const mean = used.reduce((sum, ms) => sum + ms, 0) / scrapes;
const lines = text.split("\n").length;
console.log(`${POOLS} pools, ${lines} lines, ${(text.length / 1024).toFixed(0)} kB`);
console.log(`processor time of a scrape: ${mean.toFixed(2)} ms (mean), ${shares(used)}`);
console.log(`its answer takes ${shares(took)}`);
for (const client of clients) client.close();
