import assert from "node:assert/strict";
import { errorOf, pgbench, rowsOf, tempDir, waitFor } from "../harness/mod.ts";
import { NumberedWriter } from "../harness/numbered.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are restarted in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

function configOf(replicas: Replicas, stateFile: string) {
  return watchedConfig(replicas.config, {
    clusters: { main: { nodes: replicas.config, failover: "manual", rejoin: "sql" } },
    state_file: stateFile,
    monitor: {},
  });
}

for (const major of [14, 18] as const) {
  Deno.test({
    name:
      `PostgreSQL ${major}: a switchover there and back under load costs no error, and less than a second`,
    ...RESTARTS,
    fn: async () => {
      await using dir = await tempDir();
      await using replicas = await Replicas.start({
        major,
        standbys: 2,
        settings: { wal_log_hints: "on", full_page_writes: "on" },
        setup: "CREATE TABLE w (n int)",
      });
      await using watched = await Watched.start(configOf(replicas, `${dir.path}/state`));
      await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
      const { host, port } = watched.pgplex;
      const target = { connection: { host, port, user: "postgres", password: "", database: "postgres" } };
      assert.equal((await pgbench(["-i", "-q"], target)).code, 0);
      await using client = await watched.client();
      const writer = new NumberedWriter(client);
      const load = pgbench(["-n", "-c", "8", "-T", "8"], { ...target, deadlineMs: 60_000 });
      writer.start();
      for (
        const [to, state] of [["n2", "n1 standby up, n2 primary up, n3 standby up"], [
          "n1",
          "n1 primary up, n2 standby up, n3 standby up",
        ]]
      ) {
        await writer.writes(50);
        const messages = await watched.console.query(`SWITCHOVER main TO ${to}`);
        const error = errorOf(messages);
        assert.equal(
          error,
          null,
          `${error?.["M"]}\n${
            watched.pgplex.log.split("\n").filter((l) => !/DEBUG/.test(l)).slice(-40).join("\n")
          }`,
        );
        await watched.becomes(state!);
      }
      await writer.writes(50);
      await writer.stop();
      const { code, stdout, stderr } = await load;
      console.log(`PostgreSQL ${major}: writes stood still for ${writer.pauseMs.toFixed()} ms at most`);
      assert.deepEqual([writer.failed, code], [[], 0], stderr);
      assert.match(stdout, /number of failed transactions: 0/);
      assert.ok(writer.pauseMs < 1000, `${writer.pauseMs} ms`);
    },
  });
}

Deno.test({
  name:
    "a switchover waits for sessions that keep their connection and always work there, and loses nothing of theirs",
  ...RESTARTS,
  fn: async () => {
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      standbys: 1,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
      setup: "CREATE TABLE w (n int)",
    });
    const databases = {
      session: { cluster: "main", database: "postgres", pool_mode: "session", default_pool_size: 20 },
    };
    await using watched = await Watched.start({
      ...configOf(replicas, `${dir.path}/state`),
      routing: { databases, default_cluster: "main" },
    });
    await watched.becomes("n1 primary up, n2 standby up");
    const clients = await Promise.all(Array.from({ length: 8 }, () => watched.client("session")));
    let [stops, acknowledged] = [false, 0];
    const failed: string[] = [];
    const workers = clients.map(async (client) => {
      while (!stops) {
        const error = errorOf(await client.query("INSERT INTO w SELECT 1 FROM pg_sleep(0.05)"));
        if (error === null) acknowledged++;
        else failed.push(error["C"]!);
      }
    });
    try {
      await waitFor(() => acknowledged > 20, { what: "each to work" });
      const error = errorOf(await watched.console.query("SWITCHOVER main WITHIN '5s'"));
      assert.equal(error, null, error?.["M"]);
      const before = acknowledged;
      await waitFor(() => acknowledged > before + 20, { what: "each to work again" });
    } finally {
      stops = true;
      await Promise.all(workers);
    }
    // Each lost its session once, and nothing else.
    assert.deepEqual(failed, clients.map(() => "08006"));
    assert.equal(await watched.sql("SELECT count(*) FROM w"), String(acknowledged));
    await Promise.all(clients.map((client) => client.close()));
  },
});

Deno.test({
  name: "a primary that a reload calls by another name is served on, and one that it leaves out is asked for",
  ...RESTARTS,
  fn: async () => {
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      standbys: 1,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
    });
    const config = configOf(replicas, `${dir.path}/state`);
    await using watched = await Watched.start(config);
    await watched.becomes("n1 primary up, n2 standby up");
    const reload = (nodes: Record<string, unknown>[]) =>
      watched.pgplex.reload({
        ...config,
        clusters: { main: { nodes, failover: "manual", rejoin: "sql" } },
      });
    const [first, second] = replicas.config;
    await reload([{ ...first, name: "renamed" }, second!]);
    await watched.becomes("renamed primary up, n2 standby up");
    assert.equal(await watched.port(), replicas.nodes[0]!.port);
    await reload([second!]);
    await waitFor(
      () => watched.logged("renamed, which is the primary, is not in the file any more").length > 0,
      {
        what: "an operator to be asked",
      },
    );
  },
});

Deno.test({
  name:
    "a switchover that a long transaction stands in the way of is given up at its time, and nothing has changed",
  ...RESTARTS,
  fn: async () => {
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      standbys: 1,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
    });
    const databases = { session: { cluster: "main", database: "postgres", pool_mode: "session" } };
    await using watched = await Watched.start({
      ...configOf(replicas, `${dir.path}/state`),
      routing: { databases, default_cluster: "main" },
    });
    await watched.becomes("n1 primary up, n2 standby up");
    await using client = await watched.client();
    await client.query("BEGIN; CREATE TABLE mine (n int)");
    // One that keeps its connection, and works on while the switchover waits: it was not to be cut in vain.
    await using keeper = await watched.client("session");
    await keeper.query("CREATE TEMP TABLE kept (n int)");
    let [stops, worked] = [false, 0];
    const works = (async () => {
      for (; !stops; worked++) assert.equal(errorOf(await keeper.query("INSERT INTO kept VALUES (1)")), null);
    })();
    const error = errorOf(await watched.console.query("SWITCHOVER main WITHIN '1500ms'"));
    stops = true;
    await works;
    assert.equal(error?.["C"], "55000", JSON.stringify(error));
    assert.equal(errorOf(await client.query("COMMIT")), null);
    assert.equal(rowsOf(await keeper.query("SELECT count(*) FROM kept"))[0]![0], String(worked));
    assert.equal(await watched.sql("SELECT count(*) FROM mine"), "0");
    await watched.becomes("n1 primary up, n2 standby up");
    await waitFor(async () => (await watched.cluster())["phase"] === "serving", { what: "to serve" });
  },
});
