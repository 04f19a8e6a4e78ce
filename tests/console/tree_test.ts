import assert from "node:assert/strict";
import { numericBinary } from "../../src/console/wire/numeric.ts";
import {
  errorOf,
  frontend,
  psql,
  rowsOf,
  startPgplex,
  startPostgres,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { BOSS, consoleConnection, enter, EYE } from "../harness/console_served.ts";
import { one } from "../harness/served.ts";

Deno.test("the tree shows sessions, pools, clusters and settings as they are at that moment", async (t) => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust", users: { alice: "a-secret-of-alice" } },
      console: { admin_users: [BOSS], stats_users: [EYE] },
      routing: { databases: { "odd.name": { cluster: "main", database: "postgres" } } },
      clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
    },
  });
  await using console = await enter(pgplex, EYE);
  const rows = async (statement: string) => {
    const messages = await console.query(statement);
    assert.equal(errorOf(messages), null, `${statement}: ${errorOf(messages)?.["M"]}`);
    return rowsOf(messages);
  };
  const value = async (path: string) => (await rows(`SHOW ${path}`))[0]![1];
  await using client = await WireClient.connect(pgplex, {
    user: "postgres",
    database: "odd.name",
    params: { application_name: "a program" },
  });
  const [[id]] = await rows("SHOW sessions") as [[string]];

  await t.step("a session is a row, a branch and leaves", async () => {
    assert.equal(await value(`sessions.${id}.application_name`), "a program");
    assert.equal(await value(`sessions.${id}.cluster`), "main");
    assert.equal(await value(`sessions.${id}.state`), "idle");
    const names = (await rows(`SHOW sessions.${id}`)).map(([name]) => name);
    assert.ok(
      names.includes(`sessions.${id}.pool_mode`) && names.includes(`sessions.${id}.pinned`),
      names.join(),
    );
    await one(client, "BEGIN");
    assert.equal(await value(`sessions.${id}.state`), "idle in transaction");
    const pid = await one(client, "SELECT pg_backend_pid()");
    assert.equal(await value(`sessions.${id}.server`), pid);
    await client.query("nonsense");
    assert.equal(await value(`sessions.${id}.state`), "idle in transaction (aborted)");
    await one(client, "ROLLBACK");
    await one(client, "CREATE TEMP TABLE pinned (a int)");
    await waitFor(async () => await value(`sessions.${id}.pinned`) !== null, { what: "the pin" });
    await one(client, "DROP TABLE pinned");
    await waitFor(async () => await value(`sessions.${id}.pinned`) === null, { what: "the pin's end" });
    assert.equal(errorOf(await console.query("SHOW sessions.999999"))!["C"], "42704");
  });

  await t.step(
    "a session shows the options that its client set, and the pool mode that follows",
    async () => {
      assert.equal(await value(`sessions.${id}.tag`), "");
      assert.equal(await value(`sessions.${id}.pool_mode`), "transaction");
      await one(client, "SET pgplex.tag = 'nightly'");
      await one(client, "SET pgplex.intent = 'read'");
      await one(client, "SET pgplex.query_timeout = '5s'");
      await one(client, "SET pgplex.pool_mode = 'session'");
      await waitFor(async () => await value(`sessions.${id}.pool_mode`) === "session", {
        what: "the option",
      });
      assert.equal(await value(`sessions.${id}.tag`), "nightly");
      assert.equal(await value(`sessions.${id}.intent`), "read");
      const [timeout] = await rows(`SHOW sessions.${id}.options.query_timeout`);
      assert.deepEqual(timeout!.slice(1, 4), ["5s", "session", "no"]);
      assert.deepEqual((await rows(`SHOW sessions.${id}.options.pin_timeout`))[0]!.slice(1, 3), [
        "0s",
        "pool",
      ]);
      assert.equal(await value(`clients.${id}.tag`), "nightly");
      await one(client, "RESET pgplex.pool_mode");
      await waitFor(async () => await value(`sessions.${id}.pool_mode`) === "transaction", {
        what: "the option's end",
      });
    },
  );

  await t.step("nobody sets what is observed", async () => {
    assert.equal(errorOf(await console.query(`SET sessions.${id}.state = 'x'`))!["C"], "42501");
  });

  await t.step("PgBouncer's tables are branches too, and one answer serves both spellings", async () => {
    for (const name of ["pools", "clients", "servers", "databases", "users"]) {
      const answer = (statement: string) => console.query(statement).then((messages) => messages[0]!.columns);
      assert.deepEqual(await answer(`SHOW ${name}`), await answer(`SHOW ${name.toUpperCase()}`), name);
    }
    // While its state is looked at it is not idle.
    await waitFor(async () => await value('pools."odd.name".postgres.sv_idle') === "1", {
      what: "the probe's end",
    });
    assert.equal(await value('databases."odd.name".paused'), "0");
    assert.equal(await value('databases."odd.name".default_pool_size'), "20");
    assert.equal(await value("users.alice.password"), "***");
    assert.equal(await value("clusters.main.nodes.main-1.role"), "primary");
    assert.equal(await value("clusters.main.sessions"), "1");
  });

  await t.step(
    "every branch and every leaf that is listed can be shown, and none holds a secret",
    async () => {
      const roots = errorOf(await console.query("SHOW nonsuchthing"))!["D"]!.replace(/^.*: |\.$/g, "").split(
        ", ",
      );
      assert.ok(roots.length >= 15, roots.join());
      for (const root of roots) {
        const shown = await rows(`SHOW ${root}`);
        assert.equal(JSON.stringify(shown).includes("a-secret"), false);
      }
      const all = await rows("SHOW ALL");
      for (const [name] of all) assert.deepEqual((await rows(`SHOW ${name}`))[0]![0], name);
      assert.equal(new Set(all.map(([name]) => name)).size, all.length);
    },
  );

  await t.step("numbers have the form in binary that PostgreSQL gives them", async () => {
    await using direct = await WireClient.connect(node, { user: "postgres" });
    const values = [
      "0",
      "1",
      "-1",
      "9999",
      "10000",
      "100000000",
      "123456789012345678901234567890",
      "-12.50",
      "0.0001",
      "1.20",
    ];
    for (const value of values) {
      await direct.send(
        frontend.parse(`SELECT ${value}::numeric`),
        frontend.bind({ resultFormats: [1] }),
        frontend.execute(),
        frontend.sync(),
      );
      const row = (await direct.readUntil("Z")).find(({ type }) => type === "D")!.body;
      const ours = Uint8Array.from(numericBinary(value), (unit) => unit.charCodeAt(0));
      assert.deepEqual([...ours], [...row.subarray(6)], value); // behind the count of columns and the length
    }
  });

  await t.step("psql prints what awk can read, and expanded what people can", async () => {
    const connection = consoleConnection(pgplex);
    const table = await psql(["-At", "-F", "\t", "-c", "SHOW clusters"], { connection });
    assert.deepEqual(table.stdout.trim().split("\t").slice(0, 3), ["main", "main-1", "1"]);
    const expanded = await psql(["-x", "-c", `SHOW sessions`], { connection });
    assert.match(expanded.stdout, /^user +\| postgres$/m);
    for (const line of expanded.stdout.split("\n")) assert.ok(line.length < 80, line);
  });
});
