import assert from "node:assert/strict";
import { stringify } from "yaml";
import {
  errorOf,
  frontend,
  rowsOf,
  startPgplex,
  startPostgres,
  waitFor,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { BOSS } from "../harness/console_served.ts";
import { one } from "../harness/served.ts";

/** A configuration as plain objects. */
type Plain = Record<string, unknown>;

const CLIENTS = 4;
const ROUNDS = 5;

Deno.test("clusters, nodes, aliases and users come and go under load, and only those notice who use them", async (t) => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  const nodeOf = (name: string) => ({ name, host: node.host, port: node.port });
  const base = {
    auth: { type: "scram-sha-256", users: { postgres: "p", [BOSS!]: "p" } as Plain },
    console: { admin_users: [BOSS] },
    clusters: { main: { nodes: [nodeOf("main-1")] } } as Plain,
    routing: { databases: { stays: { cluster: "main", database: "postgres" } } as Plain },
    pool: { default_pool_size: 3 },
  };
  const withCluster = { ...base, clusters: { ...base.clusters, more: { nodes: [nodeOf("more-1")] } } };
  const withNode = {
    ...base,
    clusters: { main: { nodes: [nodeOf("main-1"), { name: "main-2", host: "127.0.0.1", port: 1 }] } },
  };
  const withAlias = {
    ...base,
    routing: { databases: { ...base.routing.databases, more: { cluster: "main", database: "postgres" } } },
  };
  const withUser = { ...base, auth: { ...base.auth, users: { ...base.auth.users, more: "p" } } };
  await node.sql("CREATE ROLE more LOGIN");
  await using pgplex = await startPgplex({ config: base });
  await using console = await WireClient.connect(pgplex, { user: BOSS!, password: "p", database: "pgplex" });
  const login = (database: string, user = "postgres") =>
    WireClient.connect(pgplex, { user, password: "p", database });
  const refusal = async (database: string, user?: string) => {
    try {
      await (await login(database, user)).close();
      return "none";
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      return thrown.fields["C"];
    }
  };
  /** Alternately by SIGHUP and by RELOAD. */
  let reloads = 0;
  const reload = async (config: Plain) => {
    if (reloads++ % 2 === 0) {
      const lines = () => pgplex.log.split("configuration reloaded").length;
      const before = lines();
      await pgplex.reload(config);
      await waitFor(() => lines() > before, { what: "the configuration to be read again", everyMs: 5 });
    } else {
      await Deno.writeTextFile(pgplex.configPath, stringify({ ...config, listen: { port: pgplex.port } }));
      assert.equal(errorOf(await console.query("RELOAD")), null);
    }
  };

  // The load: transactions, single statements, and logins, on what nobody removes.
  let over = false;
  let done = 0;
  const failures: string[] = [];
  const load = Array.from({ length: CLIENTS }, async (_, index) => {
    const database = index % 2 === 0 ? "postgres@main" : "stays";
    try {
      while (!over) {
        await using client = await login(database);
        for (let i = 0; i < 20 && !over; i++) {
          await one(client, "BEGIN");
          await one(client, "SET LOCAL work_mem = '5MB'");
          assert.equal(await one(client, "SHOW work_mem"), "5MB");
          await one(client, "COMMIT");
          assert.equal(await one(client, "SELECT 42"), "42");
          done++;
        }
        await client.close();
      }
    } catch (thrown) {
      failures.push(String(thrown));
    }
  });

  try {
    for (let round = 1; round <= ROUNDS; round++) {
      await t.step(`round ${round}`, async () => {
        const before = done;
        await reload(withCluster);
        const [idle, busy] = [await login("postgres@more"), await login("postgres@more")];
        const walker = await WireClient.connect(pgplex, {
          user: "postgres",
          password: "p",
          database: "postgres@more",
          params: { replication: "database" },
        });
        await one(idle, "SELECT 1");
        await one(busy, "BEGIN");
        await reload(base);
        const goodbye = errorOf(await idle.closed())!;
        assert.deepEqual([goodbye["S"], goodbye["C"]], ["FATAL", "57P01"]);
        assert.match(goodbye["M"]!, /cluster "more" was removed from the configuration/);
        assert.equal(await one(busy, "SELECT 7"), "7"); // a transaction goes on to its end
        await one(busy, "COMMIT");
        await busy.send(new Uint8Array([0x51, 0, 0, 0, 5, 0]));
        assert.equal(errorOf(await busy.closed())!["C"], "57P01");
        assert.equal(await refusal("postgres@more"), "3D000");
        await walker.closed();
        await Promise.all([idle.close(), busy.close(), walker.close()]);

        await reload(withNode);
        assert.equal(await refusal("postgres@main"), "none");
        await reload(withAlias);
        await using alias = await login("more");
        await one(alias, "SELECT 1");
        await reload(base);
        assert.match(errorOf(await alias.closed())!["M"]!, /database "more" was removed/);
        assert.equal(await refusal("more"), "3D000");

        await reload(withAlias);
        await using last = await login("more");
        await one(last, "BEGIN");
        await using other = await WireClient.connect(pgplex, {
          user: BOSS!,
          password: "p",
          database: "pgplex",
        });
        await other.send(frontend.query("PAUSE more"));
        const paused = async () => rowsOf(await console.query("SHOW STATE"))[3]![1] === "more";
        await waitFor(paused, { what: "the pause" });
        await reload(base);
        assert.equal(
          errorOf(await other.readUntil("Z"))!["M"],
          'canceling PAUSE as database "more" was removed',
        );
        assert.equal(await paused(), false);

        await reload(withUser);
        await using user = await login("postgres@main", "more");
        await reload(base);
        assert.equal(await refusal("postgres@main", "more"), "28P01");
        assert.equal(await one(user, "SELECT 1"), "1"); // as in PostgreSQL, who is in stays in
        await waitFor(() => done > before + 5 || failures.length > 0, { what: "the load to go on" });
        assert.deepEqual(failures, []);
      });
    }
  } finally {
    over = true;
    await Promise.all(load);
  }
  assert.deepEqual(failures, []);
  assert.doesNotMatch(pgplex.log, /internal error/);
});

Deno.test("a reload that moves a node takes along the clients that hold nothing of it, with their state", async () => {
  await using from = await startPostgres({ major: 18, auth: "trust" });
  await using to = await startPostgres({ major: 18, auth: "trust" });
  const configOf = (node: { host: string; port: number }) => ({
    auth: { type: "scram-sha-256", users: { postgres: "p" } },
    clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
  });
  await using pgplex = await startPgplex({ config: configOf(from) });
  const login = () =>
    WireClient.connect(pgplex, { user: "postgres", password: "p", database: "postgres@main" });
  const port = "SELECT inet_server_port()";
  await using idle = await login();
  await using busy = await login();
  await using pinned = await login();
  await one(idle, "SET work_mem = '5MB'");
  await one(idle, "PREPARE port AS SELECT inet_server_port()");
  assert.equal(await one(idle, "EXECUTE port"), String(from.port));
  await one(busy, "BEGIN");
  await one(pinned, "CREATE TEMPORARY TABLE mine ()");

  await pgplex.reload(configOf(to));
  await waitFor(() => pgplex.log.includes("configuration reloaded"), { what: "the reload" });

  assert.equal(await one(idle, "EXECUTE port"), String(to.port));
  assert.equal(await one(idle, "SHOW work_mem"), "5MB");
  assert.equal(await one(busy, port), String(from.port)); // a transaction goes on to its end
  await one(busy, "COMMIT");
  assert.equal(await one(busy, port), String(to.port));
  const goodbye = errorOf(await pinned.closed())!;
  assert.deepEqual([goodbye["S"], goodbye["C"]], ["FATAL", "57P01"]);
  assert.match(goodbye["M"]!, /node "main-1" of cluster "main" was removed or moved in the configuration/);
  assert.equal(await one(idle, port), String(to.port));
});
