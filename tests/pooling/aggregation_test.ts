import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import {
  pgOptions,
  postgresOptions,
  psql,
  rowsOf,
  startPgplex,
  startPostgres,
  WireClient,
  WireError,
  type WireLogin,
  type WireTarget,
} from "../harness/mod.ts";

const login = { user: "postgres", password: "a p@ss/word" };
const MODES = ["session", "transaction"];

/** Startup parameters that change what a session is told, or what holds in it. */
const STARTUPS: Record<string, string>[] = [
  {},
  { application_name: "a name of its own" },
  { client_encoding: "LATIN1", DateStyle: "German, DMY" },
  { TimeZone: "Europe/Paris", IntervalStyle: "iso_8601" },
  { options: "-c work_mem=5MB -c search_path=a,b --enable_seqscan=off" },
  { options: "-c default_transaction_isolation=repeatable\\ read -c application_name=by\\ options" },
  { work_mem: "6MB", options: "-c work_mem=7MB", search_path: '"odd, name", public' },
  { default_transaction_read_only: "on", standard_conforming_strings: "off" },
  { "my.own": "placeholder" },
];

/** Startup parameters that a server refuses. */
const REFUSED: Record<string, string>[] = [
  { no_such_setting: "1" },
  { work_mem: "much" },
  { TimeZone: "Nowhere" },
  { client_encoding: "NONE" },
  { shared_buffers: "1GB" },
  { options: "-c no_such_setting=1" },
  { options: "-c work_mem" },
  { options: "--no-such" },
  { options: "nothing" },
  { search_path: '"' },
  { replication: "perhaps" },
];

const SHOWN = ["work_mem", "search_path", "TimeZone", "DateStyle", "IntervalStyle", "client_encoding"].concat(
  ["enable_seqscan", "default_transaction_isolation", "default_transaction_read_only", "application_name"],
  ["server_version", "standard_conforming_strings"],
);

/** What a session is told at login, and what holds in it: at first, after a change, and after its RESET. */
async function truth(target: WireTarget, who: WireLogin): Promise<unknown> {
  await using client = await WireClient.connect(target, who);
  const greeted = Object.fromEntries([...client.parameters].sort());
  const shown = async () => {
    const values = [];
    for (const name of SHOWN) values.push([name, rowsOf(await client.query(`SHOW "${name}"`))]);
    return values;
  };
  const first = await shown();
  await client.query("SET application_name = 'changed'; SET DateStyle = 'SQL, MDY'; SET work_mem = '9MB'");
  const changed = [await shown(), Object.fromEntries([...client.parameters].sort())];
  await client.query("RESET DateStyle; RESET work_mem");
  return {
    greeted,
    first,
    changed,
    last: [await shown(), Object.fromEntries([...client.parameters].sort())],
  };
}

async function refusal(target: WireTarget, who: WireLogin): Promise<Record<string, string>> {
  const thrown = await WireClient.connect(target, who).then((client) => client.close(), (error) => error);
  assert.ok(thrown instanceof WireError, `${JSON.stringify(who.params)} is not refused: ${thrown}`);
  const { S, V, C, M, D, H } = thrown.fields;
  return Object.fromEntries(
    Object.entries({ S, V, C, M, D, H }).filter(([, value]) => value !== undefined),
  ) as Record<
    string,
    string
  >;
}

Deno.test("two clusters of different majors behave behind one address as one server each", async (t) => {
  await using old = await startPostgres({ major: 14, superuserPassword: login.password });
  await using young = await startPostgres({ major: 18, superuserPassword: login.password });
  const nodes = { old, young };
  for (const [name, node] of Object.entries(nodes)) {
    await node.sql("CREATE DATABASE app");
    await node.sql(`CREATE DATABASE "at@sign"`);
    await node.sql(`CREATE TABLE here (cluster text); INSERT INTO here VALUES ('${name}')`, "app");
    await node.sql(`CREATE TABLE here (cluster text); INSERT INTO here VALUES ('${name}, at')`, "at@sign");
  }
  await using pgplex = await startPgplex({
    config: {
      auth: { users: { postgres: login.password } },
      routing: {
        default_cluster: "old",
        databases: {
          reports: { cluster: "young", database: "app" },
          app_of_its_own: { cluster: "young", database: "app", pool_mode: "session" },
          ...Object.fromEntries(
            Object.keys(nodes).flatMap((name) =>
              MODES.map((mode) => [`${mode} ${name}`, { cluster: name, database: "app", pool_mode: mode }])
            ),
          ),
        },
      },
      clusters: Object.fromEntries(
        Object.entries(nodes).map(([name, { host, port }]) => [
          name,
          { nodes: [{ name: `${name}-1`, host, port }] },
        ]),
      ),
    },
  });
  const here = async (database: string) => {
    await using client = await WireClient.connect(pgplex, { ...login, database });
    return rowsOf(await client.query("SELECT cluster FROM here")).join();
  };

  await t.step("a database name leads to its cluster", async () => {
    assert.equal(await here("app@old"), "old");
    assert.equal(await here("app@young"), "young");
    assert.equal(await here("app"), "old"); // the default cluster
    assert.equal(await here("reports"), "young");
    assert.equal(await here("app_of_its_own"), "young");
    assert.equal(await here("at@sign@young"), "young, at"); // the last separator counts
    assert.equal(await here("app%40young"), "young");
  });

  for (const [name, node] of Object.entries(nodes)) {
    for (const mode of MODES) {
      for (const params of STARTUPS) {
        await t.step(`${name} tells the truth to ${JSON.stringify(params)} in ${mode} pooling`, async () => {
          const direct = await truth(node, { ...login, database: "app", params });
          // Twice: the second session takes the server connection that the first one left.
          for (let i = 0; i < 2; i++) {
            const through = await truth(pgplex, { ...login, database: `${mode} ${name}`, params });
            assert.deepEqual(through, direct);
          }
        });
      }
      for (const params of REFUSED) {
        await t.step(`${name} refuses ${JSON.stringify(params)} as itself in ${mode} pooling`, async () => {
          const direct = await refusal(node, { ...login, database: "app", params });
          const through = await refusal(pgplex, { ...login, database: `${mode} ${name}`, params });
          assert.deepEqual(through, direct);
        });
      }
    }
  }

  await t.step("npm:pg and npm:postgres reach a cluster by @ and by %40 in a URI", async () => {
    const password = encodeURIComponent(login.password);
    for (const database of ["app@young", "app%40young"]) {
      const uri = `postgresql://postgres:${password}@127.0.0.1:${pgplex.port}/${database}`;
      const client = new pg.Client({ connectionString: uri });
      await client.connect();
      assert.deepEqual((await client.query("SELECT cluster FROM here")).rows, [{ cluster: "young" }]);
      await client.end();
      const sql = postgres(uri, { max: 1, fetch_types: false });
      assert.deepEqual([...await sql`SELECT cluster FROM here`], [{ cluster: "young" }]);
      await sql.end();
      const { stdout, stderr } = await psql(["-At", uri, "-c", "SELECT cluster FROM here"]);
      assert.equal(stdout, "young\n", stderr);
    }
  });

  await t.step("one program works with both clusters at once", async () => {
    const connection = (database: string) => ({ host: pgplex.host, port: pgplex.port, ...login, database });
    const pools = Object.keys(nodes).map((name) => ({
      name,
      byPg: new pg.Pool({ ...pgOptions(connection(`app@${name}`)), max: 4 }),
      byPostgres: postgres({ ...postgresOptions(connection(`app@${name}`)), max: 4 }),
    }));
    const sql =
      "SELECT cluster, $1::int AS number, current_setting('server_version_num')::int / 10000 AS major FROM here";
    await Promise.all(
      pools.flatMap(({ name, byPg, byPostgres }) =>
        Array.from({ length: 40 }, async (_, number) => {
          const expected = { cluster: name, number, major: name === "old" ? 14 : 18 };
          assert.deepEqual((await byPg.query(sql, [number])).rows, [expected]);
          assert.deepEqual([...await byPostgres.unsafe(sql, [number])], [expected]);
        })
      ),
    );
    for (const { byPg, byPostgres } of pools) await Promise.all([byPg.end(), byPostgres.end()]);
  });

  await t.step("psql shows both clusters and their versions", async () => {
    for (const [name, node] of Object.entries(nodes)) {
      const connection = { host: pgplex.host, port: pgplex.port, ...login, database: `app@${name}` };
      const { stdout, stderr } = await psql([
        "-Atc",
        "\\echo :SERVER_VERSION_NUM",
        "-c",
        "SHOW server_version_num",
      ], {
        connection,
      });
      assert.match(stdout, new RegExp(`^${node.major}\\d{4}\\n${node.major}\\d{4}\\n$`), stderr);
    }
  });

  await t.step("a cluster that is down does not disturb the other", async () => {
    await using client = await WireClient.connect(pgplex, { ...login, database: "app@old" });
    await young.stop("immediate");
    assert.equal(await here("app@old"), "old");
    assert.deepEqual(rowsOf(await client.query("SELECT cluster FROM here")), [["old"]]);
    await young.start();
    assert.equal(await here("app@young"), "young");
  });
});
