import assert from "node:assert/strict";
import { frontend, rowsOf, startPgplex, waitFor, WireClient } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { Replicas } from "../harness/replicas.ts";
import { Running, SURVIVOR_POOLS, SURVIVORS_SETUP } from "../harness/survivors.ts";
import { watchedConfig } from "../harness/watched.ts";

const { bind, execute, parse, sync } = frontend;

/** How another hand moves the primary from the first node to the second. */
const MOVES: Record<string, (replicas: Replicas) => Promise<void>> = {
  "the primary is killed": async (replicas) => {
    await replicas.nodes[0]!.kill("SIGKILL");
    await replicas.promote(1);
  },
  "the primary is stopped": async (replicas) => {
    await replicas.nodes[0]!.stop();
    await replicas.promote(1);
  },
  "the primary hangs": async (replicas) => {
    await replicas.nodes[0]!.kill("SIGSTOP");
    await replicas.promote(1);
  },
  "the primary is demoted: it restarts as a standby of the one that is promoted then": async (replicas) => {
    await replicas.nodes[0]!.stop();
    const { host, port } = replicas.nodes[1]!;
    await replicas.nodes[0]!.makeStandby(`host=${host} port=${port} user=postgres application_name=n1`);
    await replicas.nodes[0]!.start();
    await replicas.promote(1);
  },
  "the primary is well, and a standby is promoted beside it": (replicas) => replicas.promote(1),
};

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

const monitor = {
  interval: "200ms",
  query_timeout: "500ms",
  connect_timeout: "500ms",
  failure_timeout: "1500ms",
};

function configOf(replicas: Replicas): Record<string, unknown> {
  const databases = Object.fromEntries(
    Object.entries(SURVIVOR_POOLS).map(([alias, keys]) => [alias, {
      cluster: "main",
      database: "postgres",
      ...keys,
    }]),
  );
  return watchedConfig(replicas.config, {
    routing: { databases, default_cluster: "main" },
    console: { admin_users: ["postgres"] },
    monitor,
  });
}

for (const major of [14, 18] as const) {
  for (const [move, does] of Object.entries(MOVES)) {
    Deno.test({
      name: `PostgreSQL ${major}: each client stays when ${move}`,
      ...RESTARTS,
      fn: async (t) => {
        await using replicas = await Replicas.start({ major, setup: SURVIVORS_SETUP });
        await using pgplex = await startPgplex({ config: configOf(replicas) });
        await using running = await Running.begin(pgplex, move);
        await replicas.caughtUp(1, 0);
        await does(replicas);
        // Until it is seen, the old one is served as long as it answers: nobody fences it.
        await waitFor(() => pgplex.log.includes("the primary has moved"), {
          what: "the move to be seen",
          deadlineMs: 20_000,
        });
        await running.after(t);
        await using client = await WireClient.connect(pgplex, { user: "postgres", database: "transaction" });
        const [row] = rowsOf(await client.query("SELECT current_setting('port'), pg_is_in_recovery()"));
        assert.deepEqual(row, [String(replicas.nodes[1]!.port), "f"]);
        await replicas.nodes[0]!.kill("SIGCONT");
        assert.doesNotMatch(pgplex.log, /internal error/);
      },
    });
  }
}

Deno.test({
  name: "a hundred idle clients notice nothing of a failover, and write within a second of the promotion",
  ...RESTARTS,
  fn: async () => {
    await using replicas = await Replicas.start({ setup: `${SURVIVORS_SETUP} CREATE TABLE writes (n int)` });
    await replicas.nodes[0]!.sql("GRANT ALL ON writes TO public");
    await using pgplex = await startPgplex({ config: configOf(replicas) });
    const clients = await Promise.all(Array.from({ length: 100 }, async (_, n) => {
      const client = await WireClient.connect(pgplex, { user: "postgres", database: "transaction" });
      await client.query(`SET "my.number" = '${n}'; SET TimeZone = 'Etc/GMT+${n % 12}'; SET ROLE other_role`);
      await client.send(parse("INSERT INTO writes VALUES ($1)", { name: "write" }), sync());
      await client.readUntil("Z");
      return client;
    }));
    await using outsider = await WireClient.connect(pgplex, { user: "postgres", database: "transaction" });
    // What they set is read once they have been at rest for some milliseconds.
    await waitFor(async () => {
      await using console = await WireClient.connect(pgplex, { user: "postgres", database: "pgplex" });
      return (await shown(console, "SHOW POOLS")).every((row) =>
        Number(row["sv_active"]) + Number(row["sv_tested"]) === 0
      );
    }, { what: "all to be at rest" });
    await outsider.query("BEGIN; INSERT INTO writes VALUES (-1)");
    await replicas.caughtUp(1, 0);
    await replicas.nodes[0]!.kill("SIGKILL");
    await replicas.promote(1);
    const promotedMs = performance.now();
    await Promise.all(clients.map(async (client, n) => {
      await client.send(bind({ statement: "write", values: [String(n)] }), execute(), sync());
      const messages = await client.readUntil("Z");
      assert.ok(messages.some(({ tag }) => tag === "INSERT 0 1"), JSON.stringify(messages));
    }));
    const tookMs = performance.now() - promotedMs;
    console.log(`a hundred writes ${tookMs.toFixed()} ms behind the promotion`);
    assert.ok(tookMs < 1000, `${tookMs} ms`);
    for (const [n, client] of clients.entries()) {
      const sql = "SELECT current_setting('my.number'), current_setting('TimeZone'), current_user";
      assert.deepEqual(rowsOf(await client.query(sql)), [[String(n), `Etc/GMT+${n % 12}`, "other_role"]]);
      await client.close();
    }
    const failed = (await outsider.query("SELECT 1")).find(({ type }) => type === "E");
    assert.equal(failed?.fields?.["C"], "40001");
    await outsider.query("ROLLBACK");
    assert.deepEqual(rowsOf(await outsider.query("SELECT count(*) FROM writes WHERE n < 0")), [["0"]]);
    assert.doesNotMatch(pgplex.log, /internal error/);
  },
});
