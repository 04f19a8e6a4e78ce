import assert from "node:assert/strict";
import { stringify } from "yaml";
import { errorOf, frontend, startPostgres, waitFor, WireClient, WireError } from "../harness/mod.ts";
import { BOSS, consoleConfig, enter, startConsole } from "../harness/console_served.ts";
import { one } from "../harness/served.ts";
import { shown, succeed } from "../harness/console_shown.ts";

Deno.test("Pools of databases that do not exist are gone as soon as those who asked for them", async () => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await using pgplex = await startConsole(node.port, { routing: { default_cluster: "main" } });
  await using console = await enter(pgplex);
  await using client = await WireClient.connect(pgplex, { user: "postgres", database: "postgres" });
  assert.equal(await one(client, "SELECT 1"), "1");
  for (let i = 0; i < 30; i++) {
    await assert.rejects(
      WireClient.connect(pgplex, { user: "postgres", database: `nosuch${i}` }),
      (thrown) => thrown instanceof WireError && thrown.fields["C"] === "3D000",
    );
  }
  await assert.rejects(WireClient.connect(pgplex, { user: "stranger", database: "postgres" }), WireError);
  const names = async (command: string, column: string) =>
    new Set((await shown(console, command)).map((row) => row[column]!));
  const left = async () => [...await names("SHOW POOLS", "database")].sort();
  await waitFor(async () => (await left()).length === 2, { what: "the pools to go" });
  assert.deepEqual(await left(), ["pgplex", "postgres"]);
  for (const [command, column] of [["DATABASES", "name"], ["STATS", "database"]] as const) {
    assert.deepEqual([...await names(`SHOW ${command}`, column)].sort(), ["pgplex", "postgres"]);
  }
  assert.equal((await names("SHOW USERS", "name")).has("stranger"), false);
  assert.equal((await shown(console, "SHOW MEM")).find(({ name }) => name === "fingerprint")!["used"], "1");
  assert.equal(await one(client, "SELECT 2"), "2");

  // What is held back by name is shown, also where nobody uses it.
  await succeed(console, "PAUSE later@main; DISABLE never@main");
  const rows = await shown(console, "SHOW DATABASES");
  const flags = (name: string) =>
    rows.filter((row) => row["name"] === name).map((row) => [row["paused"], row["disabled"]]);
  assert.deepEqual([flags("later"), flags("never")], [[["1", "0"]], [["0", "1"]]]);
  await succeed(console, "RESUME later; ENABLE never");
});

Deno.test("WAIT_CLOSE and PAUSE wait for the leases of what a reload removed, and SHOW shows them", async () => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  const alias = { routing: { databases: { gone: { cluster: "main", database: "postgres" } } } };
  await using pgplex = await startConsole(node.port, alias);
  await using console = await enter(pgplex);
  await using waiter = await enter(pgplex);
  for (const command of ["WAIT_CLOSE", "WAIT_CLOSE gone", "PAUSE"]) {
    const write = (more: Record<string, unknown>) =>
      Deno.writeTextFile(
        pgplex.configPath,
        stringify({ ...consoleConfig(node.port, more), listen: { port: pgplex.port } }),
      );
    await write(alias);
    await succeed(console, "RELOAD");
    await using client = await WireClient.connect(pgplex, { user: "postgres", database: "gone" });
    await one(client, "BEGIN");
    await write({});
    await succeed(console, "RELOAD");
    const servers = await shown(console, "SHOW SERVERS");
    assert.deepEqual(servers.map(({ database, state, close_needed }) => [database, state, close_needed]), [
      ["gone", "active", "1"],
    ]);
    await waiter.send(frontend.query(command));
    const runs = async () =>
      (await shown(console, "SHOW CLIENTS")).filter(({ user, state }) => user === BOSS && state === "active");
    await waitFor(async () => (await runs()).length === 2, { what: `${command} to wait` });
    assert.equal(await one(client, "SELECT 7"), "7");
    assert.equal((await runs()).length, 2);
    await client.send(frontend.query("COMMIT"));
    assert.equal(errorOf(await waiter.readUntil("Z")), null);
    assert.deepEqual(await shown(console, "SHOW SERVERS"), []);
    // The client hears of it behind its transaction, though it says nothing more.
    const goodbye = errorOf(await client.closed())!;
    assert.deepEqual([goodbye["S"], goodbye["C"]], ["FATAL", "57P01"]);
    assert.match(goodbye["M"]!, /database "gone" was removed/);
    await waitFor(async () => (await shown(console, "SHOW POOLS")).length === 1, { what: "the pool to go" });
    if (command === "PAUSE") await succeed(console, "RESUME");
  }
});

Deno.test("The connection of a shared listener is a server connection, and goes with a pause when nobody listens", async () => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await using pgplex = await startConsole(node.port);
  await using console = await enter(pgplex);
  const listening = async () => {
    const client = await WireClient.connect(pgplex, { user: "postgres", database: "postgres@main" });
    await one(client, "LISTEN news");
    await waitFor(async () => (await shown(console, "SHOW LISTENERS")).length === 1, {
      what: "the listener",
    });
    return client;
  };
  const states = async () => {
    const [listener] = await shown(console, "SHOW LISTENERS");
    const servers = await shown(console, "SHOW SERVERS");
    return servers.filter(({ remote_pid }) => listener === undefined || remote_pid === listener["pid"])
      .map(({ database, state }) => `${database} ${state}`);
  };
  const backends = async () =>
    Number(
      (await node.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))[0]![
        "count"
      ],
    );
  const before = await backends();
  for (const command of ["PAUSE", "PAUSE postgres", "KILL postgres"]) {
    const client = await listening();
    assert.deepEqual(await states(), ["postgres@main active"]);
    if (command.startsWith("PAUSE")) {
      await succeed(console, `${command}@main`.replace("PAUSE@main", "PAUSE"));
      assert.deepEqual(await states(), ["postgres@main active"]); // it would miss notifications
      await succeed(console, `RESUME ${command.slice(6)}${command === "PAUSE" ? "" : "@main"}`);
      await client.close();
      await waitFor(async () => (await shown(console, "SHOW LISTENERS")).length === 0, {
        what: "nobody to listen",
      });
      assert.ok((await states()).includes("postgres@main idle"));
    }
    await succeed(console, `${command}@main`.replace("PAUSE@main", "PAUSE"));
    await waitFor(async () => (await states()).length === 0, { what: "no server connection" });
    await waitFor(async () => await backends() === before, { what: "no backend" });
    await succeed(console, command === "PAUSE" ? "RESUME" : "RESUME postgres@main");
    await client.close();
  }
});
