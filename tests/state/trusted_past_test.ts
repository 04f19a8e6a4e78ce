import assert from "node:assert/strict";
import { shown } from "../harness/console_shown.ts";
import { rowsOf, waitFor, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** A trigger's function that takes a role with 1. */
const ON_ORDER = `CREATE FUNCTION on_order() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN IF NEW.a = 1 THEN SET ROLE thief; END IF; RETURN NEW; END $$;`;
const TRIGGER = "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION on_order();";
const ORDERS = "CREATE TABLE orders (a int); ALTER TABLE orders OWNER TO app;";

/** An event trigger that takes a role where a comment says so. */
const ON_GRANT = `CREATE TABLE granted (a int); ALTER TABLE granted OWNER TO app;
  CREATE FUNCTION on_grant() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF obj_description('granted'::regclass) = 'now' THEN PERFORM set_config('role', 'thief', false); END IF; END $$;
  CREATE EVENT TRIGGER on_grant ON ddl_command_start WHEN TAG IN ('GRANT') EXECUTE FUNCTION on_grant();`;

/** What no catalogue says, by names that do not say it. */
const STAINED = `CREATE EXTENSION dblink; ALTER FUNCTION dblink_connect(text, text) RENAME TO plug;
  CREATE FUNCTION sprout(float8) RETURNS void LANGUAGE internal STRICT AS 'setseed';
  CREATE TABLE numbers (a int, b text DEFAULT sprout(0.5)::text);
  CREATE TABLE links (a int, b text DEFAULT plug('link', 'host=127.0.0.1 user=postgres dbname=named port=' || current_setting('port')))`;

const DATABASES = {
  two_phase: ORDERS,
  blue: ORDERS,
  replaced: `${ORDERS} ${ON_ORDER} ALTER FUNCTION on_order OWNER TO app; ${TRIGGER}`,
  green: `${ORDERS} ${ON_ORDER} ${TRIGGER}`,
  granting: `${ON_GRANT} CREATE FUNCTION let() RETURNS void LANGUAGE plpgsql AS
    $$ BEGIN GRANT SELECT ON granted TO thief; END $$;`,
  granting_block: ON_GRANT,
  made: "",
  named: STAINED,
} as const;

const served = new Served({
  major: 18,
  settings: { max_prepared_transactions: "5" },
  setup: "CREATE ROLE app LOGIN; CREATE ROLE thief; GRANT thief TO app",
  pools: {
    ...Object.fromEntries(
      Object.keys(DATABASES).map((database) => [database, { database, default_pool_size: 1 }]),
    ),
    replaced: { database: "replaced", default_pool_size: 2 },
    beside: {},
  },
});

Deno.test.beforeAll(async () => {
  for (const [database, setup] of Object.entries(DATABASES)) {
    await served.node.sql(`CREATE DATABASE ${database}`);
    await served.node.sql(`GRANT ALL ON SCHEMA public TO app, thief; ${setup}`, database);
  }
});

/** What `run` does behind `change` and five clean runs is the session's own. Another one comes between, so that each is looked at. */
async function keeps(
  database: string,
  run: (client: WireClient, value: number) => Promise<unknown>,
  change: (client: WireClient, other: WireClient) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  await using client = await served.client(database, {}, "app");
  await using other = await served.client(database, {}, "app");
  const seen = () => one(other, "SELECT current_user");
  for (let i = 0; i < 5; i++) {
    await run(client, 0);
    assert.equal(await seen(), "app");
  }
  await change(client, other);
  await seen();
  await run(client, 1);
  assert.equal(await seen(), "app", "another session has it");
  assert.equal(await one(client, "SELECT current_user"), "thief", "the session itself keeps it");
}

const inserts = (client: WireClient, value: number) => one(client, `INSERT INTO orders VALUES (${value})`);

const READ = "SELECT count(*) FROM pg_class";

/** Whether {@link READ} is run without a look behind it, as where the catalogue is known. */
async function isTrusted(database: string, clients: readonly WireClient[]): Promise<boolean> {
  const probes = async () => {
    await using console = await served.client("pgplex");
    const rows = await shown(console, "SHOW PROBES");
    return Number(rows.find((row) => row["database"] === database && row["text"] === READ)?.["probes"] ?? 0);
  };
  const before = await probes();
  for (const client of clients) await one(client, READ);
  return before >= 3 && await probes() === before;
}

Deno.test("A trigger that COMMIT PREPARED brings is known to statements that were trusted before", async () => {
  await keeps("two_phase", inserts, async (client, other) => {
    for (const sql of ["BEGIN", ON_ORDER, TRIGGER, "PREPARE TRANSACTION 'p'"]) await one(client, sql);
    await waitFor(() => isTrusted("two_phase", [client, other]), { what: "the catalogue to be known again" });
    await one(client, "COMMIT PREPARED 'p'");
  });
});

Deno.test("What a trigger did that was replaced before the transaction ended reaches no other session", async () => {
  await using client = await served.client("replaced", {}, "app");
  await using other = await served.client("replaced", {}, "app");
  await using third = await served.client("replaced", {}, "app");
  for (let i = 0; i < 5; i++) {
    await one(other, "BEGIN"); // on one of two connections
    await inserts(client, 0);
    assert.equal(await one(third, "SELECT current_user"), "app");
    await one(other, "COMMIT");
  }
  await one(client, "BEGIN");
  await inserts(client, 1);
  await one(other, `CREATE OR REPLACE ${ON_ORDER.replace("CREATE", "").replace("SET ROLE thief", "NULL")}`);
  await waitFor(() => isTrusted("replaced", [other]), { what: "the catalogue to be known again" });
  await one(other, "BEGIN");
  await one(client, "COMMIT");
  assert.equal(await one(third, "SELECT current_user"), "app", "another session has it");
  assert.equal(await one(client, "SELECT current_user"), "thief", "the session itself keeps it");
});

Deno.test("A database that takes the name of another one is looked at before its statements are trusted", async () => {
  await keeps("blue", inserts, async () => {
    await using beside = await served.client("beside");
    await one(beside, "ALTER DATABASE blue RENAME TO blue_before");
    await one(beside, "ALTER DATABASE green RENAME TO blue");
  });
});

for (
  const [database, what, sql] of [
    ["granting", "a function", "SELECT let()"],
    ["granting_block", "a DO", "DO $$ BEGIN GRANT SELECT ON granted TO thief; END $$"],
  ] as const
) {
  Deno.test(`What an event trigger does behind a GRANT of ${what} reaches no other session`, async () => {
    await keeps(database, (client) => one(client, sql), async () => {
      await served.node.sql("COMMENT ON TABLE granted IS 'now'", database);
    });
  });
}

for (
  const sql of [
    "WITH x AS (SELECT 1) SELECT 1 AS a INTO made FROM x",
    "EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1 AS a",
  ]
) {
  Deno.test(`A table that is temporary by the search_path alone is not left to another session: ${sql}`, async () => {
    await using client = await served.client("made", {}, "app");
    await using other = await served.client("made", {}, "app");
    const make = async (schema: string) => {
      await one(client, "BEGIN");
      await one(client, `SET LOCAL search_path = '${schema}'`);
      await one(client, sql);
      await one(client, "COMMIT");
    };
    for (let i = 0; i < 5; i++) {
      await make("public");
      await one(other, "SELECT 1");
      await served.node.sql("DROP TABLE public.made", "made");
    }
    await make("pg_temp");
    const waits = other.query("SELECT to_regclass('pg_temp.made')"); // the session that made it keeps its connection
    await one(client, "DROP TABLE pg_temp.made");
    assert.equal(rowsOf(await waits)[0]![0], null);
  });
}

for (
  const [what, sql, look, expected] of [
    [
      "a function in C seeds that has another name",
      "INSERT INTO numbers VALUES (0)",
      "SELECT random()::text LIKE '0.98516%'",
      "f",
    ],
    [
      "dblink_connect connects to by another name",
      "INSERT INTO links VALUES (0)",
      "SELECT dblink_get_connections()::text",
      null,
    ],
  ] as const
) {
  Deno.test(`What ${what} is gone with the connection before another session has one`, async () => {
    await using client = await served.client("named");
    await using other = await served.client("named");
    await one(client, sql);
    assert.equal(await one(other, look), expected);
  });
}
