import assert from "node:assert/strict";
import { errorOf, frontend, rowsOf, waitFor, WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** Idle server connections in a database are in nobody's way who drops, renames, moves or copies it. */
const served = new Served({
  major: 18,
  settings: { allow_in_place_tablespaces: "on", max_connections: "100" },
  pools: {
    admin: { default_pool_size: 2 },
    admin_session: { default_pool_size: 2, pool_mode: "session" },
    one: { default_pool_size: 1, database: "x1" },
    two: { default_pool_size: 2, database: "x2" },
    minimum: { default_pool_size: 3, min_pool_size: 2, database: "x3" },
  },
});

const SIZES = { one: 1, minimum: 3 } as const;
const DATABASES = { one: "x1", minimum: "x3" } as const;
type Pool = keyof typeof SIZES;

/** A server waits five seconds for others to leave, and only then says that there are some. */
const SOON_MS = 3000;

interface Statement {
  readonly name: string;
  readonly sql: (database: string) => string;
  readonly admin?: string;
}

const STATEMENTS: readonly Statement[] = [
  { name: "DROP DATABASE", sql: (x) => `DROP DATABASE ${x}` },
  { name: "DROP DATABASE IF EXISTS", sql: (x) => `DROP  DATABASE IF EXISTS "${x}" ; ` },
  {
    name: "DROP DATABASE by a client in session pooling",
    sql: (x) => `DROP DATABASE ${x}`,
    admin: "admin_session",
  },
  { name: "DROP DATABASE WITH (FORCE)", sql: (x) => `DROP DATABASE ${x} WITH (FORCE)` },
  { name: "DROP DATABASE behind 20,000 bytes", sql: (x) => `/* ${"p".repeat(20_000)} */ DROP DATABASE ${x}` },
  { name: "ALTER DATABASE RENAME TO", sql: (x) => `ALTER DATABASE ${x} RENAME TO ${x}_renamed` },
  { name: "ALTER DATABASE SET TABLESPACE", sql: (x) => `ALTER DATABASE ${x} SET TABLESPACE place` },
  { name: "CREATE DATABASE TEMPLATE", sql: (x) => `CREATE DATABASE ${x}_copy TEMPLATE ${x}` },
  {
    name: "CREATE DATABASE WITH TEMPLATE =",
    sql: (x) => `create database "${x}_copy" with template = '${x}'`,
  },
];

/** The database as each test finds it. */
async function fresh(database: string): Promise<void> {
  await served.node.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'x%'");
  for (const name of [`${database}_copy`, `${database}_renamed`, database]) {
    await served.node.sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
  await served.node.sql("DROP TABLESPACE IF EXISTS place");
  await served.node.sql("CREATE TABLESPACE place LOCATION ''");
  await served.node.sql(`CREATE DATABASE ${database}`);
  await served.node.sql("CREATE TABLE here (v int); INSERT INTO here VALUES (1)", database);
}

/** So many clients work there at once, and leave. */
async function work(count: number, connect: () => Promise<WireClient>): Promise<void> {
  const clients: WireClient[] = [];
  try {
    for (let i = 0; i < count; i++) clients.push(await connect());
    for (const client of clients) await one(client, "BEGIN");
    for (const client of clients) assert.equal(await one(client, "SELECT v FROM here"), "1");
    for (const client of clients) await one(client, "COMMIT");
  } finally {
    for (const client of clients) await client.close();
  }
}

/** {@link work} in a database that pgplex may still take for one that is not there. */
const workOnceItIsThere = (count: number, connect: () => Promise<WireClient>) =>
  waitFor(() => work(count, connect).then(() => true), { what: "clients of the database that was made" });

async function says(admin: WireClient, sql: string): Promise<void> {
  const began = performance.now();
  await admin.send(frontend.query(sql));
  const error = errorOf(await admin.readUntil("Z"));
  assert.equal(error, null, `${error?.["C"]}: ${error?.["M"]} ${error?.["D"]}`);
  const tookMs = performance.now() - began;
  assert.ok(tookMs < SOON_MS, `it took ${tookMs.toFixed(0)} ms`);
}

const direct = (database = "postgres") => WireClient.connect(served.node, { user: "postgres", database });

for (const { name, sql, admin: alias = "admin" } of STATEMENTS) {
  Deno.test(`${name} succeeds where clients have worked and left, directly`, async () => {
    await fresh("x1");
    await work(2, () => direct("x1"));
    await using admin = await direct();
    await says(admin, sql("x1"));
  });

  for (const pool of ["one", "minimum"] as Pool[]) {
    Deno.test(`${name} succeeds where clients have worked and left, in a pool of ${pool}`, async () => {
      const database = DATABASES[pool];
      await fresh(database);
      await workOnceItIsThere(SIZES[pool], () => served.client(pool));
      await using admin = await served.client(alias);
      await says(admin, sql(database));
      if (!/DROP|RENAME/.test(name)) await work(SIZES[pool], () => served.client(pool));
      await fresh(database);
      await workOnceItIsThere(1, () => served.client(pool));
    });
  }
}

Deno.test("DROP DATABASE succeeds where a client listened and left", async () => {
  await fresh("x2");
  await workOnceItIsThere(1, () => served.client("two"));
  await using client = await served.client("two");
  await one(client, "LISTEN c");
  await one(client, "SELECT 1");
  await client.close();
  await using admin = await served.client("admin");
  await says(admin, "DROP DATABASE x2");
});

Deno.test("Clients that come while their database is copied wait, and are served then", async () => {
  await fresh("x2");
  await served.node.sql(
    "CREATE TABLE large AS SELECT repeat('x', 1000) FROM generate_series(1, 50000)",
    "x2",
  );
  await workOnceItIsThere(2, () => served.client("two"));
  await using admin = await served.client("admin");
  const copied = says(admin, "CREATE DATABASE x2_copy TEMPLATE x2 STRATEGY file_copy");
  const others = Array.from({ length: 6 }, () => work(1, () => served.client("two")));
  await Promise.all([copied, ...others]);
  assert.deepEqual(await served.node.sql("SELECT count(*)::int AS n FROM large", "x2_copy"), [{ n: 50000 }]);
});

Deno.test("A client whose statement runs in a database is in the way of DROP DATABASE, as on the server itself", async () => {
  await fresh("x1");
  await fresh("x2");
  await workOnceItIsThere(1, () => served.client("one"));
  const refusal = async (
    database: string,
    connect: () => Promise<WireClient>,
    admins: () => Promise<WireClient>,
  ) => {
    await using client = await connect();
    await one(client, "BEGIN");
    await one(client, "SELECT v FROM here");
    await using admin = await admins();
    const messages = await admin.query(`DROP DATABASE ${database}`);
    assert.deepEqual(rowsOf(await client.query("SELECT v FROM here")), [["1"]]);
    return errorOf(messages)?.["C"];
  };
  const refusals = await Promise.all([ // each waits for five seconds
    refusal("x2", () => direct("x2"), direct),
    refusal("x1", () => served.client("one"), () => served.client("admin")),
  ]);
  assert.deepEqual(refusals, ["55006", "55006"]);
});
