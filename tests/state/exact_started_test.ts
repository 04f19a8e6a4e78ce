import assert from "node:assert/strict";
import { errorOf, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** What a session hears whose server connection is lost in a database of which pgplex knows nothing yet. */
const served = new Served({
  major: 18,
  setup: `CREATE DATABASE model`,
  pools: { unused: {} },
});

Deno.test.beforeAll(async () => {
  await served.node.sql(
    `CREATE TABLE t (v int, s serial); INSERT INTO t VALUES (1); CREATE VIEW w AS SELECT * FROM t;
     CREATE TABLE loud (v int)`,
    "model",
  );
});

const TRIES = 6;
let databases = 0;

/** Runs `statements` in a database that is new to pgplex, loses the server at once, and returns what is heard next. */
async function lost(
  statements: readonly string[],
  setup?: string,
): Promise<{ client: WireClient; heard: string | null }> {
  const database = `new${++databases}`;
  await served.node.sql(`CREATE DATABASE ${database} TEMPLATE model`);
  if (setup !== undefined) await served.node.sql(setup, database);
  const client = await served.client(database);
  for (const sql of statements) assert.equal(errorOf(await client.query(sql)), null, sql);
  await served.node.sql(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${database}'`,
  );
  return { client, heard: errorOf(await client.query("SELECT 1"))?.["C"] ?? null };
}

const HARMLESS: readonly (readonly string[])[] = [
  ["SELECT 1"],
  ["SELECT 1", "SHOW work_mem"],
  ["SELECT count(*) FROM t"],
  ["SELECT * FROM w"],
  ["INSERT INTO t VALUES (2)"],
  ["BEGIN", "UPDATE t SET v = 3", "DELETE FROM t", "COMMIT"],
  ["BEGIN", "SET LOCAL work_mem = '1MB'", "SELECT upper('a')", "COMMIT"],
];

for (const statements of HARMLESS) {
  Deno.test(`A session whose first statements are ${statements.join("; ")} hears nothing of the loss of its server`, async () => {
    for (let i = 0; i < TRIES; i++) {
      const { client, heard } = await lost(statements);
      await using _client = client;
      assert.equal(heard, null, `try ${i}`);
    }
  });
}

Deno.test("A session whose first INSERT sets something by a trigger is told that it is lost, or still has it", async () => {
  for (let i = 0; i < TRIES; i++) {
    const { client, heard } = await lost(
      ["INSERT INTO loud VALUES (7)"],
      `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM set_config('my.v', NEW.v::text, false); RETURN NEW; END $$;
       CREATE TRIGGER tell BEFORE INSERT ON loud FOR EACH ROW EXECUTE FUNCTION tell()`,
    );
    await using _client = client;
    const value = heard === null ? await one(client, "SELECT current_setting('my.v', true)") : heard;
    assert.ok(value === "57P01" || value === "7", `try ${i}: ${value}`);
  }
});
