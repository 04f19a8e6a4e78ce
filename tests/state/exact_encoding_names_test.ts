import assert from "node:assert/strict";
import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend, type WireClient } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";
import { stateLine } from "../harness/state_play.ts";

const { int16, int32, int8, message } = frontend;

/** Names that are not ASCII, of statements, channels, cursors and settings, under a client_encoding that changes. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP}
    CREATE ROLE "rolé"; CREATE ROLE "ro☃";
    CREATE FUNCTION set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN set_config(name, value, false); END $$;
  `,
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    one_latin: { default_pool_size: 1, database: "latin" },
    two_latin: { default_pool_size: 2, database: "latin" },
    one_ascii: { default_pool_size: 1, database: "ascii" },
    two_ascii: { default_pool_size: 2, database: "ascii" },
  },
});

Deno.test.beforeAll(async () => {
  for (const [name, encoding] of [["latin", "LATIN1"], ["ascii", "SQL_ASCII"]]) {
    await served.node.sql(`CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
    await served.node.sql("CREATE SCHEMA crowd", name);
  }
});

/** One character is one byte in all that follows. */
const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const cstring = (text: string) => bytes(`${text}\0`);
const query = (sql: string) => message("Q", bytes(sql), int8(0));
const parse = (name: string, sql: string) => message("P", cstring(name), cstring(sql), int16(0));
const bind = (name: string, portal = "") =>
  message("B", cstring(portal), cstring(name), int16(0), int16(0), int16(0));
const execute = (portal = "") => message("E", cstring(portal), int32(0));
const run = (name: string) => [bind(name), execute()];
const close = (name: string) => message("C", bytes("S"), cstring(name));
const describe = (kind: "S" | "P", name: string) => message("D", bytes(kind), cstring(name));
const encoding = (name: string) => `SET client_encoding = ${name}`;

const LATIN = encoding("LATIN1");
const UTF8 = encoding("UTF8");
const NAMES = "SELECT name, statement, from_sql FROM pg_prepared_statements ORDER BY 1";

const SCRIPTS: readonly Compared[] = [
  {
    name: "A statement that SQL prepared has its name in each encoding",
    steps: [
      `PREPARE "pé" AS SELECT 'é', length('é')`,
      LATIN,
      query(`EXECUTE "p\xe9"`),
      run("p\xe9"),
      query(`PREPARE "q\xe9" AS SELECT 'x\xe9'`),
      NAMES,
      UTF8,
      `EXECUTE "pé"`,
      `EXECUTE "qé"`,
      run("q\xc3\xa9"),
      NAMES,
      LATIN,
      query(`DEALLOCATE "p\xe9"`),
      UTF8,
      `EXECUTE "pé"`,
    ],
    errors: ["26000"],
  },
  {
    name: "A statement that came by Parse has its name in each encoding, for SQL too",
    steps: [
      [parse("p\xc3\xa9", "SELECT 'x\xc3\xa9', length('x\xc3\xa9')")],
      LATIN,
      run("p\xe9"),
      [describe("S", "p\xe9")],
      run("p\xc3\xa9"),
      query(`EXECUTE "p\xe9"`),
      NAMES,
      UTF8,
      run("p\xc3\xa9"),
      [close("p\xc3\xa9")],
      LATIN,
      run("p\xe9"),
    ],
    errors: ["26000", "26000"],
  },
  {
    name: "A name and the encoding behind it in one query are what they are one by one",
    steps: [
      `PREPARE "pé" AS SELECT 'ü'; ${LATIN}`,
      query(`EXECUTE "p\xe9"`),
      UTF8,
      `EXECUTE "pé"`,
      "BEGIN",
      `PREPARE "qé" AS SELECT 'ü'`,
      LATIN,
      "COMMIT",
      query(`EXECUTE "q\xe9"`),
      UTF8,
      `EXECUTE "qé"`,
    ],
  },
  {
    name: "Names are in the encoding of one transaction, and of what a savepoint goes back to",
    steps: [
      [parse("p\xc3\xa9", "SELECT 'x\xc3\xa9'")],
      `PREPARE "sé" AS SELECT 'é'`,
      "BEGIN",
      "SET LOCAL client_encoding = LATIN1",
      run("p\xe9"),
      query(`EXECUTE "s\xe9"`),
      [parse("q\xe9", "SELECT '\xe9'")],
      query(`PREPARE "t\xe9" AS SELECT '\xe9'`),
      "COMMIT",
      run("p\xc3\xa9"),
      run("q\xc3\xa9"),
      `EXECUTE "té"`,
      "BEGIN",
      LATIN,
      "SAVEPOINT a",
      UTF8,
      `EXECUTE "sé"`,
      "ROLLBACK TO a",
      query(`EXECUTE "t\xe9"`),
      run("q\xe9"),
      "ROLLBACK",
      run("q\xc3\xa9"),
    ],
  },
  {
    name: "A name that LATIN1 cannot write is there again behind LATIN1, or deallocated with all",
    steps: [
      `PREPARE "p☃" AS SELECT length('x☃')`,
      "PREPARE p AS SELECT length('x☃')",
      [parse("q", "SELECT length('x\xe2\x98\x83')")],
      LATIN,
      "SET work_mem = '5MB'",
      "EXECUTE p",
      run("q"),
      UTF8,
      `EXECUTE "p☃"`,
      LATIN,
      "DEALLOCATE ALL",
      UTF8,
      `EXECUTE "p☃"`,
      `PREPARE "p☃" AS SELECT 2`,
      `EXECUTE "p☃"`,
      [parse("q\xe2\x98\x83", "SELECT 1")],
      LATIN,
      NAMES,
      "SELECT count(*) FROM pg_prepared_statements",
    ],
    errors: ["26000", "22P05"],
  },
  {
    name: "Names are the same in KOI8R, which others can be converted to",
    steps: [
      `PREPARE "ж" AS SELECT 'ж'`,
      encoding("KOI8R"),
      query(`EXECUTE "\xd6"`),
      run("\xd6"),
      [parse("x\xd6", "SELECT '\xd6'")],
      UTF8,
      `EXECUTE "xж"`,
      run("x\xd0\xb6"),
      [close("x\xd0\xb6")],
      encoding("WIN1251"),
      query(`EXECUTE "x\xe6"`),
    ],
    errors: ["26000"],
  },
  {
    name: "Names are the same in SJIS, and are kept under an encoding that pgplex does not know",
    steps: [
      `PREPARE "あ" AS SELECT 'あ'`,
      encoding("SJIS"),
      query(`EXECUTE "\x82\xa0"`),
      run("\x82\xa0"),
      [parse("x\x82\xa0", "SELECT '\x82\xa0'")],
      UTF8,
      run("x\xe3\x81\x82"),
      encoding("JOHAB"),
      "SELECT 1",
      UTF8,
      `EXECUTE "あ"`,
      run("x\xe3\x81\x82"),
    ],
  },
  {
    name: "A client that logs in with LATIN1 has its names in it, and RESET goes back there",
    params: { client_encoding: "LATIN1" },
    steps: [
      query(`PREPARE "p\xe9" AS SELECT 'x\xe9'`),
      [parse("q\xe9", "SELECT 'x\xe9'")],
      query(`EXECUTE "p\xe9"`),
      run("q\xe9"),
      UTF8,
      `EXECUTE "pé"`,
      run("q\xc3\xa9"),
      "RESET client_encoding",
      query(`EXECUTE "p\xe9"`),
      run("q\xe9"),
    ],
  },
  {
    name: "A client that logs in with SQL_ASCII has its names as the server has them",
    params: { client_encoding: "SQL_ASCII" },
    steps: [
      `PREPARE "pé" AS SELECT 'é'`,
      "SET my.v = 'é'",
      `EXECUTE "pé"`,
      LATIN,
      query(`EXECUTE "p\xe9"`),
      "SHOW my.v",
      "RESET client_encoding",
      `EXECUTE "pé"`,
      "SHOW my.v",
    ],
  },
  {
    name: "Names of 63 bytes and more are cut as the server cuts them",
    steps: [
      `PREPARE "${"é".repeat(40)}" AS SELECT 1`,
      [parse("\xc3\xa9".repeat(40), "SELECT 2")],
      LATIN,
      query(`EXECUTE "${"\xe9".repeat(40)}"`),
      run("\xe9".repeat(40)),
      UTF8,
      `EXECUTE "${"é".repeat(40)}"`,
      run("\xc3\xa9".repeat(40)),
    ],
  },
  {
    name:
      "The unnamed statement keeps what its literals were, over a Sync and another encoding and DateStyle",
    steps: [
      [parse("", "SELECT 'x\xc3\xa9', length('x\xc3\xa9'), extract(month FROM '01/02/2024'::date)")],
      [parse("s", LATIN), ...run("s")],
      [parse("t", "SET DateStyle = 'ISO, DMY'"), ...run("t")],
      run(""),
    ],
  },
  {
    name: "A PREPARE keeps what its literals were under another DateStyle",
    steps: [
      "PREPARE d AS SELECT extract(month FROM '01/02/2024'::date)",
      "SELECT 1",
      "SET DateStyle = 'ISO, DMY'",
      "EXECUTE d",
      "BEGIN",
      "EXECUTE d",
      "COMMIT",
      "SHOW DateStyle",
      "RESET DateStyle",
      "EXECUTE d",
    ],
  },
  {
    name: "A custom setting has its name in each encoding",
    steps: [
      `SET my."vé" = 'x'`,
      `SHOW my."vé"`,
      LATIN,
      query(`SHOW my."v\xe9"`),
      query(`SET my."w\xe9" = '\xe9'`),
      UTF8,
      `SHOW my."vé"`,
      `SHOW my."wé"`,
      `SELECT set_config('my.xé', 'é', false)`,
      "SELECT current_setting('my.xé')",
      `RESET my."vé"`,
      `SHOW my."vé"`,
    ],
  },
  {
    name: "A role and a session's user are the same in each encoding, also where a function sets them",
    steps: [
      "SELECT set_it('role', 'rolé')",
      LATIN,
      "SELECT current_user",
      encoding("SJIS"),
      "SELECT octet_length(current_user::text)",
      "RESET ROLE",
      LATIN,
      query(`SET SESSION AUTHORIZATION "rol\xe9"`),
      "SELECT session_user",
      "SHOW work_mem",
      UTF8,
      "SELECT session_user",
    ],
  },
  {
    name: "A user that LATIN1 cannot write stays the session's, and nothing hangs",
    pins: true,
    steps: [
      `SET SESSION AUTHORIZATION "ro☃"`,
      LATIN,
      "SELECT octet_length(session_user::text)",
      "SELECT 1",
      UTF8,
      "SELECT session_user",
      "RESET SESSION AUTHORIZATION",
      "SELECT session_user",
    ],
  },
  {
    name: "A channel has its name in each encoding",
    alone: true,
    steps: [
      `LISTEN "cé"`,
      LATIN,
      query(`NOTIFY "c\xe9", 'x\xe9'`),
      "SELECT pg_listening_channels()",
      UTF8,
      `NOTIFY "cé", 'ü'`,
      LATIN,
      query(`UNLISTEN "c\xe9"`),
      UTF8,
      `NOTIFY "cé"`,
      "SELECT pg_listening_channels()",
    ],
  },
  {
    name: "A channel that LATIN1 cannot write is there again behind LATIN1",
    pins: true,
    steps: [
      `LISTEN "c☃"`,
      LATIN,
      "SELECT 1",
      "SELECT 2",
      UTF8,
      `NOTIFY "c☃", 'ü'`,
      "SELECT pg_listening_channels()",
      "UNLISTEN *",
      `NOTIFY "c☃"`,
    ],
  },
  {
    name: "A cursor WITH HOLD has its name in each encoding, and so has a portal",
    pins: true,
    steps: [
      `DECLARE "cé" CURSOR WITH HOLD FOR SELECT 'ü'`,
      LATIN,
      query(`FETCH "c\xe9"`),
      UTF8,
      `CLOSE "cé"`,
      "BEGIN",
      [parse("", "SELECT 5"), bind("", "p\xc3\xa9")],
      LATIN,
      [describe("P", "p\xe9")],
      [execute("p\xe9")],
      "COMMIT",
    ],
  },
  {
    name: "In a database of LATIN1 names are the same in UTF8",
    database: "latin",
    params: { client_encoding: "UTF8" },
    steps: [
      `PREPARE "pé" AS SELECT 'é', octet_length('é')`,
      [parse("q\xc3\xa9", "SELECT octet_length('x\xc3\xa9')")],
      `SET my."vé" = 'é'`,
      LATIN,
      query(`EXECUTE "p\xe9"`),
      query(`EXECUTE "q\xe9"`),
      run("q\xe9"),
      query(`SHOW my."v\xe9"`),
      query(`DEALLOCATE "p\xe9"`),
      UTF8,
      `EXECUTE "pé"`,
      run("q\xc3\xa9"),
      `SHOW my."vé"`,
    ],
    errors: ["26000"],
  },
  {
    name: "In a database of SQL_ASCII names are bytes, whatever the client_encoding is",
    database: "ascii",
    steps: [
      `PREPARE "pé" AS SELECT 'é'`,
      LATIN,
      `EXECUTE "pé"`,
      query(`EXECUTE "p\xe9"`),
      query(`PREPARE "q\xe9" AS SELECT '\xff'`),
      query("SET my.v = '\xff\xfe'"),
      [parse("r\xe9", "SELECT 'x\xff'")],
      UTF8,
      `EXECUTE "pé"`,
      LATIN,
      query(`EXECUTE "q\xe9"`),
      run("q\xe9"),
      run("r\xe9"),
      "SHOW my.v",
    ],
    errors: ["26000"],
  },
];

for (const database of [undefined, "latin", "ascii"]) {
  comparedTests(
    served,
    SCRIPTS.filter((script) => script.database === database),
    (pool) => database === undefined ? pool : `${pool}_${database}`,
  );
}

/** What a client hears that does not wait between a change of its client_encoding and what is written in it. */
async function pipelined(client: WireClient): Promise<string[]> {
  await client.query(`PREPARE "sé" AS SELECT 2`);
  await client.send(parse("p\xc3\xa9", "SELECT 3"), frontend.sync());
  await client.readUntil("Z");
  await client.query(LATIN);
  const lines: string[] = [];
  const hear = async (...messages: Uint8Array[]) => {
    await client.send(frontend.concat(messages));
    for (let readies = 0; readies < 2; readies++) lines.push(...(await client.readUntil("Z")).map(stateLine));
  };
  await hear(query("RESET ALL"), frontend.query(`EXECUTE "sé"`));
  await hear(query(LATIN), ...run("p\xe9"), frontend.sync());
  await hear(query(UTF8), frontend.query(`PREPARE "pé" AS SELECT 4`));
  return lines;
}

Deno.test("Names are in the encoding that holds when they come to the server, though the client does not wait for it", async () => {
  await using direct = await served.direct();
  const expected = await pipelined(direct);
  for (const pool of ["one", "two"]) {
    await using client = await served.client(pool);
    assert.deepEqual(await pipelined(client), expected, pool);
  }
});
