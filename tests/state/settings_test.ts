import assert from "node:assert/strict";
import { frontend, rowsOf } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";
import { type StateScript, stateTests } from "../harness/state_play.ts";

const { bind, execute, extendedQuery, message, parse } = frontend;

/** PostgreSQL 15: search_path is not reported there, so a probe has to find it. */
const served = new Served({
  major: 15,
  setup: `
    CREATE ROLE app LOGIN; CREATE ROLE reader; CREATE ROLE intruder; GRANT reader, intruder TO app;
    CREATE SCHEMA one; CREATE SCHEMA "Odd ""Schema, really"; GRANT ALL ON SCHEMA one TO PUBLIC;
    CREATE TABLE one.here (v text); INSERT INTO one.here VALUES ('one');
    CREATE TABLE public.here (v text); INSERT INTO public.here VALUES ('public');
    CREATE TABLE "Odd ""Schema, really".here (v text);
    INSERT INTO "Odd ""Schema, really".here VALUES ('odd');
    GRANT SELECT ON ALL TABLES IN SCHEMA public, one TO PUBLIC;
    CREATE FUNCTION set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN set_config(name, value, false); END $$;
    CREATE FUNCTION tune() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN SET work_mem = '11MB'; SET myapp.within = 'by a function'; SET search_path = one, public; END $$;
    CREATE FUNCTION own_setting() RETURNS text LANGUAGE plpgsql SET work_mem = '12MB' AS
      $$ BEGIN RETURN current_setting('work_mem'); END $$;
    CREATE TABLE changes (v text);
    CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM set_config('myapp.last', NEW.v, false); SET lock_timeout = '44s'; RETURN NEW; END $$;
    CREATE TRIGGER t BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION on_change();
    CREATE TABLE documents (owner text, tenant text, v text);
    INSERT INTO documents VALUES ('app', 'a', 'of app, a'), ('reader', 'b', 'of reader, b'),
      ('intruder', 'intruder', 'secret');
    ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON documents USING (owner = current_user OR tenant = current_setting('myapp.tenant', true));
    GRANT SELECT ON documents TO app, reader;
  `,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** Who the session is, and what it has set, as far as a catalogue says. */
const LOOK =
  "SELECT current_user, session_user, current_setting('search_path'), current_setting('work_mem'), " +
  "nullif(current_setting('myapp.tenant', true), ''), nullif(current_setting('myapp.within', true), ''), " +
  "nullif(current_setting('myapp.last', true), ''), current_setting('lock_timeout'), current_setting('TimeZone'), " +
  "current_setting('statement_timeout'), current_setting('application_name'), current_setting('client_encoding')";

const SETTINGS: StateScript[] = [
  {
    name: "SET, SET SESSION and RESET hold over leases, and others' settings are not seen",
    steps: [
      LOOK,
      "SET work_mem = '5MB'",
      LOOK,
      "SET SESSION work_mem TO 6144",
      "SHOW work_mem",
      "RESET work_mem",
    ]
      .concat([
        LOOK,
        "SET TIME ZONE 'Europe/Berlin'",
        "SELECT timestamptz '2024-01-01 00:00Z'",
        "SET TIME ZONE LOCAL",
      ])
      .concat([LOOK, "SET myapp.tenant = 'a'", LOOK, "SET work_mem TO DEFAULT", "SET NAMES 'UTF8'", LOOK]),
  },
  {
    name: "RESET ALL takes back settings and not the role, DISCARD ALL both",
    steps: [
      "SET work_mem = '5MB'; SET myapp.tenant = 'a'; SET search_path = one",
      "SET ROLE reader",
      LOOK,
      "RESET ALL",
      LOOK,
      "SET TimeZone = 'UTC'",
      "SET work_mem = '6MB'",
      "DISCARD ALL",
      LOOK,
      "BEGIN",
      "DISCARD ALL",
      "ROLLBACK",
      LOOK,
    ],
  },
  {
    name: "set_config inside a function, a DO block and a trigger holds over leases",
    steps: [
      "SELECT set_it('work_mem', '21MB')",
      LOOK,
      "SELECT tune()",
      LOOK,
      "SELECT v FROM here",
      "DO $$ BEGIN PERFORM set_config('lock_timeout', '9s', false); SET TimeZone = 'America/Lima'; END $$",
      LOOK,
      "INSERT INTO changes VALUES ('first')",
      LOOK,
      "SET search_path = public",
      "INSERT INTO changes VALUES ('second')",
      LOOK,
      "SELECT own_setting()",
      LOOK,
      "SELECT set_it('myapp.tenant', 'computed ' || 1)",
      LOOK,
    ],
  },
  {
    name: "A function that set a setting to what it is three times is still seen when it sets another value",
    steps: [
      "SELECT set_config('work_mem', '21MB', false)",
      ...Array.from({ length: 5 }, () => "SELECT set_config('work_mem', '21MB', false)"),
      "SELECT set_config('work_mem', '22MB', false)",
      LOOK,
    ],
  },
  {
    name: "SET LOCAL ends with its transaction",
    steps: [
      "SET work_mem = '5MB'",
      "BEGIN",
      "SET LOCAL work_mem = '6MB'; SET LOCAL ROLE reader; SELECT set_config('myapp.tenant', 'local', true)",
      LOOK,
      "COMMIT",
      LOOK,
      "SET LOCAL work_mem = '7MB'",
      LOOK,
    ],
  },
  {
    name: "ROLLBACK and ROLLBACK TO SAVEPOINT take back what was set behind them",
    steps: [
      "SET work_mem = '5MB'; SET myapp.tenant = 'before'",
      "BEGIN; SET work_mem = '6MB'; SET search_path = one; SET ROLE reader; SET TimeZone = 'UTC'",
      LOOK,
      "ROLLBACK",
      LOOK,
      "BEGIN; SET work_mem = '6MB'; SAVEPOINT a; SET work_mem = '7MB'; SET myapp.tenant = 'inner'",
      "ROLLBACK TO SAVEPOINT a; SET search_path = one",
      "COMMIT",
      LOOK,
      "BEGIN; SET work_mem = '8MB'; SELECT 1/0",
      "COMMIT",
      LOOK,
    ],
  },
  {
    name: "A SET in a query of several statements is undone by the error behind it",
    steps: ["SET work_mem = '5MB'; SELECT 1/0", LOOK, "SET work_mem = '5MB'; COMMIT; SELECT 1/0", LOOK]
      .concat([
        "SET work_mem = '9MB'; SET nonsense = 1",
        LOOK,
      ]),
  },
  {
    name: "SET of a nonsense name or value fails at once, and changes nothing",
    steps: ["SET nonsense = 1", "SET work_mem = 'nonsense'", "SET TimeZone = 'No/Where'", "SET ROLE nobody"]
      .concat(["SELECT set_config('nonsense', '1', false)", "RESET nonsense", "SET my.app.1x = 2", LOOK]),
  },
  {
    name: "Startup parameters and options are what RESET goes back to",
    params: { options: "-c work_mem=9MB -c myapp.tenant=given -c search_path=one", TimeZone: "Europe/Paris" },
    steps: [
      LOOK,
      "SET work_mem = '5MB'; SET TimeZone = 'UTC'; SET search_path = public; SET myapp.tenant = 'x'",
    ]
      .concat([
        LOOK,
        "RESET work_mem",
        LOOK,
        "RESET ALL",
        LOOK,
        "SET search_path = public",
        "DISCARD ALL",
        LOOK,
      ])
      .concat(["SELECT v FROM here", "SET work_mem TO DEFAULT", LOOK]),
  },
  {
    name: "application_name is the client's own, and RESET goes back to what it logged in with",
    params: { application_name: "given" },
    steps: [LOOK, "SET application_name = 'other'", LOOK, "RESET application_name", LOOK].concat(
      [
        "SET application_name = 'third'",
        "RESET ALL",
        LOOK,
        "DISCARD ALL",
        LOOK,
      ],
    ),
  },
  {
    name:
      "RESET inside a transaction shows the application_name of the login at once, and ROLLBACK takes it back",
    params: { application_name: "given" },
    steps: [
      "SET application_name = 'other'",
      "BEGIN",
      "RESET application_name",
      "SHOW application_name",
      "ROLLBACK",
      "SHOW application_name",
      "BEGIN",
      "RESET ALL",
      [parse("SHOW application_name"), bind(), execute()],
      "SAVEPOINT s; SET application_name = 'inner'",
      "SET application_name TO DEFAULT",
      "SHOW application_name",
      "ROLLBACK TO s",
      "COMMIT",
      LOOK,
      "SET application_name = 'fourth'",
      extendedAll("BEGIN", "RESET application_name", "SHOW application_name", "COMMIT"),
      LOOK,
    ],
  },
  {
    name: "What is SET behind a RESET in one query, or in one transaction, holds",
    params: { application_name: "given" },
    steps: [
      "RESET ALL; SET application_name = 'behind'",
      LOOK,
      "BEGIN; RESET application_name; SET application_name = 'again'",
      "SHOW application_name",
      "COMMIT",
      LOOK,
      "SET application_name = ''",
      LOOK,
      "SET work_mem = '5MB'",
      LOOK,
      "BEGIN; RESET ALL; ROLLBACK",
      LOOK,
      "BEGIN; SET application_name = 'taken back'; ROLLBACK",
      LOOK,
      "RESET work_mem",
      LOOK,
    ],
  },
  {
    name: "SET SESSION CHARACTERISTICS holds for later transactions",
    before: "TRUNCATE changes",
    steps: [
      "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
      "SHOW transaction_isolation",
      "INSERT INTO changes VALUES ('refused')",
      "BEGIN READ WRITE; INSERT INTO changes VALUES ('taken'); COMMIT",
      "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE, DEFERRABLE",
      "SELECT current_setting('transaction_isolation'), current_setting('transaction_deferrable')",
      "RESET ALL",
      "SHOW transaction_isolation",
    ],
  },
  {
    name: "Custom settings hold: by SET, by set_config, with bound parameters",
    steps: [
      "SET myapp.tenant = 'it''s'; SET \"MyApp\".Within TO 42",
      LOOK,
      extendedQuery("SELECT set_config($1, $2, false)", ["myapp.last", "bound"]),
      LOOK,
      [parse("SELECT set_config($1, $2, $3::bool)", { name: "sc" })],
      [bind({ statement: "sc", values: ["myapp.computed.name", "deep", "false"] }), execute()],
      "SELECT current_setting('myapp.computed.name')",
      [bind({ statement: "sc", values: ["myapp.tenant", "", "false"] }), execute()],
      LOOK,
      "SET myapp.tenant = DEFAULT",
      LOOK,
    ],
  },
  {
    name: "search_path keeps lists, quotes and commas in names",
    steps: [
      'SET search_path = "Odd ""Schema, really", public, "$user"',
      "SHOW search_path",
      "SELECT v FROM here",
      "SET search_path = ''",
      "SHOW search_path",
      "SELECT v FROM here",
      "SELECT set_config('search_path', 'one, \"Odd \"\"Schema, really\"', false)",
      "SELECT v FROM here",
      "SELECT current_schemas(true)",
    ],
  },
  {
    name: "The same text under two search paths means two tables",
    steps: [
      [parse("SELECT v FROM here", { name: "s" }), bind({ statement: "s" }), execute()],
      "SET search_path = one",
      [bind({ statement: "s" }), execute()],
      [parse("SELECT v FROM here"), bind(), execute()],
      "SELECT v FROM here",
      "BEGIN; SET LOCAL search_path = public",
      [bind({ statement: "s" }), execute()],
      "COMMIT",
      [bind({ statement: "s" }), execute()],
      "RESET search_path",
      [bind({ statement: "s" }), execute()],
    ],
  },
  {
    name: "client_encoding LATIN1 and SJIS: bytes stay bytes",
    steps: [
      "SET client_encoding = 'LATIN1'",
      raw("SELECT 'stra\xdfe', length('\xdf')"),
      "SHOW client_encoding",
      "SET client_encoding = 'SJIS'",
      raw("SELECT '\x95\x5c', length('\x95\x5c\x83\x5c'), encode(convert_to('\x95\x5c', 'UTF8'), 'hex')"),
      raw("SET myapp.tenant = '\x95\x5c'"),
      raw("SELECT current_setting('myapp.tenant')"),
      "SELECT 1/0",
      "RESET client_encoding",
      LOOK,
    ],
  },
  {
    name: "standard_conforming_strings off: a backslash escapes, also in what is looked at",
    steps: [
      "SET escape_string_warning = off",
      "SET standard_conforming_strings = off",
      "SELECT 'it\\'s', '\\\\'",
      "SELECT '\\''; SET work_mem = '13MB'; SELECT 'not a comment: --\\''",
      LOOK,
      "SELECT 'a\\'; SET work_mem = 14; --'",
      LOOK,
      "RESET standard_conforming_strings",
      "SELECT '\\'",
    ],
  },
];

/** One batch of these statements. */
function extendedAll(...statements: string[]): Uint8Array[] {
  return statements.flatMap((sql) => [parse(sql), bind(), execute()]);
}

/** Text of which each character is one byte. */
function raw(sql: string): Uint8Array {
  return message("Q", Uint8Array.from(sql + "\0", (c) => c.charCodeAt(0)));
}

const ROLES: StateScript[] = [
  {
    name: "SET ROLE holds over leases, and no other session gets it",
    user: "app",
    steps: [
      LOOK,
      "SET ROLE reader",
      LOOK,
      "SET work_mem = '5MB'",
      LOOK,
      "SELECT set_config('role', 'app', false)",
    ]
      .concat([LOOK, "SET ROLE intruder", LOOK, "RESET ROLE", LOOK, "SET ROLE reader", "SET ROLE NONE", LOOK])
      .concat(["SET ROLE postgres", LOOK, "SELECT set_it('role', 'reader')", LOOK, "DISCARD ALL", LOOK]),
  },
  {
    name: "SET SESSION AUTHORIZATION holds over leases, with a role behind it",
    steps: [
      "SET work_mem = '5MB'",
      "SET SESSION AUTHORIZATION app",
      LOOK,
      "SHOW is_superuser",
      "SET ROLE reader",
      LOOK,
      "SET work_mem = '6MB'; SET search_path = one",
      LOOK,
      "RESET ROLE",
      LOOK,
      "SELECT count(*) FROM pg_authid",
      "RESET SESSION AUTHORIZATION",
      LOOK,
      "SHOW is_superuser",
    ],
  },
  {
    name: "Row level security by role and by custom setting shows each session its own rows",
    user: "app",
    steps: [
      "SELECT v FROM documents ORDER BY v",
      "SET ROLE reader",
      "SELECT v FROM documents ORDER BY v",
      "SET myapp.tenant = 'a'",
      "SELECT v FROM documents ORDER BY v",
      [parse("SELECT v FROM documents ORDER BY v", { name: "d" }), bind({ statement: "d" }), execute()],
      "RESET ROLE",
      [bind({ statement: "d" }), execute()],
      "SET myapp.tenant = 'b'",
      [bind({ statement: "d" }), execute()],
      "SET row_security = off",
      "SELECT v FROM documents ORDER BY v",
    ],
  },
  {
    name: "A setting that only a superuser may set is had by a session that became somebody else before",
    steps: [
      "SET session_replication_role = replica",
      "SET SESSION AUTHORIZATION app",
      LOOK,
      "SET work_mem = '5MB'",
      "SELECT current_user, current_setting('session_replication_role'), current_setting('work_mem')",
    ],
  },
  {
    name: "A setting that only a superuser may set stays with a session that became somebody else",
    steps: [
      "SET session_replication_role = replica; SET log_min_duration_statement = 12345; SET ROLE reader",
      "SELECT current_user, current_setting('session_replication_role'), current_setting('work_mem')",
      "SET work_mem = '5MB'",
      "SELECT current_user, current_setting('session_replication_role'), current_setting('work_mem')",
      "SET session_replication_role = origin",
      LOOK,
      "RESET ROLE",
      "SHOW log_min_duration_statement",
    ],
  },
];

stateTests(served, SETTINGS);

Deno.test("The same bytes, prepared in two encodings, are two statements", async () => {
  await using latin = await served.client("one");
  await using utf8 = await served.client("one");
  await one(latin, "SET client_encoding = 'LATIN1'");
  for (const client of [latin, utf8]) {
    await client.send(parse("SELECT length('\u00e9')", { name: "s" }), frontend.sync());
    await client.readUntil("Z");
  }
  for (const [client, length] of [[latin, "2"], [utf8, "1"], [latin, "2"]] as const) {
    await client.send(bind({ statement: "s" }), execute(), frontend.sync());
    assert.equal(rowsOf(await client.readUntil("Z"))[0]?.[0], length);
  }
});

Deno.test("A literal of a prepared statement is read by the settings of the session that prepared it", async () => {
  await using tokyo = await served.client("one");
  await using utc = await served.client("one");
  await one(tokyo, "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'ISO, DMY'");
  await one(utc, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'");
  const sql =
    "SELECT extract(epoch FROM timestamptz '1970-01-02 00:00')::int || to_char(date '01/02/2024', ' Month')";
  for (const client of [tokyo, utc]) {
    await client.send(parse(sql, { name: "s" }), frontend.sync());
    await client.readUntil("Z");
  }
  for (
    const [client, value] of [[tokyo, "54000 February"], [utc, "86400 January"], [
      tokyo,
      "54000 February",
    ]] as const
  ) {
    await client.send(bind({ statement: "s" }), execute(), frontend.sync());
    assert.equal(rowsOf(await client.readUntil("Z"))[0]?.[0]?.trim(), value);
  }
});

Deno.test("A custom setting whose name is only an argument holds, and is seen by nobody else", async () => {
  await using client = await served.client("one");
  await using other = await served.client("one");
  const names = ["only.literal", "only.bound", "only.executed", "only.by_do"];
  await one(client, `SELECT set_it('${names[0]}', 'mine')`);
  await client.send(extendedQuery("SELECT set_it($1, $2)", [names[1]!, "mine"]));
  await client.readUntil("Z");
  await one(client, "PREPARE by_name(text) AS SELECT set_config($1, 'mine', false)");
  await one(client, `EXECUTE by_name('${names[2]}')`);
  await one(client, `DO $$ BEGIN PERFORM set_it('${names[3]}', 'mine'); END $$`);
  await one(other, "SET work_mem = '9MB'");
  for (const name of names) {
    // The name is not a part of the text, from which it would be known.
    const [prefix, rest] = name.split(".");
    const read = `SELECT coalesce(current_setting('${prefix}' || '.' || '${rest}', true), '')`;
    assert.equal(await one(other, read), "", name);
    assert.equal(await one(client, read), "mine", name);
  }
});
stateTests(served, ROLES);

Deno.test("Two sessions that became the same role, with different settings that only a superuser may set, share a connection", async () => {
  await using replica = await served.client("one");
  await using origin = await served.client("one");
  await one(replica, "SET session_replication_role = replica; SET SESSION AUTHORIZATION app");
  await one(origin, "SET SESSION AUTHORIZATION app");
  for (const [client, value] of [[replica, "replica"], [origin, "origin"], [replica, "replica"]] as const) {
    assert.equal(
      await one(client, "SELECT current_user || ' ' || current_setting('session_replication_role')"),
      `app ${value}`,
    );
  }
});
