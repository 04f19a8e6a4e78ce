import assert from "node:assert/strict";
import { frontend, rowsOf, WireClient } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, close, describe, execute, parse, sync } = frontend;

/** Sessions that prepare the same text share one statement on a server connection: none gets what another's settings make of it. */
const served = new Served({
  major: 18,
  setup: "CREATE FUNCTION set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS " +
    "$$ BEGIN RETURN set_config(name, value, false); END $$",
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** A setting, what `a` and `b` set it to, and a text that shows which of both read it. */
interface Case {
  readonly setting: string;
  readonly a: string;
  readonly b: string;
  readonly sql: string;
}

const CASES: readonly Case[] = [
  {
    setting: "DateStyle",
    a: "ISO, DMY",
    b: "ISO, MDY",
    sql: "SELECT extract(month FROM '01/02/2024'::date)",
  },
  {
    setting: "TimeZone",
    a: "Asia/Tokyo",
    b: "UTC",
    sql: "SELECT extract(epoch FROM '2024-01-01 00:00'::timestamptz)",
  },
  { setting: "IntervalStyle", a: "sql_standard", b: "postgres", sql: "SELECT '-1 day 1 hour'::interval" },
  { setting: "client_encoding", a: "LATIN1", b: "UTF8", sql: "SELECT length('é')" },
  { setting: "standard_conforming_strings", a: "off", b: "on", sql: String.raw`SELECT length('\\')` },
  { setting: "array_nulls", a: "off", b: "on", sql: "SELECT ('{NULL}'::text[])[1] IS NULL" },
  {
    setting: "timezone_abbreviations",
    a: "Australia",
    b: "Default",
    sql: "SELECT extract(epoch FROM '2000-01-01 00:00 EST'::timestamptz)",
  },
  {
    setting: "transform_null_equals",
    a: "on",
    b: "off",
    sql: "SELECT count(*) FROM (VALUES (1), (NULL)) t (x) WHERE x = NULL",
  },
  { setting: "extra_float_digits", a: "-5", b: "1", sql: "SELECT (1::float8 / 3)::text" },
  { setting: "bytea_output", a: "escape", b: "hex", sql: "SELECT int4send(65)::text" },
  { setting: "quote_all_identifiers", a: "on", b: "off", sql: "SELECT quote_ident('a')" },
];

/** So many of them are reported: what the others were where a text was prepared is only known once somebody has looked. */
const REPORTED = 5;

async function say(client: WireClient, ...messages: Uint8Array[]): Promise<string> {
  await client.send(...messages, sync());
  const answers = await client.readUntil("Z");
  const error = answers.find(({ type }) => type === "E");
  if (error !== undefined) throw new Error(`${error.fields!["C"]}: ${error.fields!["M"]}`);
  return rowsOf(answers).map((row) => row.join()).join();
}

const run = (client: WireClient, name = "s") => say(client, bind({ statement: name }), execute());
const pidOf = async (client: WireClient) => rowsOf(await client.query("SELECT pg_backend_pid()"))[0]![0]!;

/** Two connections, of which only one can be had. */
class Narrow implements AsyncDisposable {
  readonly #holders: readonly [WireClient, WireClient];
  readonly #pids: readonly string[];

  private constructor(holders: [WireClient, WireClient], pids: string[]) {
    this.#holders = holders;
    this.#pids = pids;
  }

  static async start(): Promise<Narrow> {
    const holders: [WireClient, WireClient] = [await served.client("two"), await served.client("two")];
    for (const holder of holders) await holder.query("BEGIN");
    return new Narrow(holders, [await pidOf(holders[0]), await pidOf(holders[1])]);
  }

  /** From now on it is the connection with this index. */
  async to(index: number): Promise<void> {
    for (const holder of this.#holders) if (holder.status !== "I") await holder.query("COMMIT");
    const pids: string[] = [];
    for (const holder of this.#holders) {
      await holder.query("BEGIN");
      pids.push(await pidOf(holder));
    }
    await this.#holders[pids.indexOf(this.#pids[index]!)]!.query("COMMIT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const holder of this.#holders) await holder.close();
  }
}

/** What somebody with this setting gets on a connection of his own. */
async function direct(sql: string, setting: string, value: string): Promise<string> {
  await using client = await served.direct();
  await client.query(`SET ${setting} = '${value}'`);
  return await say(client, parse(sql, { name: "s" }), bind({ statement: "s" }), execute());
}

async function directBoth({ setting, a, b, sql }: Case): Promise<{ ofA: string; ofB: string }> {
  const [ofA, ofB] = [await direct(sql, setting, a), await direct(sql, setting, b)];
  assert.notEqual(ofA, ofB, "the setting makes a difference");
  return { ofA, ofB };
}

Deno.test("Nobody reaches another session's statement by the name that pgplex gives it", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  await say(b, parse("SELECT 'of b alone'", { name: "s" }));
  const texts = ["EXECUTE", "DEALLOCATE"];
  // It stands first in this file: the numbers are small.
  const names = Array.from({ length: 20 }, (_, i) => `"pgplex:${i + 1}"`);
  for (const name of names) {
    assert.equal(await run(b), "of b alone");
    for (const text of texts) {
      const [error] = (await a.query(`${text} ${name}`)).filter(({ type }) => type === "E");
      assert.equal(error?.fields?.["C"], "26000", `${text} ${name}`);
    }
    await assert.rejects(say(a, parse(`EXECUTE ${name}`), bind(), execute()), /26000/);
  }
  await a.query(`PREPARE ${names[0]} AS SELECT 'of a'`);
  assert.equal(rowsOf(await a.query(`EXECUTE ${names[0]}`))[0]![0], "of a");
  assert.equal(await run(b), "of b alone");
});

for (const each of CASES) {
  const { setting, a: valueA, b: valueB, sql } = each;

  Deno.test(`Sessions with another ${setting} do not share a statement on a connection`, async () => {
    const { ofA, ofB } = await directBoth(each);
    await using a = await served.client("one");
    await using b = await served.client("one");
    await a.query(`SET ${setting} = '${valueA}'`);
    await b.query(`SET ${setting} = '${valueB}'`);
    await say(b, parse(sql, { name: "s" }));
    assert.equal(await run(b), ofB);
    await say(a, parse(sql, { name: "s" }));
    assert.equal(await run(a), ofA);
    assert.equal(await run(b), ofB, "behind the other");
    assert.equal(await run(a), ofA);
  });

  Deno.test(`A session that changes ${setting} behind a Parse leaves nothing of it to those that did not`, async () => {
    const { ofB } = await directBoth(each);
    await using narrow = await Narrow.start();
    await using a = await served.client("two");
    await using b = await served.client("two");
    await narrow.to(0);
    for (const client of [a, b]) {
      await client.query(`SET ${setting} = '${valueB}'`);
      await say(client, parse(sql, { name: "s" }));
      assert.equal(await run(client), ofB);
    }
    await a.query(`SET ${setting} = '${valueA}'`);
    await narrow.to(1);
    await run(a); // is made there
    assert.equal(await run(b), ofB, "where it was made for the other");
    await narrow.to(0);
    await run(a);
    assert.equal(await run(b), ofB, "where both had it");
  });

  Deno.test(`A ${setting} of one transaction alone leaves nothing to others`, async () => {
    const { ofB } = await directBoth(each);
    for (const setIt of [`SET LOCAL ${setting} = '${valueA}'`, `SELECT set_it('${setting}', '${valueA}')`]) {
      await using a = await served.client("one");
      await using b = await served.client("one");
      for (const client of [a, b]) await client.query(`SET ${setting} = '${valueB}'`);
      await a.query(`BEGIN; ${setIt}`);
      await say(a, parse(sql, { name: "s" }), bind({ statement: "s" }), execute());
      await a.query("ROLLBACK");
      await say(b, parse(`${sql} `, { name: "s" }));
      await say(a, parse(`${sql} `, { name: "t" }));
      await a.query(`BEGIN; ${setIt}`);
      await run(a, "t");
      await a.query("ROLLBACK");
      assert.equal(await run(b), ofB);
      await using c = await served.client("one");
      await c.query(`SET ${setting} = '${valueB}'`);
      await say(c, parse(sql, { name: "s" }), describe("S", "s"), close("S", "s"), parse(sql, { name: "u" }));
      assert.equal(await run(c, "u"), ofB);
    }
  });

  Deno.test(`What is pipelined behind SET ${setting} leaves nothing to others`, async () => {
    const { ofA, ofB } = await directBoth(each);
    await using a = await served.client("one");
    await using b = await served.client("one");
    for (const client of [a, b]) await client.query(`SET ${setting} = '${valueB}'`);
    await say(b, parse(sql, { name: "s" }));
    const set = parse(`SET ${setting} = '${valueA}'`);
    const seen = await say(
      a,
      set,
      bind(),
      execute(),
      parse(sql, { name: "s" }),
      bind({ statement: "s" }),
      execute(),
    );
    assert.equal(seen, ofA);
    assert.equal(await run(b), ofB);
    assert.equal(await run(a), ofA);
  });
}

for (const { setting, a: valueA, b: valueB, sql } of CASES.slice(0, REPORTED)) {
  Deno.test(`A statement whose literals were read by one ${setting} keeps them under another, on any connection`, async () => {
    const first = await direct(sql, setting, valueB);
    await using narrow = await Narrow.start();
    await using a = await served.client("two");
    await narrow.to(0);
    await a.query(`SET ${setting} = '${valueB}'`);
    await say(a, parse(sql, { name: "s" }));
    await a.query(`SET ${setting} = '${valueA}'`);
    await narrow.to(1);
    await using own = await served.direct();
    await own.query(`SET ${setting} = '${valueB}'`);
    await say(own, parse(sql, { name: "s" }));
    await own.query(`SET ${setting} = '${valueA}'`);
    assert.equal(await run(a), await run(own));
    assert.equal(rowsOf(await a.query(`SHOW ${setting}`))[0]![0], valueA);
    await a.query("BEGIN");
    assert.equal(await run(a), await run(own));
    await a.query("COMMIT");
    assert.equal(rowsOf(await a.query(`SHOW ${setting}`))[0]![0], valueA);
    assert.notEqual(first, "");
  });
}
