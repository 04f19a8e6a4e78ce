import assert from "node:assert/strict";
import { frontend, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, execute, int16, int8, message, parse, sync } = frontend;

/** Two texts that look alike at first: pgplex must not take the one for the other. */
interface Alike {
  readonly what: string;
  /** Runs what changes nothing. */
  readonly clean: (client: WireClient) => Promise<unknown>;
  /** Runs what takes the role of a thief. */
  readonly takes: (client: WireClient) => Promise<unknown>;
  /** Comes before either, in a transaction of its own. */
  readonly before?: (client: WireClient) => Promise<unknown>;
  /** Comes once, in front of {@link takes}. */
  readonly prepares?: (client: WireClient) => Promise<unknown>;
}

const query = (sql: string) => (client: WireClient) => client.query(sql);

/** One batch, with a parameter of this type. */
const batch = (sql: string, type: string, value: string) => async (client: WireClient) => {
  const oid = Number(oids.get(type));
  await client.send(parse(sql, { types: [oid] }), bind({ values: [value] }), execute(), sync());
  await client.readUntil("Z");
};

/** A Parse of a text whose characters are bytes. */
const bytes = (sql: string, name = "") =>
  message(
    "P",
    Uint8Array.from(`${name}\0${sql}`, (character) => character.charCodeAt(0)),
    int8(0),
    int16(0),
  );

const oids = new Map<string, string>();

const TAKE_IN_DO = `'BEGIN PERFORM set_config(''role'', ''thief'', false); END'`;

const ALIKE: readonly Alike[] = [
  {
    what: "a call that stands behind a string of escapes in two parts",
    clean: query("SELECT E'a'\n'b'"),
    takes: query("SELECT E'a'\n'\\'', take(1) --'"),
  },
  {
    what: "a call behind such a string with a comment between its parts",
    clean: query("SELECT E'a' -- '\n  'b'"),
    takes: query("SELECT E'a' -- '\n  '\\'', take(1) --'"),
  },
  {
    what: "a DO right before its body, which looks like the prefix of a string",
    before: query("'x'"),
    clean: query("do'BEGIN END'"),
    takes: query(`do${TAKE_IN_DO}`),
  },
  {
    what: "such a DO behind another statement",
    before: query("SELECT 1; 'x'"),
    clean: query("SELECT 1; do'BEGIN END'"),
    takes: query(`SELECT 1; do${TAKE_IN_DO}`),
  },
  {
    what: "a function behind the point of a parameter",
    clean: batch("SELECT $1.a", "odd", "(1)"),
    takes: batch("SELECT $1.take_odd", "odd", "(1)"),
  },
  {
    what: "a function whose name is another one's in the encoding of the server",
    clean: async (client) => {
      await client.send(bytes("SELECT \xc3\xa9(1)"), bind(), execute(), sync());
      await client.readUntil("Z");
    },
    prepares: query("SET client_encoding = 'LATIN1'"),
    takes: async (client) => {
      await client.send(bytes("SELECT \xc3\xa9(1)"), bind(), execute(), sync());
      await client.readUntil("Z");
    },
  },
  {
    what: "a call in a prepared statement that was read in another encoding",
    clean: query("SELECT E'a', 'b'"),
    prepares: async (client) => {
      await one(client, "SET client_encoding = 'SJIS'");
      await client.send(bytes("SELECT E'\x95\x5c', take(1), ''", "s"), sync());
      await client.readUntil("Z");
    },
    takes: async (client) => {
      await client.send(bind({ statement: "s" }), execute(), sync());
      await client.readUntil("Z");
    },
  },
];

const TAKE = "BEGIN PERFORM set_config('role', 'thief', false); RETURN 1; END";

const served = new Served({
  major: 18,
  setup: `CREATE ROLE app LOGIN; CREATE ROLE thief; GRANT thief TO app;
    CREATE TYPE odd AS (a int); CREATE FUNCTION take(int) RETURNS int LANGUAGE plpgsql AS $$ ${TAKE} $$;
    CREATE FUNCTION take_odd(odd) RETURNS int LANGUAGE plpgsql AS $$ ${TAKE} $$;
    CREATE FUNCTION U&"\\00e9"(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION U&"\\00c3\\00a9"(int) RETURNS int LANGUAGE plpgsql AS $$ ${TAKE} $$;`,
  pools: { one: { default_pool_size: 1 }, checked: { default_pool_size: 1, database: "checked" } },
});

Deno.test.beforeAll(async () => {
  await served.node.sql("CREATE DATABASE checked");
  await served.node.sql(
    `CREATE FUNCTION take(int) RETURNS bool LANGUAGE plpgsql AS
      $$ BEGIN PERFORM set_config('role', 'thief', false); RETURN true; END $$;
    CREATE DOMAIN small AS int CHECK (take(VALUE))`,
    "checked",
  );
  for (const [type, database] of [["odd", "postgres"], ["small", "checked"]] as const) {
    const [row] = await served.node.sql(`SELECT '${type}'::regtype::oid::text AS oid`, database);
    oids.set(type, String(row!["oid"]));
  }
});

/** {@link Alike.takes} behind clean runs is seen by nobody else. Another client comes between, so that each is looked at. */
async function keeps(alias: string, { clean, takes, before, prepares }: Alike): Promise<void> {
  await using client = await served.client(alias, {}, "app");
  await using other = await served.client(alias, {}, "app");
  const seen = () => one(other, "SELECT current_user");
  for (let i = 0; i < 5; i++) {
    await before?.(client);
    await seen();
    await clean(client);
    assert.equal(await seen(), "app");
  }
  await prepares?.(client);
  await seen();
  await takes(client);
  assert.equal(await seen(), "app", "another session has it");
  assert.equal(await one(client, "SELECT current_user"), "thief", "the session itself keeps it");
}

for (const alike of ALIKE) {
  Deno.test(`What is done by ${alike.what} reaches no other session`, () => keeps("one", alike));
}

Deno.test("What is done by the check of a parameter's domain, where another text has a literal, reaches no other session", async () => {
  await keeps("checked", {
    what: "",
    clean: query("SELECT 1, 2"),
    takes: batch("SELECT 1, $1", "small", "1"),
  });
});
