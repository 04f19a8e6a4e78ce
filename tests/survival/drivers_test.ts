import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import { pgOptions, postgresOptions } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const CONNECTIONS = 6;

const served = new Served({
  passwords: true,
  setup: "CREATE TABLE rows (id int PRIMARY KEY)",
  pools: {
    transaction: { pool_mode: "transaction", default_pool_size: CONNECTIONS, server_login_retry: "50ms" },
  },
});

/** A server that is started anew is another process than the one before the test. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** SQLSTATEs of which an application tries again, and of those where it has to look first. */
const LOST = ["40001", "40003", "08007", "57P01", "08006"];

/** Five times the server ends under work that goes on; `work` is one piece of it, and says the SQLSTATE with which it failed. */
async function endures(work: (n: number) => Promise<string | null>): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  let [n, stops] = [0, false];
  const workers = Array.from({ length: CONNECTIONS }, async () => {
    while (!stops) {
      const outcome = await work(++n) ?? "done";
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
  });
  try {
    for (const mode of ["fast", "immediate", "fast", "immediate", "fast"] as const) {
      const done = outcomes["done"] ?? 0;
      while ((outcomes["done"] ?? 0) < done + 50) await new Promise((resolve) => setTimeout(resolve, 5));
      await served.node.stop(mode);
      await served.node.start();
    }
  } finally {
    stops = true;
    await Promise.all(workers);
  }
  const { done, ...failed } = outcomes;
  assert.ok(done! > 250, JSON.stringify(outcomes));
  assert.deepEqual(Object.keys(failed).filter((code) => !LOST.includes(code)), [], JSON.stringify(outcomes));
  return outcomes;
}

Deno.test({
  name: "node-postgres throws no connection away whose server is lost",
  ...RESTARTS,
  fn: async () => {
    const pool = new pg.Pool({ ...pgOptions(served.connection("transaction")), max: CONNECTIONS });
    const seen = { connected: 0, removed: 0, errors: [] as string[] };
    pool.on("connect", () => void seen.connected++);
    pool.on("remove", () => void seen.removed++);
    pool.on("error", (error: Error) => void seen.errors.push(error.message));
    const outcomes = await endures(async (n) => {
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        await client.query({ name: "insert", text: "INSERT INTO rows VALUES ($1)", values: [n] });
        await client.query("COMMIT");
        return null;
      } catch (thrown) {
        await client.query("ROLLBACK");
        return (thrown as { code?: string }).code ?? String(thrown);
      } finally {
        client.release();
      }
    });
    console.log(JSON.stringify(outcomes));
    assert.deepEqual(seen, { connected: CONNECTIONS, removed: 0, errors: [] });
    await pool.end();
  },
});

Deno.test({
  name: "postgres.js throws no connection away whose server is lost",
  ...RESTARTS,
  fn: async () => {
    let closed = 0;
    const sql = postgres({
      ...postgresOptions(served.connection("transaction")),
      max: CONNECTIONS,
      onclose: () => void closed++,
    });
    const outcomes = await endures(async (n) => {
      try {
        await sql.begin(async (sql) => void await sql`INSERT INTO rows VALUES (${-n})`);
        return null;
      } catch (thrown) {
        return (thrown as { code?: string }).code ?? String(thrown);
      }
    });
    console.log(JSON.stringify(outcomes));
    assert.equal(closed, 0);
    await sql.end();
  },
});
