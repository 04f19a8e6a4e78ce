import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import { pgbench, pgOptions, postgresOptions, requireProgram, startEtcd, startPostgres } from "./mod.ts";

const sanitize = { sanitizeOps: true, sanitizeResources: true };

Deno.test({
  name: "pgOptions() and postgresOptions() connect both npm clients, and pgbench() runs",
  ...sanitize,
  async fn() {
    await using node = await startPostgres({ major: 18 });
    const connection = {
      host: node.host,
      port: node.port,
      user: "postgres",
      password: "postgres",
      database: "postgres",
    };

    const client = new pg.Client(pgOptions(connection));
    await client.connect();
    assert.deepEqual((await client.query("SELECT $1::int AS a", [1])).rows, [{ a: 1 }]);
    await client.end();

    const sql = postgres(postgresOptions(connection));
    assert.deepEqual([...await sql`SELECT ${1}::int AS a`], [{ a: 1 }]);
    await sql.end();

    const bench = await pgbench(["-n", "-c", "2", "-t", "5", "-f", "/dev/stdin"], {
      connection,
      stdin: "SELECT 1;\n",
    });
    assert.equal(bench.code, 0, bench.stderr);
    assert.match(bench.stdout, /10\/10/);
  },
});

Deno.test({
  name: "requireProgram() says what to install when a program is missing",
  ...sanitize,
  async fn() {
    await assert.rejects(requireProgram("no-such-program", "the thing"), /install the thing/);
  },
});

Deno.test({
  name: "startEtcd() answers over HTTP",
  ...sanitize,
  async fn() {
    await using etcd = await startEtcd();
    const response = await fetch(`${etcd.url}/version`);
    assert.match(await response.text(), /etcdserver/);
  },
});
