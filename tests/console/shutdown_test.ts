import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  type PgplexProcess,
  rowsOf,
  startPgplex,
  startPostgres,
  tagsOf,
  tempDir,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { failure, shown, succeed } from "../harness/console_shown.ts";
import { one } from "../harness/served.ts";

/** The exit code of a pgplex that ends by itself. */
async function exitCode(pgplex: PgplexProcess): Promise<number> {
  await waitFor(() => !pgplex.running, { what: "pgplex to end" });
  return (await pgplex.exited).code;
}

/** Nobody is let in any more. */
async function refuses(pgplex: PgplexProcess): Promise<void> {
  const open = () => WireClient.open(pgplex).then((client) => client.close().then(() => true), () => false);
  await waitFor(async () => !await open(), { what: "connections to be refused" });
}

Deno.test("SHUTDOWN stops pgplex in PgBouncer's three ways", async (t) => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  const start = (config: Record<string, unknown> = {}) =>
    startPgplex({
      config: {
        ...config,
        auth: { type: "trust" },
        routing: { default_cluster: "main" },
        clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
        console: { admin_users: ["postgres"] },
      },
    });
  const login = { user: "postgres" };
  const consoleLogin = { user: "postgres", database: "pgplex" };

  await t.step("SHUTDOWN ends everybody at once", async () => {
    await using pgplex = await start();
    await using console = await WireClient.connect(pgplex, consoleLogin);
    await using busy = await WireClient.connect(pgplex, login);
    await one(busy, "BEGIN");
    await console.query("SHUTDOWN").catch(() => {}); // the answer and the end may overtake each other
    assert.equal(errorOf(await busy.closed())!["C"], "57P01");
    assert.equal(await exitCode(pgplex), 0);
  });

  await t.step("SHUTDOWN WAIT_FOR_SERVERS lets transactions end, also with everything paused", async () => {
    await using pgplex = await start();
    await using console = await WireClient.connect(pgplex, consoleLogin);
    await using busy = await WireClient.connect(pgplex, login);
    await using waiting = await WireClient.connect(pgplex, login);
    await one(busy, "BEGIN");
    await using pausing = await WireClient.connect(pgplex, consoleLogin);
    const paused = pausing.query("PAUSE").catch(() => []);
    await waitFor(
      async () => (await shown(console, "SHOW STATE"))[1]!["value"] === "yes",
      { what: "the pause" },
    );
    await waiting.send(frontend.query("SELECT 1"));
    await waitFor(
      async () => (await shown(console, "SHOW POOLS"))[0]!["cl_waiting"] === "1",
      { what: "a client to wait" },
    );
    assert.deepEqual(tagsOf(await succeed(console, "SHUTDOWN WAIT_FOR_SERVERS")), ["SHUTDOWN"]);
    assert.equal(errorOf(await waiting.closed())!["C"], "57P01");
    await refuses(pgplex);
    assert.equal(await failure(console, "RESUME"), "08P01 pooler is shutting down");
    assert.equal(
      (await shown(console, "SHOW STATE")).find((r) => r["key"] === "shutting_down")!["value"],
      "yes",
    );
    assert.equal((await busy.query("COMMIT")).at(-1)!.status, "I");
    assert.equal(await exitCode(pgplex), 0);
    await paused;
  });

  await t.step("SHUTDOWN WAIT_FOR_CLIENTS serves on until the last client has left", async () => {
    await using pgplex = await start();
    await using console = await WireClient.connect(pgplex, consoleLogin);
    const client = await WireClient.connect(pgplex, login);
    await succeed(console, "SHUTDOWN WAIT_FOR_CLIENTS");
    await refuses(pgplex);
    for (let i = 0; i < 3; i++) assert.equal(await one(client, `SELECT ${i}`), String(i));
    assert.ok(pgplex.running);
    await client.close();
    assert.equal(await exitCode(pgplex), 0);
  });

  await t.step("who waits for clients can still wait for servers only, or stop at once", async () => {
    for (const how of ["SHUTDOWN WAIT_FOR_SERVERS", "SIGTERM", "SHUTDOWN"]) {
      await using pgplex = await start();
      await using console = await WireClient.connect(pgplex, consoleLogin);
      await using client = await WireClient.connect(pgplex, login);
      await succeed(console, "SHUTDOWN WAIT_FOR_CLIENTS");
      await refuses(pgplex);
      assert.equal(await one(client, "SELECT 1"), "1");
      if (how === "SIGTERM") pgplex.signal(how);
      else await console.query(how).catch(() => {});
      assert.equal(errorOf(await client.closed())!["C"], "57P01", how);
      assert.equal(await exitCode(pgplex), 0);
    }
  });

  for (const how of ["SHUTDOWN WAIT_FOR_SERVERS", "SIGINT", "SIGTERM"] as const) {
    const serves = how === "SIGTERM";
    await t.step(`${how} ${serves ? "serves" : "ends"} who waits for a server connection`, async () => {
      await using pgplex = await start({ pool: { default_pool_size: 1 } });
      await using console = await WireClient.connect(pgplex, consoleLogin);
      await using busy = await WireClient.connect(pgplex, login);
      await using waiting = await WireClient.connect(pgplex, login);
      await one(busy, "BEGIN");
      await waiting.send(frontend.query("SELECT 'served'"));
      await waitFor(
        async () => (await shown(console, "SHOW POOLS"))[0]!["cl_waiting"] === "1",
        { what: "a client to wait" },
      );
      if (how === "SHUTDOWN WAIT_FOR_SERVERS") await succeed(console, how);
      else pgplex.signal(how);
      if (serves) await refuses(pgplex);
      else assert.equal(errorOf(await waiting.closed())!["C"], "57P01");
      assert.equal((await busy.query("COMMIT")).at(-1)!.status, "I");
      if (serves) assert.deepEqual(rowsOf(await waiting.readUntil("Z")), [["served"]]);
      assert.equal(await exitCode(pgplex), 0);
    });
  }

  for (const how of ["SHUTDOWN WAIT_FOR_SERVERS", "SIGINT", "SIGTERM"] as const) {
    const ends = how === "SIGTERM";
    await t.step(
      `${how} ${ends ? "ends" : "waits for"} a session that has a server connection for its life`,
      async () => {
        await using pgplex = await start({ pool: { pool_mode: "session", default_pool_size: 1 } });
        await using console = await WireClient.connect(pgplex, consoleLogin);
        const owner = await WireClient.connect(pgplex, login);
        await one(owner, "SELECT 1");
        await using without = await WireClient.connect(pgplex, login);
        if (how === "SHUTDOWN WAIT_FOR_SERVERS") await succeed(console, how);
        else pgplex.signal(how);
        assert.equal(errorOf(await without.closed())!["C"], "57P01", "it has none, and would wait for one");
        if (ends) assert.equal(errorOf(await owner.closed())!["C"], "57P01");
        else {
          await refuses(pgplex);
          for (let i = 0; i < 3; i++) assert.equal(await one(owner, `SELECT ${i}`), String(i));
          await succeed(owner, "BEGIN; COMMIT");
          assert.ok(pgplex.running);
          await owner.close();
        }
        assert.equal(await exitCode(pgplex), 0);
      },
    );
  }

  for (const how of ["SHUTDOWN WAIT_FOR_SERVERS", "SHUTDOWN WAIT_FOR_CLIENTS"]) {
    await t.step(`${how} lets people into the console over the unix socket, and nobody else in`, async () => {
      await using dir = await tempDir();
      await using pgplex = await start({ listen: { unix_socket_dir: dir.path } });
      const local = { path: `${dir.path}/.s.PGSQL.${pgplex.port}` };
      await using console = await WireClient.connect(local, consoleLogin);
      const client = await WireClient.connect(pgplex, login);
      await one(client, "BEGIN");
      await succeed(console, how);
      await refuses(pgplex);
      await using late = await WireClient.connect(local, consoleLogin);
      assert.equal((await shown(late, "SHOW CLIENTS")).length, 3);
      await assert.rejects(WireClient.connect(local, login), /57P01/);
      await succeed(client, "COMMIT");
      await client.close();
      assert.equal(await exitCode(pgplex), 0);
      await assert.rejects(Deno.stat(local.path), Deno.errors.NotFound);
    });
  }

  await t.step("SHUTDOWN takes nothing else", async () => {
    await using pgplex = await start();
    await using console = await WireClient.connect(pgplex, consoleLogin);
    assert.match(await failure(console, "SHUTDOWN SOMETIME"), /^42601 /);
    assert.ok(pgplex.running);
  });
});
