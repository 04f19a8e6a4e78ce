import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import of an empty file is a good configuration, with PgBouncer's defaults where they differ", async () => {
  const { config } = await imported("[pgbouncer]\n[databases]\n");
  deepEqual(
    [
      config.pool.pool_mode,
      config.listen.address,
      config.listen.unix_socket_dir,
      config.listen.max_client_conn,
    ],
    ["session", [], "/tmp", 100],
  );
  deepEqual([config.auth.type, config.pool.server_login_retry], ["md5", 15_000]);
});

Deno.test("an import carries settings over with their units, and databases with their servers", async () => {
  const { config, left } = await imported(
    "[databases]\napp = host=db1 dbname=application pool_size=30 reserve_pool=2\n" +
      "[pgbouncer]\nlisten_addr = 127.0.0.1, ::1\nlisten_port = 7000\nquery_wait_timeout = 20.5\nadmin_users = a, b\n" +
      "pool_mode = transaction\nstats_period = 30\nverbose = 1\npeer_id = 7\n",
  );
  deepEqual([config.listen.address, config.listen.port], [["127.0.0.1", "::1"], 7000]);
  deepEqual([config.pool.query_wait_timeout, config.pool.pool_mode], [20_500, "transaction"]);
  deepEqual([config.console.admin_users, config.log.stats_period, config.log.level], [
    ["a", "b"],
    30_000,
    "debug",
  ]);
  deepEqual(config.routing.databases.get("app"), {
    cluster: "main",
    database: "application",
    default_pool_size: 30,
    reserve_pool_size: 2,
  });
  equal(config.clusters.get("main")!.nodes[0]!.host, "db1");
  deepEqual([config.instance.id, left], [7, 0]);
});

Deno.test("an import says of each key that is not carried over why, and shows no password in a comment", async () => {
  const { yaml, left } = await imported(
    "[pgbouncer]\nserver_reset_query = DISCARD ALL\nnonsense = 1\npidfile = /p\nlisten_port = 0\nauth_type = pam\n" +
      "[databases]\nx = host=h password=geheim timezone=UTC port=no\n",
  );
  for (const key of ["server_reset_query", "nonsense", "pidfile", "listen_port", "auth_type"]) {
    match(yaml, new RegExp(`# ${key} = `));
  }
  equal(left, 5);
  ok(!yaml.includes("geheim"), yaml);
});

Deno.test("an import has the settings of each user", async () => {
  const { config } = await imported(
    "[users]\nalice = pool_mode=session pool_size=3 query_timeout=4 max_user_connections=2 query_wait_timeout=-1\n",
  );
  deepEqual(config.users.get("alice"), {
    pool_mode: "session",
    default_pool_size: 3,
    query_timeout: 4_000,
    max_user_connections: 2,
  });
});
