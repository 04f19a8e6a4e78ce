import assert from "node:assert/strict";
import { errorOf, rowsOf, startPgplex, startPostgres, tagsOf, waitFor, WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";
import { playState, type StateScript, stateTests } from "../harness/state_play.ts";

/** State that neither is restored nor pins, and what becomes of it. */
const served = new Served({
  major: 18,
  settings: {
    max_prepared_transactions: "10",
    log_statement: "all",
    shared_preload_libraries: "pg_stat_statements",
  },
  setup: `
    CREATE ROLE intruder; CREATE TABLE kept (v int); CREATE TABLE logins (at timestamptz DEFAULT now());
    CREATE EXTENSION dblink; CREATE EXTENSION pg_stat_statements;
    CREATE FUNCTION here() RETURNS text LANGUAGE sql AS
      $$ SELECT 'host=127.0.0.1 user=postgres dbname=postgres port=' || current_setting('port') $$;
  `,
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    logins: { default_pool_size: 1 },
    reload: { default_pool_size: 2 },
    always: { default_pool_size: 1, server_reset: "always" },
  },
});

const SCRIPTS: StateScript[] = [
  {
    name: "Large objects, whose descriptors end with the transaction",
    steps: [
      "BEGIN",
      "SELECT lo_from_bytea(424242, 'abcdef') ",
      "SELECT lo_open(424242, 262144)",
      "SELECT loread(0, 3)",
      "COMMIT",
      "SELECT loread(0, 3)",
      "SELECT lo_unlink(424242)",
    ],
  },
  {
    name: "PREPARE TRANSACTION in one lease and COMMIT PREPARED in another",
    steps: [
      "BEGIN; INSERT INTO kept VALUES (1)",
      "PREPARE TRANSACTION 'p1'",
      "SELECT gid FROM pg_prepared_xacts",
      "COMMIT PREPARED 'p1'",
      "SELECT * FROM kept",
      "BEGIN; DELETE FROM kept",
      "PREPARE TRANSACTION 'p2'",
      "ROLLBACK PREPARED 'p2'",
      "SELECT * FROM kept",
      "DELETE FROM kept",
    ],
  },
  {
    name: "dblink's named connections keep the server connection that has them",
    pins: true,
    steps: [
      "SELECT dblink_connect('mine', here())",
      "SELECT dblink_get_connections()",
      "SELECT * FROM dblink('mine', 'SELECT 1') AS t (n int)",
      "SELECT dblink_disconnect('mine')",
      "SELECT dblink_get_connections()",
    ],
  },
];

stateTests(served, SCRIPTS);

Deno.test("PREPARE TRANSACTION under search_path = pg_temp says what a session's own temporary schema makes it say", async () => {
  // Backends that made theirs for somebody else keep it.
  await using first = await served.client("two");
  await using second = await served.client("two");
  for (const sql of ["BEGIN; CREATE TEMP TABLE short (v int)", "DROP TABLE short", "COMMIT"]) {
    await one(first, sql);
    await one(second, sql);
  }
  await playState(served, {
    name: "PREPARE TRANSACTION",
    pins: true,
    steps: [
      "SET search_path = pg_temp",
      "BEGIN",
      "SELECT current_schema() ~ 'pg_temp'",
      "PREPARE TRANSACTION 'p3'",
      "SELECT current_schema() ~ 'pg_temp'",
      "BEGIN",
      "SELECT current_schema() ~ 'pg_temp'",
      "PREPARE TRANSACTION 'p4'",
      "ROLLBACK PREPARED 'p4'",
      "RESET search_path",
      "SELECT current_schema()",
    ],
  });
});

Deno.test("An exported snapshot is imported by another session of the same node", async () => {
  await using exporter = await served.client("two");
  await using importer = await served.client("two");
  await one(exporter, "BEGIN ISOLATION LEVEL REPEATABLE READ");
  const snapshot = await one(exporter, "SELECT pg_export_snapshot()");
  await one(importer, "BEGIN ISOLATION LEVEL REPEATABLE READ");
  assert.deepEqual(tagsOf(await importer.query(`SET TRANSACTION SNAPSHOT '${snapshot}'`)), ["SET"]);
  assert.equal(
    await one(importer, "SELECT pg_current_snapshot()"),
    await one(exporter, "SELECT pg_current_snapshot()"),
  );
  await one(importer, "COMMIT");
  await one(exporter, "COMMIT");
});

Deno.test("No text is changed on its way: the server counts and logs a statement as the client wrote it", async () => {
  await using client = await served.client("two");
  const sql = "/* mine */  SELECT   'as written'  -- behind";
  await client.query(sql);
  assert.ok((await served.node.log()).includes(sql));
  const direct = await served.direct();
  await direct.query("SELECT count(*) FROM kept WHERE v = 3");
  await client.query("SELECT count(*) FROM kept WHERE v = 3");
  const counted = await served.node.sql(
    "SELECT calls FROM pg_stat_statements WHERE query = 'SELECT count(*) FROM kept WHERE v = $1'",
  );
  assert.deepEqual(counted.map(({ calls }) => Number(calls)), [2]);
  await direct.close();
});

Deno.test("A login event trigger runs once for each server connection", async () => {
  await served.node.sql(`
    CREATE FUNCTION on_login() RETURNS event_trigger LANGUAGE plpgsql AS
      $$ BEGIN IF current_setting('application_name') = 'counted' THEN INSERT INTO logins DEFAULT VALUES; END IF; END $$;
    CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION on_login()`);
  const logins = async () => Number(await served.value("SELECT count(*)::int FROM logins"));
  for (let i = 0; i < 3; i++) {
    await using client = await served.client("logins", { options: "-c application_name=counted" });
    await one(client, "SELECT 1");
  }
  assert.equal(await logins(), 1);
  await served.node.sql("DROP EVENT TRIGGER on_login");
});

Deno.test("A setting that the server's configuration changes reaches its sessions, and is nobody's SET", async () => {
  await using client = await served.client("reload");
  await using setter = await served.client("reload");
  await one(setter, "SET TimeZone = 'Asia/Tokyo'");
  await one(client, "SELECT 1");
  await served.node.reload({ timezone: "Europe/Oslo" });
  await waitFor(async () => await one(client, "SHOW TimeZone") === "Europe/Oslo", {
    what: "the new time zone",
  });
  assert.equal(await one(setter, "SHOW TimeZone"), "Asia/Tokyo");
  await one(setter, "RESET TimeZone");
  assert.equal(await one(setter, "SHOW TimeZone"), "Europe/Oslo");
});

Deno.test("server_reset: always closes the connection, and with it what no catalogue shows", async () => {
  await using client = await served.client("always");
  const pid = await one(client, "SELECT pg_backend_pid()");
  assert.notEqual(await one(client, "SELECT pg_backend_pid()"), pid);
});

Deno.test("On a standby a session keeps its state, and hears what a standby refuses", async () => {
  await using node = await startPostgres({ major: 17, auth: "trust" });
  await node.stop();
  await Deno.writeTextFile(`${node.dataDir}/standby.signal`, "");
  await node.start();
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust" },
      clusters: {
        standby: {
          nodes: [{ name: "s", host: "127.0.0.1", port: node.port }],
          superuser: null,
          pool: { default_pool_size: 1 },
        },
      },
      routing: { default_cluster: "standby" },
    },
  });
  const connect = () => WireClient.connect(pgplex, { user: "postgres", database: "postgres" });
  await using client = await connect();
  await using other = await connect();
  assert.equal(client.parameters.get("in_hot_standby"), "on");
  await one(client, "SET work_mem = '5MB'; SET myapp.who = 'me'");
  await one(other, "SET work_mem = '6MB'");
  assert.deepEqual(
    rowsOf(
      await client.query(
        "SELECT current_setting('work_mem'), current_setting('myapp.who'), pg_is_in_recovery()",
      ),
    ),
    [["5MB", "me", "t"]],
  );
  for (
    const sql of ["CREATE TEMP TABLE t (n int)", "LISTEN c", "SELECT nextval('s')", "CREATE TABLE t (n int)"]
  ) {
    assert.match(errorOf(await client.query(sql))!["C"]!, /25006|42P01/, sql);
  }
  assert.equal(await one(other, "SHOW work_mem"), "6MB");
});
