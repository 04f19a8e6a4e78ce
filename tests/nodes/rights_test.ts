import assert from "node:assert/strict";
import { makeCerts, startPostgres, waitFor } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { nodesOf, Watched, watchedConfig } from "../harness/watched.ts";

const SETUP = "CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher; CREATE ROLE bare LOGIN";

for (const major of [12, 14, 18] as const) {
  Deno.test(`PostgreSQL ${major}: pg_monitor is enough; without it no standby is known to be fresh`, async () => {
    await using replicas = await Replicas.start({ major, setup: SETUP });
    const config = (user: string) => ({
      ...watchedConfig(replicas.config),
      clusters: { main: { nodes: replicas.config, superuser: { user } } },
    });
    await using watched = await Watched.start(config("watcher"));
    await watched.becomes("n1 primary up, n2 standby up");
    await waitFor(async () => (await watched.nodes())[1]!["lag_bytes"] === "0", {
      what: "the standby to be fresh",
    });
    const [primary, standby] = await watched.nodes();
    assert.deepEqual([primary!["timeline"], standby!["timeline"]], ["1", "1"]);
    assert.ok(Number(standby!["lag_ms"]) < 5000, standby!["lag_ms"]!);
    assert.match(primary!["lsn"]!, /^[0-9A-F]+\/[0-9A-F]+$/);
    assert.ok(Number(primary!["slots_used"]) >= 1 && primary!["slots_max"] === "100");
    assert.equal(Math.floor(Number(primary!["version"]) / 10_000), major);
    await watched.pgplex.reload(config("bare"));
    await waitFor(async () => (await watched.nodes())[1]!["timeline"] === null, {
      what: "the other role's answers",
    });
    assert.equal(await watched.state(), "n1 primary up, n2 standby up");
    // What it has been seen to receive is known, until it has more.
    await watched.sql("CREATE TABLE more ()");
    await waitFor(async () => (await watched.nodes())[1]!["lag_ms"] === null, {
      what: "nothing to be known of the standby",
    });
  });
}

Deno.test("what a role or a database sets does not keep the monitor from asking, and it uses no slot of a pool", async () => {
  const settings = [
    "ALTER ROLE watcher SET default_transaction_isolation = 'serializable'", // a standby refuses every statement then
    "ALTER ROLE watcher SET statement_timeout = '1ms'",
    "ALTER ROLE watcher SET idle_session_timeout = '100ms'",
    "ALTER ROLE watcher SET search_path = 'nowhere'",
  ];
  await using replicas = await Replicas.start({ setup: `${SETUP}; ${settings.join("; ")}` });
  await using watched = await Watched.start({
    ...watchedConfig(replicas.config),
    clusters: { main: { nodes: replicas.config, superuser: { user: "watcher" } } },
    pool: { max_db_connections: 1, max_user_connections: 1, default_pool_size: 1 },
  });
  await watched.becomes("n1 primary up, n2 standby up");
  const monitors = () =>
    replicas.nodes[1]!.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'pgplex monitor'");
  const before = await monitors();
  assert.equal(before.length, 1);
  assert.equal(await watched.sql("SELECT 1"), "1");
  const since = (await watched.nodes())[0]!["lsn"];
  await watched.sql("CREATE TABLE t ()");
  await waitFor(async () => (await watched.nodes())[0]!["lsn"] !== since, { what: "more samples" });
  assert.deepEqual(await monitors(), before);
});

Deno.test("the monitor logs in by SCRAM over TLS, and a password that is changed on both sides is used at once", async () => {
  await using certs = await makeCerts();
  const { certFile, keyFile } = certs.server;
  await using node = await startPostgres({ major: 18, tls: { certFile, keyFile } });
  await node.sql("CREATE ROLE watcher LOGIN PASSWORD 'first'; GRANT pg_monitor TO watcher");
  const config = (password: string) => ({
    ...watchedConfig([]),
    clusters: {
      main: {
        nodes: nodesOf(node),
        superuser: { user: "watcher", password },
        tls: { mode: "verify-full", ca_file: certs.caFile },
      },
    },
  });
  await using watched = await Watched.start(config("first"));
  await watched.becomes("n1 primary up");
  const [row] = await node.sql(
    "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pgplex monitor'",
  );
  assert.equal(row!["ssl"], true);
  await node.sql("ALTER ROLE watcher PASSWORD 'second'");
  await watched.pgplex.reload(config("wrong"));
  await watched.becomes("n1 primary unknown");
  assert.match((await watched.nodes())[0]!["reason"]!, /password authentication failed.*\(28P01\)/);
  await watched.pgplex.reload(config("second"));
  await watched.becomes("n1 primary up");
  for (const secret of ["first", "wrong", "second"]) {
    assert.ok(!watched.pgplex.log.includes(`"${secret}"`), secret);
  }
});
