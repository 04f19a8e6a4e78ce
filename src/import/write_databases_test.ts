import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import makes nodes of a list of hosts, and says what that means", async () => {
  const { config, yaml } = await imported("[databases]\na = host=h1,h2 auth_user=asks\n");
  const main = config.clusters.get("main")!;
  deepEqual(main.nodes.map(({ name, host }) => [name, host]), [["main-1", "h1"], ["main-2", "h2"]]);
  equal(main.superuser?.user, "asks");
  match(yaml, /PgBouncer opens connections to these hosts in turn/);
});

Deno.test("an import writes modes and lifetimes that PgBouncer understands otherwise", async () => {
  const { config } = await imported("[databases]\na = host=h pool_mode=statement server_lifetime=0\n");
  const { pool_mode, server_reset, server_lifetime } = config.routing.databases.get("a")!;
  deepEqual([pool_mode, server_reset, server_lifetime], ["statement", "always", undefined]);
});

Deno.test("an import has an alias * where PgBouncer has a line for all other names", async () => {
  const { config } = await imported(
    "[databases]\na = host=h\n* = host=other pool_size=4 user=one password=pw\n",
  );
  const wildcard = config.routing.databases.get("*")!;
  deepEqual([wildcard.cluster, wildcard.default_pool_size, wildcard.user, wildcard.password?.reveal()], [
    "other",
    4,
    "one",
    "pw",
  ]);
});

Deno.test("an import carries over how the users of one database are looked up", async () => {
  const { config } = await imported(
    "[databases]\na = host=h auth_query='SELECT u, p FROM f($1)' auth_dbname=x auth_user=asks connect_query='SET work_mem = ''1MB'''\nx = host=h auth_user=asks\n",
  );
  const { auth_query, lookup_database, connect_query } = config.routing.databases.get("a")!;
  deepEqual([auth_query, lookup_database, connect_query], [
    "SELECT u, p FROM f($1)",
    "x",
    "SET work_mem = '1MB'",
  ]);
});

Deno.test("an import has a query of one's own asked where PgBouncer asks it: in the database that the line leads to", async () => {
  const { config, yaml } = await imported(
    "[databases]\na = host=h dbname=x\nb = host=h\nc = host=h auth_dbname=y\n* = host=h\ny = host=h dbname=z\n" +
      "[pgbouncer]\nauth_user = asks\nauth_query = SELECT * FROM lookup($1)\n",
  );
  const { databases } = config.routing;
  deepEqual(["a", "b", "c", "*"].map((name) => databases.get(name)!.auth_database), [
    "x",
    "b",
    undefined,
    undefined,
  ]);
  equal(databases.get("c")!.lookup_database, "y");
  match(yaml, /PgBouncer asks auth_query in the client's own database/);
  equal(
    (await imported("[databases]\nb = host=h\n[pgbouncer]\nauth_user = asks\n")).config.routing.databases.get(
      "b",
    )!.auth_database,
    undefined,
  );
});

Deno.test("an import keeps a minimum within the limits of its line, as PgBouncer does", async () => {
  const { config, yaml } = await imported(
    "[databases]\na = host=h min_pool_size=5 pool_size=4 max_db_connections=2\n" +
      "b = host=h min_pool_size=5 pool_size=5 max_db_connections=0\n" +
      "[pgbouncer]\nmin_pool_size = 3\nmax_user_connections = 1\n",
  );
  const { databases } = config.routing;
  deepEqual([databases.get("a")!.min_pool_size, databases.get("b")!.min_pool_size], [2, 5]);
  equal(config.pool.min_pool_size, 1);
  match(yaml, /min_pool_size = 5: PgBouncer opens no more than pool_size, 4/);
});

Deno.test("an import looks users up where the line leads that auth_dbname names", async () => {
  const { config } = await imported(
    "[databases]\na = host=h\nb = host=other\nusers = host=h dbname=accounts\nc = host=h auth_dbname=nowhere\n" +
      "d = host=other auth_dbname=users\n[pgbouncer]\nauth_user = asks\nauth_dbname = users\n",
  );
  const { clusters, routing: { databases } } = config;
  const { superuser } = clusters.get("h")!;
  deepEqual([superuser!.database, clusters.get("other")!.superuser!.database], ["accounts", "postgres"]);
  equal(config.auth.lookup_database, "users");
  const own = ["a", "c", "d"].map((name) => databases.get(name)!.lookup_database);
  deepEqual(own, [undefined, "nowhere", "users"]);
});

Deno.test("an import has users looked up as the client's own line says, where that is another auth_user on the same servers", async () => {
  const { config } = await imported(
    "[databases]\na = host=h auth_user=asks auth_dbname=users\nb = host=h auth_dbname=users\nusers = host=h dbname=accounts\n",
  );
  const { databases } = config.routing;
  const [a, b] = [databases.get("a")!, databases.get("b")!];
  deepEqual([a.auth_database, a.lookup_database], ["accounts", undefined]);
  deepEqual([b.auth_database, b.lookup_database], [undefined, "users"]);
});

Deno.test("an import leaves it to the configuration to say that auth_dbname is the console", async () => {
  const { config, yaml } = await imported(
    "[databases]\n* = host=h\n[pgbouncer]\nauth_user = asks\nauth_dbname = pgbouncer\n",
  );
  deepEqual([config.auth.lookup_database, config.clusters.get("main")!.superuser!.database], [
    "pgbouncer",
    "postgres",
  ]);
  match(yaml, /lookup_database: pgbouncer/);
});

Deno.test("an import looks users up for a line that has an auth_user of its own", async () => {
  const { config } = await imported("[databases]\na = host=h auth_user=asks\nb = host=h\n");
  const { routing: { databases }, auth } = config;
  deepEqual([databases.get("a")!.auth_query, databases.get("b")!.auth_query, auth.query], [
    true,
    undefined,
    null,
  ]);
});
