import assert from "node:assert/strict";
import { shown } from "../harness/console_shown.ts";
import { frontend, waitFor, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** A database, and a statement that reaches what changes session state though it does not call it by name. */
interface Caller {
  readonly what: string;
  readonly setup: string;
  /** Changes nothing with 0, and with 1 what {@link WHO} shows. */
  readonly statement: (value: number) => string;
  /** What {@link WHO} shows behind it; by default another role. */
  readonly after?: string;
}

/** A function that takes the role with 1. */
const TAKE = `CREATE FUNCTION take(v int) RETURNS int LANGUAGE plpgsql STABLE AS $$
    BEGIN IF v = 1 THEN PERFORM set_config('role', 'thief', false); END IF; RETURN v; END $$;`;

/** A trigger that takes the role with 1. */
const ON_ORDER = `CREATE FUNCTION on_order() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.a = 1 THEN SET ROLE thief; END IF; RETURN NEW; END $$;`;

const TRIGGER = "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION on_order();";

const CALLERS: Readonly<Record<string, Caller>> = {
  hidden_trigger: {
    what: "a trigger",
    setup: `CREATE TABLE orders (a int); ${ON_ORDER} ${TRIGGER}`,
    statement: (value) => `INSERT INTO orders VALUES (${value})`,
  },
  hidden_chain: {
    what: "a trigger by way of two functions, over a foreign key's cascade",
    setup: `CREATE FUNCTION take(v int) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN IF v = 1 THEN SET work_mem = '77MB'; END IF; END $$;
      CREATE TABLE parents (a int PRIMARY KEY); CREATE TABLE children (a int REFERENCES parents ON DELETE CASCADE);
      CREATE FUNCTION midway(v int) RETURNS void LANGUAGE sql AS 'SELECT take(v)';
      CREATE FUNCTION on_child() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.midway(OLD.a); RETURN OLD; END $$;
      CREATE TRIGGER t BEFORE DELETE ON children FOR EACH ROW EXECUTE FUNCTION on_child();
      INSERT INTO parents VALUES (1), (0); INSERT INTO children VALUES (1), (0);`,
    statement: (value) => `DELETE FROM parents WHERE a = ${value}`,
    after: "app 77MB",
  },
  hidden_view: {
    what: "a view",
    setup: `${TAKE} CREATE TABLE v (a int); INSERT INTO v VALUES (0), (1);
      CREATE VIEW shown AS SELECT a, take(a) AS b FROM v`,
    statement: (value) => `SELECT b FROM shown WHERE a = ${value}`,
  },
  hidden_builtin_view: {
    what: "a view that calls set_config itself",
    setup: `CREATE TABLE v (a int); INSERT INTO v VALUES (0), (1); CREATE VIEW shown AS
      SELECT a, CASE a WHEN 1 THEN set_config('role', 'thief', false) END AS b FROM v`,
    statement: (value) => `SELECT b FROM shown WHERE a = ${value}`,
  },
  hidden_default: {
    what: "a default",
    setup: `CREATE SEQUENCE s; CREATE FUNCTION take() RETURNS int LANGUAGE plpgsql AS $$
        BEGIN IF nextval('s') = 6 THEN SET ROLE thief; END IF; RETURN 1; END $$;
      CREATE TABLE orders (a int, b int DEFAULT take())`,
    statement: (value) => `INSERT INTO orders (a) VALUES (${value})`,
  },
  hidden_operator: {
    what: "an operator",
    setup: `${TAKE} CREATE OPERATOR !@# (FUNCTION = take, RIGHTARG = int)`,
    statement: (value) => `SELECT !@# ${value}`,
  },
  hidden_cast: {
    what: "a cast",
    setup:
      `CREATE TYPE kind AS ENUM ('no', 'yes'); CREATE FUNCTION as_kind(v int) RETURNS kind LANGUAGE plpgsql AS $$
        BEGIN IF v = 1 THEN SET ROLE thief; END IF; RETURN 'no'; END $$;
      CREATE CAST (int AS kind) WITH FUNCTION as_kind(int)`,
    statement: (value) => `SELECT ${value}::kind`,
  },
  hidden_domain: {
    what: "a domain's check",
    setup: `${TAKE} CREATE DOMAIN small AS int CHECK (take(VALUE) < 10)`,
    statement: (value) => `SELECT ${value}::small`,
  },
  hidden_policy: {
    what: "a policy",
    setup:
      `${TAKE} CREATE TABLE v (a int); INSERT INTO v VALUES (0), (1); ALTER TABLE v ENABLE ROW LEVEL SECURITY;
      CREATE POLICY p ON v USING (take(a) < 10); GRANT SELECT ON v TO app`,
    statement: (value) => `SELECT a FROM v WHERE a = ${value}`,
  },
  hidden_rule: {
    what: "a rule",
    setup: `${TAKE} CREATE TABLE v (a int); CREATE RULE r AS ON INSERT TO v DO ALSO SELECT take(new.a)`,
    statement: (value) => `INSERT INTO v VALUES (${value})`,
  },
  hidden_overload: {
    what: "a function with a common name",
    setup: `CREATE TYPE odd AS (a int); CREATE FUNCTION lower(v odd) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN IF v.a = 1 THEN SET ROLE thief; END IF; RETURN 'x'; END $$`,
    statement: (value) => `SELECT lower(ROW(${value})::odd)`,
  },
  hidden_setting: {
    what: "a function with the name of set_config",
    setup: `CREATE FUNCTION set_config(n text, v int, l bool) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN IF v = 1 THEN SET ROLE thief; END IF; RETURN n; END $$`,
    statement: (value) => `SELECT set_config('x', ${value}, true)`,
  },
  hidden_newer: {
    what: "a function with the name of one that servers once had",
    setup: `CREATE FUNCTION pg_is_in_backup(v int) RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN IF v = 1 THEN SET ROLE thief; END IF; RETURN false; END $$`,
    statement: (value) => `SELECT pg_is_in_backup(${value})`,
  },
  hidden_member: {
    what: "a function that is called like a column",
    setup: `${TAKE} CREATE TABLE v (a int); INSERT INTO v VALUES (0), (1)`,
    statement: (value) => `SELECT (v.a).take FROM v WHERE a = ${value}`,
  },
  hidden_atomic: {
    what: "a function with a body of SQL",
    setup: `CREATE FUNCTION take(v int) RETURNS text LANGUAGE sql
        BEGIN ATOMIC SELECT CASE v WHEN 1 THEN set_config('role', 'thief', false) END; END;
      CREATE OPERATOR !@# (FUNCTION = take, RIGHTARG = int)`,
    statement: (value) => `SELECT !@# ${value}`,
  },
  hidden_builtin_aggregate: {
    what: "an aggregate of set_config, in a view",
    setup: `CREATE AGGREGATE taken(text, bool) (SFUNC = set_config, STYPE = text, INITCOND = 'role');
      CREATE TABLE v (a int); INSERT INTO v VALUES (0), (1); CREATE VIEW shown AS
      SELECT a, taken('thief', false) FILTER (WHERE a = 1) AS b FROM v GROUP BY a`,
    statement: (value) => `SELECT b FROM shown WHERE a = ${value}`,
  },
  hidden_closed: {
    what: "a trigger in a database whose catalogue cannot be read",
    setup:
      `CREATE TABLE orders (a int); ${ON_ORDER} ${TRIGGER} REVOKE SELECT ON pg_catalog.pg_rewrite FROM PUBLIC`,
    statement: (value) => `INSERT INTO orders VALUES (${value})`,
  },
  hidden_written: {
    what: "a trigger of a table to which a function writes",
    setup:
      `CREATE TABLE orders (a int); ${ON_ORDER} ${TRIGGER} CREATE FUNCTION buy(v int) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO orders VALUES (v); END $$`,
    statement: (value) => `SELECT buy(${value})`,
  },
  hidden_written_deep: {
    what: "a trigger of a table to which a function of a function writes",
    setup:
      `CREATE TABLE orders (a int); ${ON_ORDER} ${TRIGGER} CREATE FUNCTION buy(v int) RETURNS void LANGUAGE sql AS
        $$ INSERT INTO orders VALUES (v) $$; CREATE FUNCTION shop(v int) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN PERFORM buy(v); END $$`,
    statement: (value) => `SELECT shop(${value})`,
  },
  hidden_settings: {
    what: "an UPDATE of pg_settings",
    setup: "",
    statement: (value) => `UPDATE pg_settings SET setting = '78848' WHERE name = 'work_mem' AND ${value} = 1`,
    after: "app 77MB",
  },
  hidden_settings_view: {
    what: "an UPDATE of a view of pg_settings",
    setup:
      "CREATE VIEW config AS SELECT * FROM pg_settings; CREATE VIEW shown AS SELECT name, setting FROM config",
    statement: (value) => `UPDATE shown SET setting = '78848' WHERE name = 'work_mem' AND ${value} = 1`,
    after: "app 77MB",
  },
  hidden_settings_rule: {
    what: "a rule that updates pg_settings",
    setup: `CREATE TABLE v (a int); CREATE RULE r AS ON INSERT TO v DO ALSO
      UPDATE pg_settings SET setting = '78848' WHERE name = 'work_mem' AND new.a = 1`,
    statement: (value) => `INSERT INTO v VALUES (${value})`,
    after: "app 77MB",
  },
  hidden_settings_function: {
    what: "a function that updates pg_settings",
    setup: `CREATE FUNCTION put(v int) RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN UPDATE pg_settings SET setting = '78848' WHERE name = 'work_mem' AND v = 1; END $$`,
    statement: (value) => `SELECT put(${value})`,
    after: "app 77MB",
  },
  hidden_settings_written: {
    what: "a function that updates a view of pg_settings",
    setup:
      `CREATE VIEW shown AS SELECT name, setting FROM pg_settings; CREATE FUNCTION put(v int) RETURNS void LANGUAGE sql AS
      $$ UPDATE shown SET setting = '78848' WHERE name = 'work_mem' AND v = 1 $$`,
    statement: (value) => `SELECT put(${value})`,
    after: "app 77MB",
  },
  hidden_settings_block: {
    what: "a DO that updates pg_settings",
    setup: "CREATE TABLE v (a int)",
    statement: () =>
      `DO $$ BEGIN INSERT INTO v VALUES (1);
      UPDATE pg_settings SET setting = '78848' WHERE name = 'work_mem' AND 6 = (SELECT count(*) FROM v); END $$`,
    after: "app 77MB",
  },
  hidden_aggregate: {
    what: "an aggregate that a view calls",
    setup: `${TAKE} CREATE FUNCTION step(s int, v int) RETURNS int LANGUAGE sql AS 'SELECT take(v)';
      CREATE AGGREGATE total(int) (SFUNC = step, STYPE = int); CREATE TABLE v (a int); INSERT INTO v VALUES (0), (1);
      CREATE VIEW shown AS SELECT a, total(a) AS b FROM v GROUP BY a`,
    statement: (value) => `SELECT b FROM shown WHERE a = ${value}`,
  },
};

/** Databases in which nothing hidden sets anything. */
const HARMLESS = {
  /** Views over functions, of which one reads files. */
  with_schema: `CREATE TABLE orders (a int); ${await Deno.readTextFile(
    new URL("../../src/schema/1.sql", import.meta.url),
  )}`,
  quiet:
    `CREATE TABLE orders (a int, at timestamptz DEFAULT now(), id bigserial, u uuid DEFAULT gen_random_uuid());
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN NEW.at := clock_timestamp(); SET LOCAL work_mem = '5MB'; PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
    CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE VIEW shown AS SELECT a, upper(u::text) AS u FROM orders;
    CREATE FUNCTION set_tenant(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant', t, false) $$`,
  extended:
    ["citext", "hstore", "pgcrypto", "earthdistance", "moddatetime", "lo", "unaccent", "dblink", "ltree"]
      .map((name) => `CREATE EXTENSION ${name} CASCADE;`).join(" ") +
    `CREATE TABLE files (a citext, h hstore, at timestamp, o lo, p text DEFAULT gen_salt('md5'));
    CREATE TYPE span AS RANGE (subtype = float8); CREATE VIEW spans AS SELECT span(1, 2) AS s, replace(a, 'x', 'y') FROM files;
    CREATE TRIGGER at BEFORE UPDATE ON files FOR EACH ROW EXECUTE FUNCTION moddatetime(at);
    CREATE TRIGGER o BEFORE UPDATE OR DELETE ON files FOR EACH ROW EXECUTE FUNCTION lo_manage(o)`,
  empty: "",
};

/** What a trigger and a default leave is in no catalogue. */
const STAINED =
  `CREATE EXTENSION dblink; ${ON_ORDER} CREATE TABLE orders (a int); CREATE TABLE numbers (a int, b text DEFAULT setseed(0.5)::text);
  CREATE FUNCTION on_linked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM dblink_connect('link', 'host=127.0.0.1 user=postgres dbname=stained port=' || current_setting('port')); RETURN NEW; END $$;
  CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION on_linked();
  CREATE FUNCTION buy() RETURNS void LANGUAGE sql AS 'INSERT INTO orders VALUES (0)'`;

const served = new Served({
  major: 18,
  setup: "CREATE ROLE app LOGIN; CREATE ROLE thief; GRANT thief TO app",
  pools: Object.fromEntries(
    [...Object.keys(CALLERS), ...Object.keys(HARMLESS), "later", "replaced", "past", "stained"].map((
      database,
    ) => [
      database,
      { database, default_pool_size: 1 },
    ]),
  ),
});

Deno.test.beforeAll(async () => {
  for (const [database, { setup }] of Object.entries(CALLERS)) await make(database, setup);
  for (const [database, setup] of Object.entries(HARMLESS)) await make(database, setup);
  await make("later", "CREATE TABLE orders (a int)");
  const quiet = ON_ORDER.replace("SET ROLE thief", "NULL");
  await make("replaced", `CREATE TABLE orders (a int); ${quiet} ${TRIGGER}`);
  await make("past", "CREATE TABLE orders (a int)");
  await make("stained", STAINED);
});

async function make(database: string, setup: string): Promise<void> {
  await served.node.sql(`CREATE DATABASE ${database}`);
  await served.node.sql(`GRANT ALL ON SCHEMA public TO app; ${setup}`, database);
  await served.node.sql(
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app",
    database,
  );
}

/** Who the session is, to be asked on the only connection of a pool. */
const WHO = "SELECT current_user || ' ' || current_setting('work_mem')";

/** What `run` does with 1, behind clean runs with 0, is the session's own. */
async function keeps(
  database: string,
  run: (client: WireClient, value: number) => Promise<unknown>,
  expected = "thief 4MB",
): Promise<void> {
  await using client = await served.client(database, {}, "app");
  await using other = await served.client(database, {}, "app");
  for (let i = 0; i < 5; i++) {
    await run(client, 0);
    assert.equal(await one(other, WHO), "app 4MB"); // each time a look comes between
  }
  await run(client, 1);
  assert.equal(await one(other, WHO), "app 4MB", "another session has it");
  assert.equal(await one(client, WHO), expected, "the session itself keeps it");
}

for (const [database, { what, statement, after }] of Object.entries(CALLERS)) {
  Deno.test(`What ${what} changes for one value alone, behind clean runs, reaches no other session`, async () => {
    await keeps(database, (client, value) => one(client, statement(value)), after);
  });
}

for (
  const [what, sql, look, expected] of [
    ["a trigger connects to", "INSERT INTO orders VALUES (0)", "SELECT dblink_get_connections()::text", null],
    ["a trigger of a function's connects to", "SELECT buy()", "SELECT dblink_get_connections()::text", null],
    ["a default seeds", "INSERT INTO numbers VALUES (0)", "SELECT random()::text LIKE '0.98516%'", "f"],
  ] as const
) {
  Deno.test(`What ${what} is gone with the connection before another session has one`, async () => {
    await using client = await served.client("stained");
    await using other = await served.client("stained");
    await one(client, sql);
    assert.equal(await one(other, look), expected);
    await one(client, "BEGIN");
    await one(client, sql);
    await one(client, "COMMIT");
    await client.close();
    assert.equal(await one(other, look), expected);
  });
}

/** Runs `sql` through pgplex, as the superuser. */
async function define(database: string, sql: string): Promise<void> {
  await using client = await served.client(database);
  await one(client, sql);
}

/** An INSERT that was prepared before anything of the kind was there; `meanwhile` runs behind the clean runs. */
async function keepsPrepared(database: string, meanwhile: () => Promise<void>): Promise<void> {
  const { bind, execute, parse, sync } = frontend;
  let prepared = false;
  await keeps(database, async (client, value) => {
    if (!prepared) await client.send(parse("INSERT INTO orders VALUES ($1)", { name: "s" }), sync());
    if (!prepared) await client.readUntil("Z");
    prepared = true;
    if (value === 1) await meanwhile();
    await client.send(bind({ statement: "s", values: [String(value)] }), execute(), sync());
    await client.readUntil("Z");
  });
}

Deno.test("A trigger that is made through pgplex is known to statements that were trusted before, prepared ones too", async () => {
  await keepsPrepared("later", () => define("later", `${ON_ORDER} ${TRIGGER}`));
});

Deno.test("A trigger whose function is replaced through pgplex is known at once", async () => {
  await keepsPrepared("replaced", async () => {
    await define("replaced", ON_ORDER.replace("CREATE", "CREATE OR REPLACE"));
  });
});

Deno.test("A trigger that is made past pgplex is known when pgplex next looks, as behind any DDL", async () => {
  await keepsPrepared("past", async () => {
    await served.node.sql(`${ON_ORDER} ${TRIGGER}`, "past");
    await define("past", "COMMENT ON TABLE orders IS 'x'; CREATE SCHEMA other");
  });
});

/** Runs `sql` again and again, and each time lets pgplex look at what it left, until it is known to be `state`. */
async function becomes(
  state: string,
  client: WireClient,
  sql: string,
  { database, text }: { database: string; text: string },
): Promise<void> {
  await waitFor(async () => {
    await one(client, sql);
    return (await known(database, text)).state === state;
  }, { what: `${database}: "${text}" to be ${state}` });
}

/** What SHOW PROBES says of the statement with this text. */
async function known(database: string, text: string): Promise<{ state: string; probes: number }> {
  await using console = await served.client("pgplex");
  const rows = await shown(console, "SHOW PROBES");
  const row = rows.find((row) => row["database"] === database && row["text"] === text);
  return { state: row!["state"]!, probes: Number(row!["probes"]) };
}

Deno.test("Statements stay trusted where nothing hidden changes session state, and are not probed for it", async () => {
  for (
    const [database, statement, text] of [
      ["quiet", "INSERT INTO orders (a) VALUES (1)", "INSERT INTO orders (a) VALUES (?)"],
      ["quiet", "SELECT s.a, s.u FROM shown s", "SELECT s.a, s.u FROM shown s"],
      ["extended", "UPDATE files SET a = 'x'", "UPDATE files SET a = ?"],
      ["with_schema", "INSERT INTO orders (a) VALUES (1)", "INSERT INTO orders (a) VALUES (?)"],
      ["with_schema", "SELECT a FROM orders", "SELECT a FROM orders"],
      ["empty", "SELECT 1", "SELECT ?"],
      [
        "empty",
        "SELECT set_config('work_mem', '9MB', true), pg_advisory_xact_lock(7), pg_size_pretty(pg_database_size('empty'))",
        "SELECT set_config(?, ?, true), pg_advisory_xact_lock(?), pg_size_pretty(pg_database_size(?))",
      ],
    ] as const
  ) {
    await using client = await served.client(database, {}, "app");
    await becomes("trusted", client, statement, { database, text });
    const before = await known(database, text);
    for (let i = 0; i < 20; i++) await one(client, statement);
    assert.deepEqual(await known(database, text), before);
  }
});

Deno.test("Statements that may reach a trigger which changes session state are shown as exposed, readers as trusted", async () => {
  await using client = await served.client("hidden_trigger", {}, "app");
  const database = "hidden_trigger";
  const [reads, writes] = ["SELECT a FROM orders WHERE a = 0 FOR UPDATE", "UPDATE orders SET a = 0"];
  await becomes("trusted", client, reads, { database, text: reads.replace("0", "?") });
  await becomes("exposed", client, writes, { database, text: writes.replace("0", "?") });
  assert.match(served.pgplex.log, /statements are probed each time .*on_order/);
});
