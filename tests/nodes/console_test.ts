import assert from "node:assert/strict";
import { failure, shown, succeed } from "../harness/console_shown.ts";
import { rowsOf, waitFor, WireClient } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

Deno.test("the console shows clusters and nodes, in the tree too, and the node of each connection", async () => {
  await using replicas = await Replicas.start();
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up");
  const { console } = watched;
  await using client = await watched.client();
  await client.query("BEGIN");
  const { name, primary, phase, up, timeline, epoch, system } = await watched.cluster();
  assert.deepEqual([name, primary, phase, up, timeline, epoch], ["main", "n1", "serving", "2", "1", "1"]);
  const [row] = await replicas.nodes[0]!.sql("SELECT system_identifier::text AS id FROM pg_control_system()");
  assert.equal(system, row!["id"]);
  const [first, second] = await watched.nodes();
  assert.deepEqual([first!["servers"], first!["leases"], second!["servers"]], ["1", "1", "0"]);
  assert.deepEqual([first!["port"], second!["port"]], replicas.nodes.map(({ port }) => String(port)));
  const value = async (path: string) => (await shown(console, `SHOW ${path}`))[0]!["value"];
  assert.equal(await value("clusters.main.nodes.n2.role"), "standby");
  assert.equal(await value("nodes.main.n1.health"), "up");
  assert.equal(await value("clusters.main.phase"), "serving");
  assert.equal((await shown(console, "SHOW SERVERS"))[0]!["node"], "n1");
  const clients = await shown(console, "SHOW CLIENTS");
  assert.deepEqual(new Set(clients.map(({ node }) => node)), new Set(["n1", null]));
  const pools = await shown(console, "SHOW POOLS");
  assert.deepEqual(pools.map(({ database, node }) => [database, node]), [["postgres", "n1"], [
    "pgplex",
    null,
  ]]);
  await client.query("ROLLBACK");
});

Deno.test("DISABLE takes a standby out, and no primary; SET of reads and weight holds at once and over a reload", async () => {
  await using replicas = await Replicas.start();
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up");
  const { console } = watched;
  const second = async () => {
    const row = (await watched.nodes()).find(({ node }) => node === "n2")!;
    return [row["reads"], row["weight"], row["disabled"]].join(" ");
  };
  assert.equal(await second(), "t 1 f");
  await succeed(console, "DISABLE main.n2");
  assert.equal(await second(), "f 1 t");
  await watched.pgplex.reload(watchedConfig([replicas.config[1]!, replicas.config[0]!]));
  await watched.becomes("n2 standby up, n1 primary up");
  assert.equal(await second(), "f 1 t");
  await succeed(console, "ENABLE main.n2");
  assert.equal(await second(), "t 1 f");
  assert.equal(
    await failure(console, "DISABLE main.n1"),
    '08P01 cannot disable "main.n1" as it is the primary of its cluster',
  );
  assert.match(await failure(console, "DISABLE main.n3"), /^08P01 /);
  await succeed(console, "SET clusters.main.nodes.n2.reads = off");
  await succeed(console, "SET clusters.main.nodes.n2.weight = 4");
  assert.equal(await second(), "f 4 f");
  await watched.pgplex.reload(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up");
  assert.equal(await second(), "f 4 f");
  await succeed(console, "RESET clusters.main.nodes.n2.reads");
  assert.equal(await second(), "t 4 f");
});

Deno.test("PAUSE holds the pools at all nodes, and RESUME lets all of them go on", async () => {
  await using replicas = await Replicas.start({ standbys: 2 });
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
  const reads = { user: "postgres", database: "postgres", params: { options: "-c pgplex.intent=read" } };
  await using writer = await watched.client();
  const readers = await Promise.all(
    Array.from({ length: 6 }, () => WireClient.connect(watched.pgplex, reads)),
  );
  const port = "SELECT current_setting('port')";
  const portsOf = async () =>
    new Set((await Promise.all(readers.map((one) => one.query(port)))).map((one) => rowsOf(one)[0]![0]));
  await waitFor(async () => (await portsOf()).size === 2, { what: "both standbys to serve" });
  await writer.query(port);
  await succeed(watched.console, "PAUSE");
  const connections = async () => (await shown(watched.console, "SHOW SERVERS")).length;
  assert.equal(await connections(), 0);
  const waiting = [writer, ...readers].map((client) => client.query(port));
  const wait = async () =>
    (await shown(watched.console, "SHOW POOLS")).reduce((sum, row) => sum + Number(row["cl_waiting"]), 0);
  await waitFor(async () => await wait() === 7, { what: "all to wait" });
  // Another sample, and another standby, let nobody go.
  await succeed(watched.console, "DISABLE main.n3");
  await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
  assert.deepEqual([await wait(), await connections()], [7, 0]);
  await succeed(watched.console, "RESUME");
  const [wrote, ...read] = (await Promise.all(waiting)).map((messages) => rowsOf(messages)[0]![0]);
  const [first, second] = replicas.nodes.map((node) => String(node.port));
  assert.deepEqual([wrote, [...new Set(read)]], [first, [second]]);
  for (const client of readers) await client.close();
});

Deno.test("SHOW NODES says how far a standby is behind whose replay is paused", async () => {
  await using replicas = await Replicas.start();
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up");
  await replicas.nodes[1]!.sql("SELECT pg_wal_replay_pause()");
  await watched.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
  const lag = async () => {
    const [, { lag_bytes: bytes, lag_ms: ms }] = await watched.nodes() as [
      unknown,
      Record<string, string | null>,
    ];
    return { bytes: Number(bytes), ms: Number(ms) };
  };
  await waitFor(async () => (await lag()).ms > 1000 && (await lag()).bytes > 10_000, { what: "the lag" });
  await replicas.nodes[1]!.sql("SELECT pg_wal_replay_resume()");
  await waitFor(async () => (await lag()).ms < 1000 && (await lag()).bytes === 0, {
    what: "the standby to catch up",
  });
});
