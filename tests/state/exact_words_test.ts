import assert from "node:assert/strict";
import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, close, execute, parse } = frontend;

/** Names that look like words of SQL, that are longer than SQL takes, or that end where white space seems to begin. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP} CREATE FUNCTION sets(v text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN SET local.by_function = 'secret'; RETURN v; END $$;
    CREATE FUNCTION sets_inside(v text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.inside', v, false) $$;
    CREATE FUNCTION gets_inside() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('app.inside', true) $$;
    CREATE FUNCTION takes(v text) RETURNS bigint LANGUAGE sql AS 'SELECT length(v)::bigint';`,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

const show = (...names: string[]) =>
  `SELECT ${names.map((name) => `nullif(current_setting('${name}', true), '')`).join(", ")}`;
/** Somebody else comes, so that what was done is looked at. */
const COMES = { b: "SELECT 1" };

const CUT = "n".repeat(63);
const LONG = `app.${"n".repeat(70)}`;

/** The OID of set_config. */
const SET_CONFIG = 2078;

/** So often that a statement is trusted that changes nothing each time. */
const CLEAN = 4;

/** Of one text, with one parameter. */
const SAME = ["first", "second", "third"].map((name) => parse("SELECT $1::text", { name }));
const tooMany = (statement: string) => [bind({ statement, values: ["1", "2"] }), execute()];

const scripts: Compared[] = [
  {
    name: "An error about a prepared statement names it as the client did, whatever other names its text has",
    steps: [
      [...SAME, parse("SELECT 1", { name: "other" })],
      ...["first", "second", "third", "other"].map(tooMany),
      [bind({ statement: "first", values: ["1"] }), execute(), ...tooMany("second"), ...tooMany("third")],
      [...tooMany("third"), ...tooMany("second")],
      [close("S", "second"), ...tooMany("third")],
      [...tooMany("first"), close("S", "first")],
      [bind({ statement: "third", values: ["1"] }), execute(), close("S", "third"), ...tooMany("first")],
      [bind({ statement: "nosuch" })],
      [bind({ values: ["1", "2"] })],
      [...SAME.slice(1), ...tooMany("second")],
      [close("S", "first"), close("S", "second"), ...tooMany("third")],
    ],
    errors: [...Array(9).fill("08P01"), "26000", "26000", "08P01", "08P01"],
  },
  ...["local.foo", "transaction.foo", "constraints.foo", "session.foo", "names.foo"].map((
    name,
  ): Compared => ({
    name: `SET ${name} sets a custom setting, also where it often changed nothing`,
    alone: true,
    steps: [
      ...Array.from({ length: CLEAN }, () => [`SET ${name} = ''`, COMES, COMES]).flat(),
      ...[`SET ${name} = 'secret'`, COMES, { b: show(name) }, show(name)],
      ...Array.from({ length: CLEAN }, () => [[parse(`SET ${name} = ''`), bind(), execute()], COMES]).flat(),
      ...[[parse(`SET ${name} = '2'`), bind(), execute()], COMES, { b: show(name) }, show(name)],
    ],
  })),
  {
    name: "A function that says SET local.x sets it for the session",
    alone: true,
    steps: [
      ...["SELECT sets('1')", { b: show("local.by_function") }, show("local.by_function")],
      ...[{ b: "SELECT sets('2')" }, "RESET local.by_function", { b: show("local.by_function") }],
      show("local.by_function"),
    ],
  },
  {
    name: "SET LOCAL local.x ends with its transaction",
    steps: [
      "BEGIN; SET local.x = 'kept'; SET LOCAL local.x = 'gone'; COMMIT",
      ...[show("local.x"), { b: show("local.x") }, show("local.x")],
    ],
  },
  {
    name: "A custom setting whose name is longer than SQL takes is kept by set_config",
    steps: [
      `SELECT set_config('${LONG}', 'of a', false)`,
      { b: `SELECT set_config('${LONG}', 'of b', false)` },
      ...[show(LONG, `app.${CUT}`), { b: show(LONG, `app.${CUT}`) }],
      [parse("SELECT set_config($1, $2, false)"), bind({ values: [LONG, "bound"] }), execute()],
      ...[show(LONG, `app.${CUT}`), { b: show(LONG, `app.${CUT}`) }],
      `SELECT set_config('${LONG}', '', false)`,
      ...[show(LONG, `app.${CUT}`), { b: show(LONG, `app.${CUT}`) }],
      `SELECT set_config('${LONG}', NULL, false)`,
      ...[show(LONG, `app.${CUT}`), { b: show(LONG, `app.${CUT}`) }],
    ],
  },
  {
    name: "A custom setting whose name SET cuts is found by the name that is left",
    steps: [
      ...[`SET ${LONG} = 'of a'`, { b: `SET ${LONG} = 'of b'` }],
      ...[show(LONG, `app.${CUT}`), { b: show(LONG, `app.${CUT}`) }],
      ...[`SELECT 1; SET ${LONG} = 'of a'`, { b: `SET app.${CUT} = 'of b'` }, `SET ${LONG} = '2'`],
      ...[show(`app.${CUT}`), { b: show(`app.${CUT}`) }, `RESET ${LONG}`],
      ...[show(`app.${CUT}`), { b: show(`app.${CUT}`) }],
    ],
  },
  {
    name: "A no-break space is a letter of a setting's name, and no white space behind it",
    alone: true,
    steps: [
      ...["SET client_encoding = 'LATIN1'", { b: "SET client_encoding = 'LATIN1'" }],
      ...["SET app.x = 'of a'", { b: "SET app.x = 'secret'" }, inLatin1("SET app.x\xa0= 'mine'")],
      ...[COMES, show("app.x"), { b: show("app.x") }, inLatin1(show("app.x\xa0")), { b: "SET app.x = '2'" }],
      ...[inLatin1("SET app.x\xa0= 'mine'"), show("app.x"), COMES, show("app.x"), { b: show("app.x") }],
    ],
  },
  ...["transaction", "prepare", "execute", "deallocate"].map((name): Compared => ({
    name: `A prepared statement may have the name ${name}`,
    steps: [
      ...[`PREPARE ${name} AS SELECT 'of a'`, { b: `EXECUTE ${name}` }, `EXECUTE ${name}`],
      ...[{ b: `PREPARE ${name} (int) AS SELECT $1` }, { b: `EXECUTE ${name} (1)` }, `EXECUTE ${name}`],
      ...[`DEALLOCATE ${name}`, `EXECUTE ${name}`, { b: `EXECUTE ${name} (2)` }],
      ...[{ b: `DEALLOCATE PREPARE ${name}` }, { b: `EXECUTE ${name} (3)` }],
      ...["BEGIN", `PREPARE ${name} AS SELECT 'again'`, `EXECUTE ${name}`, "ROLLBACK", `EXECUTE ${name}`],
    ],
    errors: ["26000", "26000", "26000"],
  })),
];

comparedTests(served, scripts);

Deno.test("What a FunctionCall sets is found by the name among its arguments, without a text that says it", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  await a.send(frontend.functionCall(SET_CONFIG, ["app.by_call", "of a", "f"]));
  await a.readUntil("Z");
  assert.equal(await one(b, "SELECT 1"), "1");
  assert.equal(await one(a, "SELECT current_setting('app' || '.' || 'by_call', true)"), "of a");
  assert.equal(await one(b, "SELECT nullif(current_setting('app' || '.' || 'by_call', true), '')"), null);
});

Deno.test("What a function sets is kept, however many words of others' parameters look like names of settings", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  const words = Array.from({ length: 3000 }, (_, i) => `host${i}.example`).join(" ");
  await b.send(parse("SELECT takes($1)"), bind({ values: [words] }), execute(), frontend.sync());
  await b.readUntil("Z");
  await b.query(
    `SELECT takes('${words}'), current_setting('app.x', true), '${words.replaceAll(" ", "', '")}'`,
  );
  await one(a, "SELECT sets_inside('of a')");
  await one(b, "SELECT sets_inside('of b')");
  assert.equal(await one(a, "SELECT gets_inside()"), "of a");
  assert.equal(await one(b, "SELECT gets_inside()"), "of b");
});

Deno.test("No text and no parameter holds up everybody else", async () => {
  await using a = await served.client("one");
  await using b = await served.client("two");
  await one(b, "SELECT 1");
  const spaces = " ".repeat(60_000);
  const messages = [
    [frontend.query(`SET a.b = 'x'${spaces}x`)],
    [frontend.query(`SET a.b = 'x';${spaces};${spaces}`)],
    [parse("SELECT takes($1)"), bind({ values: ["a".repeat(60_000)] }), execute(), frontend.sync()],
    [parse("SELECT takes($1)"), bind({ values: ["a".repeat(200_000)] }), execute(), frontend.sync()],
  ];
  for (const [index, sent] of messages.entries()) {
    await a.send(...sent);
    const startMs = performance.now();
    await one(b, "SELECT 1");
    assert.ok(performance.now() - startMs < 500, `message ${index}`);
    await a.readUntil("Z");
  }
});

/** A Query whose characters are bytes. */
function inLatin1(sql: string): Uint8Array {
  return frontend.message("Q", Uint8Array.from(`${sql}\0`, (character) => character.charCodeAt(0)));
}
