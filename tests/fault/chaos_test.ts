import assert from "node:assert/strict";
import { pgbench, startPgplex, startPostgres, WireClient } from "../harness/mod.ts";
import { type Chaos, ChaosClient } from "../harness/chaos_client.ts";
import { assertSound, OBSERVED_LOG, statsOf, statsSettle } from "../harness/observed.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";

const CLIENTS = 64;
const POOL_SIZE = 8;

const quietly = { sanitizeOps: true, sanitizeResources: true };

Deno.test({
  name: "64 clients over 8 server connections get their own replies while both sides are cut at random",
  ...quietly,
  async fn() {
    const seed = announceSeed();
    const seconds = Number(Deno.env.get("PGPLEX_CHAOS_SECONDS") ?? "10");
    await using node = await startPostgres({ major: 18, auth: "trust", settings: { max_connections: "60" } });
    await node.sql(`
      CREATE ROLE chaos LOGIN;
      CREATE ROLE steady LOGIN SUPERUSER;
      CREATE TABLE chaos (mine text);
      CREATE INDEX ON chaos (mine);
      GRANT ALL ON chaos TO chaos;
    `);
    const direct = { host: node.host, port: node.port, user: "postgres", database: "postgres" };
    assert.equal((await pgbench(["-i", "-q", "-I", "dtgp"], { connection: direct })).code, 0);
    await using pgplex = await startPgplex({
      config: {
        auth: { type: "trust" },
        clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
        routing: { default_cluster: "main" },
        pool: { pool_mode: "transaction", default_pool_size: POOL_SIZE },
        log: OBSERVED_LOG,
      },
    });
    await using killer = await WireClient.connect(node, { user: "postgres" });
    const killRandom = `SELECT pg_terminate_backend(pid) FROM
      (SELECT pid FROM pg_stat_activity WHERE usename = 'chaos' ORDER BY random() LIMIT 1) AS one`;

    const counts = { transactions: 0, cuts: 0, kills: 0, lost: 0, survived: 0, logins: 0 };
    const endMs = performance.now() + seconds * 1000;
    let [failed, killing] = [false, Promise.resolve()];
    const chaos: Chaos = {
      target: { host: pgplex.host, port: pgplex.port },
      login: { user: "chaos", database: "postgres" },
      counts,
      over: () => failed || performance.now() >= endMs,
      kill: () =>
        killing = killing.then(async () => {
          const messages = await killer.query(killRandom);
          if (messages.some((message) => message.values?.[0] === "t")) counts.kills++;
        }),
    };
    const clients = Array.from(
      { length: CLIENTS },
      (_, i) => new ChaosClient(chaos, new Seeded(seed, i), `client ${i}`),
    );
    // Beside it a user whose server connections nobody kills: its clients must notice nothing.
    const steady = pgbench(["-n", "-S", "-M", "prepared", "-c", "8", "-R", "400", "-T", String(seconds)], {
      connection: { ...direct, host: pgplex.host, port: pgplex.port, user: "steady" },
      deadlineMs: seconds * 1000 + 20_000,
    });
    const ends = await Promise.allSettled(
      clients.map((client) =>
        client.run().catch((thrown) => {
          failed = true;
          throw thrown;
        })
      ),
    );
    const bench = await steady;
    const tps = /tps = ([\d.]+)/.exec(bench.stdout)?.[1];
    const lost = statsOf(pgplex).reduce((sum, stats) => sum + stats.servers_lost, 0);
    console.log(
      `${seconds} s: ${JSON.stringify(counts)}, ${lost} leases lost, pgbench beside it ${tps} tps`,
    );

    const errors = ends.flatMap((end) => end.status === "rejected" ? [(end.reason as Error).message] : []);
    assert.deepEqual(errors, []);
    assert.equal(bench.code, 0, bench.stderr);
    assert.match(bench.stdout, /number of failed transactions: 0/);
    assert.ok(counts.kills > 0 && counts.cuts > 0, "nothing was killed or cut");
    assert.ok(counts.survived > 0, "nobody lost a server connection");
    // A login that needs a server connection, and a reply that is cut in the middle of a message, end with it.
    assert.ok(counts.lost <= counts.survived / 5, "clients were sent away");

    const ghosts = await node.sql("SELECT mine FROM chaos WHERE mine LIKE '%that must not be%'");
    assert.deepEqual(ghosts, [], "what was cut in the middle was committed");
    const settled = {
      clients: 0,
      connections: 0,
      waiting: 0,
      servers_active: 0,
      servers_login: 0,
      buffers_lent: 0,
    };
    const { servers_idle } = await statsSettle(pgplex, {
      ...settled,
      servers_idle: (n) => n <= 2 * POOL_SIZE,
    });
    const [{ count }] = await node.sql(
      "SELECT count(*)::int FROM pg_stat_activity WHERE usename IN ('chaos', 'steady')",
    ) as [{ count: number }];
    assert.equal(count, servers_idle);

    // With the last server connection, the last prepared statement goes.
    await node.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('chaos', 'steady')",
    );
    await statsSettle(pgplex, { ...settled, servers_idle: 0, statements: 0 });
    assertSound(pgplex);
  },
});
