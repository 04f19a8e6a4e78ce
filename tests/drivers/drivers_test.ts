import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import pg from "pg";
import postgres from "postgres";
import { pgOptions, postgresOptions, psql, tempDir } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const served = new Served({
  passwords: true,
  setup:
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 100) i",
  pools: {
    session: { pool_mode: "session", default_pool_size: 8 },
    transaction: { pool_mode: "transaction", default_pool_size: 2 },
  },
});

const MODES = ["session", "transaction"];

function pgPool(alias: string, max = 6) {
  return new pg.Pool({ ...pgOptions(served.connection(alias)), max });
}

function sqlOf(alias: string, options: Record<string, unknown> = {}) {
  return postgres({ ...postgresOptions(served.connection(alias)), ...options });
}

for (const mode of MODES) {
  Deno.test(`npm:pg's Pool runs many queries, named ones too, in ${mode} mode`, async () => {
    const pool = pgPool(mode);
    try {
      const results = await Promise.all(Array.from({ length: 300 }, (_, i) =>
        pool.query({
          ...(i % 2 === 0 && { name: `by_id_${i % 10}` }),
          text: `SELECT v, ${i % 10} AS kind FROM t WHERE id = $1`,
          values: [i % 100 + 1],
        })));
      for (const [i, { rows }] of results.entries()) {
        assert.deepEqual(rows, [{ v: `v${i % 100 + 1}`, kind: i % 10 }]);
      }
    } finally {
      await pool.end();
    }
  });

  Deno.test(`npm:pg gets values of all kinds, errors with their fields, and goes on, in ${mode} mode`, async () => {
    const client = new pg.Client(pgOptions(served.connection(mode)));
    await client.connect();
    try {
      const values = [
        42,
        "téxt",
        true,
        new Date(0),
        { a: [1, null] },
        ["x", "y"],
        Buffer.from([0, 255]),
        null,
      ];
      const { rows: [row] } = await client.query(
        "SELECT $1::int a, $2::text b, $3::bool c, $4::timestamptz d, $5::jsonb e, $6::text[] f, $7::bytea g, $8::int h",
        values,
      );
      assert.deepEqual(Object.values(row), values);
      await assert.rejects(client.query("INSERT INTO t VALUES (1)"), {
        code: "23505",
        constraint: "t_pkey",
        table: "t",
      });
      await assert.rejects(client.query("SELECT 1 / $1::int", [0]), { code: "22012" });
      await assert.rejects(client.query({ name: "bad", text: "SELEC" }), { code: "42601", position: "1" });
      const both = await client.query("SELECT 1 AS a; SELECT 2 AS b") as unknown as pg.QueryResult[];
      assert.deepEqual(both.map(({ rows }) => rows), [[{ a: 1 }], [{ b: 2 }]]);
      const limited = await client.query(
        { text: "SELECT generate_series(1, 10) i", rows: 3 } as pg.QueryConfig,
      );
      assert.equal(limited.rows.length, 10);
    } finally {
      await client.end();
    }
  });

  Deno.test(`npm:pg's transactions commit and roll back, and a cursor by SQL is read in pieces, in ${mode} mode`, async () => {
    const pool = pgPool(mode);
    try {
      const client = await pool.connect();
      await client.query("BEGIN");
      await client.query("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id");
      const seen: number[] = [];
      for (;;) {
        const { rows }: { rows: { id: number }[] } = await client.query("FETCH 30 FROM c");
        if (rows.length === 0) break;
        seen.push(...rows.map(({ id }) => id));
        await pool.query("SELECT 'between'");
      }
      assert.deepEqual(seen, Array.from({ length: 100 }, (_, i) => i + 1));
      await client.query("DELETE FROM t");
      await client.query("ROLLBACK");
      client.release();
      const { rows } = await pool.query("SELECT count(*)::int FROM t");
      assert.deepEqual(rows, [{ count: 100 }]);
    } finally {
      await pool.end();
    }
  });

  Deno.test(`npm:postgres pipelines hundreds of prepared queries on one connection, in ${mode} mode`, async () => {
    const sql = sqlOf(mode, { prepare: true, max_pipeline: 100 });
    const other = sqlOf(mode, { prepare: true, max: 3 });
    try {
      const ask = (db: ReturnType<typeof sqlOf>, i: number) =>
        db`SELECT ${i}::int AS i, v FROM t WHERE id = ${i % 100 + 1}`;
      const numbers = Array.from({ length: 400 }, (_, i) => i);
      const [mine, theirs] = await Promise.all([
        Promise.all(numbers.map((i) => ask(sql, i))),
        Promise.all(numbers.map((i) => ask(other, i))),
      ]);
      for (const results of [mine, theirs]) {
        assert.deepEqual(
          results.map(([row]) => ({ ...row })),
          numbers.map((i) => ({ i, v: `v${i % 100 + 1}` })),
        );
      }
      // Those that fail in the middle of a pipeline fail alone.
      const settled = await Promise.allSettled(
        numbers.slice(0, 50).map((i) => sql`SELECT 10 / ${i % 5}::int AS q`),
      );
      assert.deepEqual(
        settled.map(({ status }) => status === "fulfilled"),
        numbers.slice(0, 50).map((i) => i % 5 !== 0),
      );
    } finally {
      await sql.end();
      await other.end();
    }
  });

  Deno.test(`npm:postgres's transactions, savepoints and errors work in ${mode} mode`, async () => {
    const sql = sqlOf(mode, { max: 3 });
    try {
      await assert.rejects(
        sql.begin(async (tx) => {
          await tx`DELETE FROM t`;
          await tx.savepoint(async (inner) => {
            await inner`INSERT INTO t VALUES (1)`;
            await inner`INSERT INTO t VALUES (1)`;
          }).catch((error) => assert.equal(error.code, "23505"));
          assert.equal((await tx`SELECT 1 FROM t`).count, 0);
          throw new Error("roll back");
        }),
        /roll back/,
      );
      const many = await Promise.all(Array.from({ length: 20 }, (_, i) =>
        sql.begin(async (tx) => {
          await tx`SELECT set_config('my.own', ${String(i)}, true)`;
          return (await tx`SELECT current_setting('my.own') AS own, count(*)::int FROM t`)[0];
        })));
      assert.deepEqual(many.map((row) => ({ ...row })), many.map((_, i) => ({ own: String(i), count: 100 })));
      assert.deepEqual([...await sql.unsafe("SELECT 1 AS a; SELECT 2 AS a")].flat().map((row) => row.a), [
        1,
        2,
      ]);
    } finally {
      await sql.end();
    }
  });

  Deno.test(`npm:postgres reads a cursor and copies out and in, in ${mode} mode`, async () => {
    const sql = sqlOf(mode);
    try {
      const sizes: number[] = [];
      for await (const rows of sql`SELECT id FROM t ORDER BY id`.cursor(40)) sizes.push(rows.length);
      assert.deepEqual(sizes, [40, 40, 20]);
      const out = await text(await sql`COPY (SELECT * FROM t ORDER BY id) TO STDOUT`.readable());
      assert.equal(out.split("\n").length, 101);
      await sql`CREATE TABLE ${sql(`copied_${mode}`)} (id int, v text)`;
      const lines = Array.from({ length: 20_000 }, (_, i) => `${i}\tline ${i}\n`);
      await pipeline(Readable.from(lines), await sql`COPY ${sql(`copied_${mode}`)} FROM STDIN`.writable());
      const [row] = await sql`SELECT count(*)::int, sum(id)::int FROM ${sql(`copied_${mode}`)}`;
      assert.deepEqual({ ...row }, { count: 20_000, sum: 199_990_000 });
    } finally {
      await sql.end();
    }
  });

  Deno.test(`psql runs \\copy, \\gdesc, \\gset, \\gexec and errors on through its script, in ${mode} mode`, async () => {
    await using dir = await tempDir();
    const script = `
\\set ON_ERROR_STOP off
CREATE TABLE psql_${mode} (a int, b text);
\\copy psql_${mode} FROM '${dir.path}/in'
\\copy (SELECT a + 1, b FROM psql_${mode} ORDER BY a) TO '${dir.path}/out'
SELECT a, b FROM psql_${mode} \\gdesc
SELECT count(*) AS n FROM psql_${mode} \\gset
\\echo rows :n
SELECT format('INSERT INTO psql_${mode} VALUES (%s)', i) FROM generate_series(8, 9) i \\gexec
SELECT 1/0;
\\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT broken;
SELECT 'ignored';
ROLLBACK;
\\set FETCH_COUNT 10
SELECT count(*), sum(id) FROM (SELECT id FROM t) x;
SELECT id FROM t WHERE id > 95 ORDER BY id;
COPY psql_${mode} FROM STDIN;
5\tfive
\\.
TABLE psql_${mode} ORDER BY a;
`;
    await Deno.writeTextFile(`${dir.path}/in`, "1\tone\n2\ttwo\n");
    const { code, stdout, stderr } = await psql(["-Atq"], {
      connection: served.connection(mode),
      stdin: script,
    });
    assert.equal(code, 0);
    assert.equal(
      stdout,
      "a|integer\nb|text\nrows 2\n22012\n100|5050\n96\n97\n98\n99\n100\n1|one\n2|two\n5|five\n8|\n9|\n",
    );
    assert.match(
      stderr,
      /division by zero[^]*column "broken" does not exist[^]*current transaction is aborted/,
    );
    assert.equal(await Deno.readTextFile(`${dir.path}/out`), "2\tone\n3\ttwo\n");
  });

  Deno.test(`psql sees which server it talks to, and says so in \\conninfo, in ${mode} mode`, async () => {
    const { stdout } = await psql(["-Atc", "\\conninfo", "-c", "SHOW server_version", "-c", "\\encoding"], {
      connection: served.connection(mode),
    });
    assert.match(
      stdout,
      new RegExp(`connected to database "${mode}" as user "postgres"[^]*\n18\\.\\d+\nUTF8\n`),
    );
  });
}

Deno.test("npm:pg hears notifications in session mode", async () => {
  const listener = new pg.Client(pgOptions(served.connection("session")));
  await listener.connect();
  const { promise, resolve } = Promise.withResolvers<pg.Notification>();
  listener.on("notification", resolve);
  await listener.query("LISTEN news");
  const pool = pgPool("transaction");
  await pool.query("SELECT pg_notify('news', 'of the day')");
  const { channel, payload } = await promise;
  assert.deepEqual([channel, payload], ["news", "of the day"]);
  await pool.end();
  await listener.end();
});

Deno.test("npm:postgres hears notifications in session mode", async () => {
  const sql = sqlOf("session");
  const heard: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const { unlisten } = await sql.listen("sport", (payload) => heard.push(payload) === 3 && resolve());
  for (const payload of ["a", "b", "c"]) await sql.notify("sport", payload);
  await promise;
  assert.deepEqual(heard, ["a", "b", "c"]);
  await unlisten();
  await sql.end();
});
