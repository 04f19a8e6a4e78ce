import assert from "node:assert/strict";
import pg from "pg";
import { runSchemaCommand, SCHEMA_VERSIONS, type SchemaCommand } from "../../src/schema/mod.ts";
import { errorOf } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";
import { accessOf, good, realRuntime, VerbsRig } from "../harness/verbs_rig.ts";

async function schema(
  rig: VerbsRig,
  command: SchemaCommand,
  { versions = SCHEMA_VERSIONS, user = "postgres" } = {},
) {
  const { superuser, tls, connectTimeoutMs } = accessOf({ user });
  const nodes = rig.replicas.nodes.map((_, index) => ({
    ...rig.upstream(index),
    reads: true,
    weight: 1,
    priority: 100,
    promote: true,
  }));
  return await runSchemaCommand(command, { nodes: nodes.reverse(), superuser, tls }, {
    runtime: realRuntime(),
    connectTimeoutMs,
    versions,
  });
}

async function lines(...args: Parameters<typeof schema>): Promise<readonly string[]> {
  return good(await schema(...args)).lines;
}

const SETUP = "CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher; CREATE ROLE nobody LOGIN";

for (const major of [12, 13, 14, 15, 16, 17, 18] as const) {
  Deno.test(`PostgreSQL ${major}: the schema is installed once, replicates, tells of both nodes, and is removed without a trace`, async () => {
    await using rig = await VerbsRig.start({ major, setup: SETUP });
    assert.deepEqual(await lines(rig, "show"), [
      "n2: standby, no schema pgplex",
      "n1: primary, no schema pgplex",
    ]);
    assert.deepEqual(await lines(rig, "install"), ["n1: version 1 is installed"]);
    assert.deepEqual(await lines(rig, "install"), ["n1: version 1 is there already"]);
    await rig.node(0).sql("CHECKPOINT");
    await rig.replicas.caughtUp(1, 0);
    assert.deepEqual(await lines(rig, "show"), ["n2: standby, version 1", "n1: primary, version 1"]);
    for (const index of [0, 1]) {
      const node = rig.node(index);
      await using watcher = await connected({ host: node.host, port: node.port, user: "watcher" });
      const [state] = (await watcher.query("SELECT * FROM pgplex.node")).rows;
      const found = good(await rig.verbs(index).inspect());
      assert.deepEqual(
        [state.recovering, state.system, state.version, state.timeline, state.streaming, state.slots_max],
        [index === 1, found.system, found.version, 1, index === 1, 100],
      );
      assert.equal(state.replicas.length, index === 0 ? 1 : 0);
      assert.equal(state.upstream_port, index === 0 ? null : rig.node(0).port);
      const [load] = (await watcher.query("SELECT * FROM pgplex.load")).rows;
      if (Deno.build.os === "linux") {
        assert.ok(load.load1 >= 0 && load.cpus === navigator.hardwareConcurrency, JSON.stringify(load));
        assert.ok(Number(load.memory_bytes) > Number(load.memory_available_bytes));
        assert.ok(Number(load.memory_available_bytes) > 0);
      }
      // Who watches may not ask for anything, and who has no right at all sees nothing.
      await assert.rejects(watcher.query("SELECT pgplex.failover_mode('auto')"), { code: "42501" });
      await assert.rejects(watcher.query("SELECT * FROM pgplex.requests"), { code: "42501" });
      await using nobody = await connected({ host: node.host, port: node.port, user: "nobody" });
      for (
        const sql of ["SELECT * FROM pgplex.node", "SELECT pgplex.load_state()", "SELECT pgplex.switchover()"]
      ) {
        await assert.rejects(nobody.query(sql), { code: "42501" }, sql);
      }
    }
    const verbs = rig.verbs(0);
    for (let count = 0; count < 2; count++) {
      assert.equal(good(await verbs.recordEpoch({ epoch: 2, text: "it's \\ because" })).isRecorded, true);
    }
    const epochs = await rig.node(0).sql("SELECT epoch::int, timeline, evidence FROM pgplex.epochs");
    assert.deepEqual(epochs, [{ epoch: 2, timeline: 1, evidence: "it's \\ because" }]);
    assert.deepEqual(await lines(rig, "remove"), ["n1: version 1 is removed"]);
    assert.deepEqual(await lines(rig, "remove"), ["n1: no schema pgplex is there"]);
    const left = await rig.node(0).sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%pgplex%'");
    assert.deepEqual(left, []);
  });
}

for (const major of [12, 18] as const) {
  Deno.test(`PostgreSQL ${major}: a request is asked for by who may, one of a kind at a time, taken once, and answered once`, async () => {
    await using rig = await VerbsRig.start({ major, setup: `${SETUP}; CREATE ROLE dba LOGIN` });
    await lines(rig, "install");
    const node = rig.node(0);
    await node.sql(`GRANT USAGE ON SCHEMA pgplex TO dba;
      GRANT EXECUTE ON FUNCTION pgplex.switchover(text, interval, boolean), pgplex.failover_mode(text),
       pgplex.request(bigint) TO dba`);
    await using dba = await connected({ host: node.host, port: node.port, user: "dba" });
    const [{ id }] = (await dba.query("SELECT pgplex.switchover('n2', '30 s') AS id")).rows;
    await assert.rejects(dba.query("SELECT pgplex.switchover()"), { code: "23505" });
    await assert.rejects(dba.query("SELECT pgplex.failover_mode('maybe')"), { code: "22023" });
    await dba.query("SELECT pgplex.failover_mode('manual')");
    const [taken] = await node.sql("SELECT * FROM pgplex.take_request()");
    assert.deepEqual([taken!["id"], taken!["kind"], taken!["argument"], taken!["asked_by"]], [
      id,
      "switchover",
      { target: "n2", within_ms: 30_000, force: false },
      "dba",
    ]);
    assert.equal((await node.sql("SELECT * FROM pgplex.take_request()"))[0]!["kind"], "failover_mode");
    assert.equal((await node.sql("SELECT * FROM pgplex.take_request()"))[0]!["id"], null);
    const answer = `SELECT pgplex.answer_request(${id}, true, 'moved to n2') AS first`;
    assert.equal((await node.sql(answer))[0]!["first"], true);
    assert.equal((await node.sql(answer))[0]!["first"], false);
    const [told] = (await dba.query(`SELECT * FROM pgplex.request(${id})`)).rows;
    assert.deepEqual(told, { state: "done", answer: "moved to n2" });
    // What it was asked for can be asked for again.
    await dba.query("SELECT pgplex.switchover()");
  });
}

Deno.test("an upgrade takes each step once and whole: a step that fails leaves the version of before", async () => {
  await using rig = await VerbsRig.start();
  await lines(rig, "install");
  const second = "CREATE TABLE pgplex.more (i int);";
  const broken = [...SCHEMA_VERSIONS, second, "CREATE TABLE pgplex.most (i int); SELECT 1 / 0;"];
  const failed = await schema(rig, "upgrade", { versions: broken });
  assert.ok(!failed.ok && failed.kind === "refused" && /22012/.test(failed.reason), JSON.stringify(failed));
  const state = async () =>
    (await rig.node(0).sql(
      "SELECT version, to_regclass('pgplex.more') IS NOT NULL AS more, to_regclass('pgplex.most') IS NULL AS none FROM pgplex.version",
    ))[0];
  assert.deepEqual(await state(), { version: 2, more: true, none: true });
  const good3 = [...SCHEMA_VERSIONS, second, "CREATE TABLE pgplex.most (i int)"];
  assert.deepEqual(await lines(rig, "upgrade", { versions: good3 }), ["n1: upgraded from version 2 to 3"]);
  const older = await schema(rig, "upgrade");
  assert.ok(
    !older.ok && /version 3 is there, and this pgplex knows 1/.test(older.reason),
    JSON.stringify(older),
  );
});

Deno.test("what is missing is named: a primary, the rights, a schema of pgplex's own", async () => {
  await using rig = await VerbsRig.start({ setup: SETUP });
  const rights = await schema(rig, "install", { user: "watcher" });
  assert.ok(
    !rights.ok && rights.kind === "not possible" && /42501/.test(rights.reason),
    JSON.stringify(rights),
  );
  await rig.node(0).sql("CREATE SCHEMA pgplex");
  const foreign = await schema(rig, "remove");
  assert.ok(!foreign.ok && foreign.kind === "refused", JSON.stringify(foreign));
  await rig.node(0).stop();
  const gone = await schema(rig, "install");
  assert.ok(
    !gone.ok && gone.kind === "failed" && /no node is a primary/.test(gone.reason),
    JSON.stringify(gone),
  );
});

async function connected(
  config: { host: string; port: number; user: string },
): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ ...config, database: "postgres" });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

Deno.test("INSTALL SCHEMA in the console does it on the primary, and says why it cannot", async () => {
  await using replicas = await Replicas.start();
  const clusters = { main: { nodes: replicas.config, superuser: { user: "postgres" } } };
  await using watched = await Watched.start({ ...watchedConfig(replicas.config), clusters });
  await watched.console.query("INSTALL SCHEMA main");
  assert.match(watched.pgplex.log, /the schema pgplex is installed/);
  const [row] = await replicas.nodes[0]!.sql("SELECT version FROM pgplex.version");
  assert.equal(row!["version"], 1);
  await replicas.nodes[0]!.stop();
  const refused = await watched.console.query("INSTALL SCHEMA main");
  assert.match(JSON.stringify(errorOf(refused)), /no node is a primary/);
});
