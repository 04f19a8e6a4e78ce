import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  makeCerts,
  type PgplexProcess,
  type PostgresNode,
  rowsOf,
  startPgplex,
  startPostgres,
  tempDir,
  waitFor,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { BOSS, enter } from "../harness/console_served.ts";
import { succeed } from "../harness/console_shown.ts";
import { one } from "../harness/served.ts";

/** A configuration as plain objects. */
type Plain = Record<string, unknown>;

/** Every pool key that a step below watches taking effect has an alias of its own, named after it. */
const ALIASES: Record<string, Plain> = {
  default_pool_size: { default_pool_size: 1 },
  pool_mode: {},
  min_pool_size: {},
  reserve_pool_size: { default_pool_size: 1, reserve_pool_timeout: "50ms" },
  reserve_pool_timeout: { default_pool_size: 1, reserve_pool_size: 1, reserve_pool_timeout: "1h" },
  max_db_connections: { database: "limited", max_db_connections: 1 },
  max_user_connections: { max_user_connections: 1 },
  query_wait_timeout: { default_pool_size: 1 },
  server_connect_timeout: { cluster: "silent", query_wait_timeout: "500ms", server_login_retry: "10ms" },
  server_idle_timeout: {},
  server_lifetime: {},
  server_fast_close: { pool_mode: "session" },
  client_idle_timeout: {},
  idle_transaction_timeout: {},
  transaction_timeout: {},
  max_db_client_connections: {},
  max_user_client_connections: {},
  connect_query: {},
  query_timeout: {},
  pin_timeout: {},
  max_prepared_statements: { default_pool_size: 1 },
  state_check: {},
  server_reset: {},
  pin_policy: {},
  currval: {},
  commit_guard: {},
  directives: {},
  options_allowed: {},
};

/** One PostgreSQL server, and a configuration in front of it. */
function configOf(node: PostgresNode, silentPort: number): Plain {
  const databases = Object.entries(ALIASES).map(([name, keys]) => [
    name,
    { cluster: "main", database: "postgres", ...keys },
  ]);
  return {
    auth: { type: "trust" },
    console: { admin_users: [BOSS] },
    routing: { databases: Object.fromEntries(databases) },
    clusters: {
      main: {
        nodes: [{ name: "main-1", host: node.host, port: node.port }],
        superuser: { user: "postgres", database: "postgres" },
      },
      silent: { nodes: [{ name: "silent-1", host: "127.0.0.1", port: silentPort }] },
    },
  };
}

async function reload(pgplex: PgplexProcess, console: WireClient, config: Plain): Promise<void> {
  const before = pgplex.log.split("configuration reloaded").length;
  await pgplex.reload(config);
  await waitFor(() => pgplex.log.split("configuration reloaded").length > before, {
    what: "the configuration to be read again",
    everyMs: 5,
  });
  assert.equal(errorOf(await console.query("SHOW VERSION")), null);
}

/** The SQLSTATE with which a login is refused; "none" for one that is not. */
async function refusal(opening: Promise<WireClient>): Promise<string> {
  try {
    await (await opening).close();
    return "none";
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown;
    return thrown.fields["C"]!;
  }
}

Deno.test("each pool key that is SET takes effect while clients are connected", async (t) => {
  await using node = await startPostgres({ major: 18, auth: "trust", settings: { max_connections: "100" } });
  await node.sql("CREATE DATABASE limited");
  await node.sql("CREATE ROLE other SUPERUSER LOGIN; CREATE ROLE solo LOGIN");
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port: silentPort } = silent.addr as Deno.NetAddr;
  await using pgplex = await startPgplex({ config: configOf(node, silentPort) });
  await using console = await enter(pgplex);
  const login = (database: string, user = "postgres") => WireClient.connect(pgplex, { user, database });
  const set = async (alias: string, value: string, key = alias) => {
    assert.equal(errorOf(await console.query(`SET databases.${alias}.${key} = ${value}`)), null);
  };
  const table = async (show: string): Promise<Record<string, string | null>[]> => {
    const messages = await console.query(`SHOW ${show}`);
    const columns = messages.find(({ type }) => type === "T")!.columns!;
    return rowsOf(messages).map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]!])));
  };
  const session = async (alias: string) =>
    (await table("sessions")).find(({ database }) => database === alias)!;
  const servers = async (alias: string) =>
    (await table("servers")).filter(({ database }) => database === alias);
  /** One client holds what there is; another waits, and is served when `change` is made. */
  const servedAfter = async (alias: string, users: [string, string], change: () => Promise<void>) => {
    await using first = await login(alias, users[0]);
    await one(first, "BEGIN");
    const opening = login(alias, users[1]).then(async (client) => {
      const value = await one(client, "SELECT 42");
      await client.close();
      return value;
    });
    await waitFor(
      async () =>
        (await table("pools")).some((row) => row["database"] === alias && row["cl_waiting"] === "1"),
      {
        what: "the second client to wait",
      },
    );
    await change();
    assert.equal(await opening, "42");
    await one(first, "COMMIT");
  };
  const postgres: [string, string] = ["postgres", "postgres"];

  const steps: Record<string, () => Promise<void>> = {
    default_pool_size: () => servedAfter("default_pool_size", postgres, () => set("default_pool_size", "2")),
    reserve_pool_size: () => servedAfter("reserve_pool_size", postgres, () => set("reserve_pool_size", "1")),
    reserve_pool_timeout: () =>
      servedAfter("reserve_pool_timeout", postgres, () => set("reserve_pool_timeout", "20ms")),
    max_db_connections: () =>
      servedAfter("max_db_connections", ["postgres", "other"], () => set("max_db_connections", "0")),
    max_user_connections: () =>
      servedAfter("max_user_connections", ["solo", "solo"], () => set("max_user_connections", "0")),
    pool_mode: async () => {
      await set("pool_mode", "session");
      await using _client = await login("pool_mode");
      assert.equal((await session("pool_mode"))["pool_mode"], "session");
    },
    min_pool_size: async () => {
      await using _client = await login("min_pool_size");
      await set("min_pool_size", "3");
      await waitFor(async () => (await servers("min_pool_size")).length === 3, { what: "three servers" });
    },
    query_wait_timeout: async () => {
      await using first = await login("query_wait_timeout");
      await using second = await login("query_wait_timeout");
      await one(first, "BEGIN");
      await set("query_wait_timeout", "100ms");
      assert.equal(errorOf(await second.query("SELECT 1"))!["C"], "53300");
    },
    server_connect_timeout: async () => {
      assert.equal(await refusal(login("server_connect_timeout")), "53300");
      await set("server_connect_timeout", "50ms");
      await waitFor(async () => await refusal(login("server_connect_timeout")) === "08001", {
        what: "the server not to be waited for",
      });
    },
    server_idle_timeout: async () => {
      await using client = await login("server_idle_timeout");
      await one(client, "SELECT 1");
      await set("server_idle_timeout", "50ms");
      await waitFor(async () => (await servers("server_idle_timeout")).length === 0, { what: "no server" });
    },
    server_lifetime: async () => {
      await using client = await login("server_lifetime");
      await one(client, "SELECT 1");
      await set("server_lifetime", "50ms");
      await waitFor(async () => (await servers("server_lifetime")).length === 0, { what: "no server" });
    },
    server_fast_close: async () => {
      await using client = await login("server_fast_close");
      await one(client, "SELECT 1");
      await set("server_fast_close", "on");
      await succeed(console, "RECONNECT server_fast_close");
      assert.equal(errorOf(await client.closed())!["C"], "57P01");
    },
    client_idle_timeout: async () => {
      await using client = await login("client_idle_timeout");
      await set("client_idle_timeout", "50ms");
      assert.equal(errorOf(await client.closed())!["C"], "57P05");
    },
    idle_transaction_timeout: async () => {
      await using client = await login("idle_transaction_timeout");
      await one(client, "BEGIN");
      await set("idle_transaction_timeout", "50ms");
      assert.equal(errorOf(await client.closed())!["C"], "25P03");
    },
    transaction_timeout: async () => {
      await using client = await login("transaction_timeout");
      await client.send(frontend.query("BEGIN; SELECT pg_sleep(60)"));
      await set("transaction_timeout", "50ms");
      assert.equal(errorOf(await client.closed())!["C"], "25P04");
    },
    max_db_client_connections: async () => {
      await using _client = await login("max_db_client_connections");
      await set("max_db_client_connections", "1");
      assert.equal(await refusal(login("max_db_client_connections", "other")), "53300");
      await set("max_db_client_connections", "2");
      assert.equal(await refusal(login("max_db_client_connections", "other")), "none");
    },
    max_user_client_connections: async () => {
      await using _client = await login("max_user_client_connections", "solo");
      await set("max_user_client_connections", "1");
      assert.equal(await refusal(login("max_user_client_connections", "solo")), "53300");
      assert.equal(await refusal(login("max_user_client_connections", "other")), "none");
    },
    connect_query: async () => {
      await set("connect_query", "'BEGIN; SET work_mem = ''7MB''; COMMIT'");
      await using client = await login("connect_query");
      assert.equal(await one(client, "SHOW work_mem"), "7MB");
      // One that fails is logged, and leaves nothing open.
      await set("connect_query", "'BEGIN; SELECT 1/0'");
      await console.query("RECONNECT connect_query");
      assert.equal(await one(client, "SELECT now() = statement_timestamp()"), "t");
      assert.match(pgplex.log, /connect_query failed.*division by zero/);
    },
    query_timeout: async () => {
      await using client = await login("query_timeout");
      await client.send(frontend.query("SELECT pg_sleep(60)"));
      await waitFor(async () => (await session("query_timeout"))["state"] === "active", {
        what: "the query",
      });
      await set("query_timeout", "50ms");
      assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
      assert.equal(await one(client, "SELECT 1"), "1");
    },
    pin_policy: async () => {
      await using client = await login("pin_policy");
      await set("pin_policy", "refuse");
      await client.send(frontend.query("CREATE TEMP TABLE refused (a int)"));
      assert.equal(errorOf(await client.closed())!["C"], "0A000");
    },
    currval: async () => {
      await using client = await login("currval");
      await set("currval", "ignore");
      await client.query("SELECT lastval()");
      await waitFor(async () => (await session("currval"))["server"] === null, { what: "the lease to end" });
      assert.equal((await session("currval"))["pinned"], null);
    },
    commit_guard: async () => {
      await node.sql(`CREATE TABLE guarded (a int);
        CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(100); RETURN NEW; END $$;
        CREATE CONSTRAINT TRIGGER sleeping AFTER INSERT ON guarded DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION sleeps()`);
      await using client = await login("commit_guard");
      const commits = async () => {
        await client.query("BEGIN");
        await client.query("INSERT INTO guarded VALUES (1)");
        await client.send(frontend.query("COMMIT"));
        const ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        await waitFor(async () => (await node.sql(ends)).length > 0, { what: "the COMMIT" });
        return errorOf(await client.readUntil("Z"))!["C"];
      };
      assert.equal(await commits(), "08007");
      await set("commit_guard", "'on'");
      assert.equal(await commits(), "40001");
    },
    directives: async () => {
      await using client = await login("directives");
      await set("directives", "strict");
      assert.equal(errorOf(await client.query("--!pgplex nonsense\nSELECT 1"))!["C"], "42601");
    },
    options_allowed: async () => {
      await using client = await login("options_allowed");
      assert.equal(errorOf(await client.query("SET pgplex.intent = read")), null);
      await set("options_allowed", "tag");
      assert.equal(errorOf(await client.query("SET pgplex.intent = read"))!["C"], "42501");
      assert.equal(errorOf(await client.query("SET pgplex.tag = x")), null);
    },
    pin_timeout: async () => {
      await using client = await login("pin_timeout");
      await one(client, "CREATE TEMP TABLE pinned (a int)");
      await waitFor(async () => (await session("pin_timeout"))["pinned"] !== null, { what: "the pin" });
      await set("pin_timeout", "50ms");
      assert.equal(errorOf(await client.closed())!["C"], "57P05");
    },
    state_check: async () => {
      await set("state_check", "off");
      await using client = await login("state_check");
      await one(client, "CREATE TEMP TABLE unseen (a int)");
      await waitFor(async () => (await session("state_check"))["server"] === null, {
        what: "the lease to end",
      });
      assert.equal((await session("state_check"))["pinned"], null);
    },
    server_reset: async () => {
      await using client = await login("server_reset");
      const pid = () => one(client, "SELECT pg_backend_pid()");
      assert.equal(await pid(), await pid());
      await set("server_reset", "always");
      await pid(); // the last lease of the connection that was there
      assert.notEqual(await pid(), await pid());
    },
    max_prepared_statements: async () => {
      await using client = await login("max_prepared_statements");
      const prepare = async (name: string) => {
        await client.send(
          frontend.parse(`SELECT ${name.length}, '${name}'`, { name }),
          frontend.bind({ statement: name }),
          frontend.execute(),
          frontend.sync(),
        );
        assert.equal(errorOf(await client.readUntil("Z")), null);
      };
      for (const name of ["a", "b", "c", "d"]) await prepare(name);
      const kept = async () => Number((await servers("max_prepared_statements"))[0]!["prepared_statements"]);
      assert.ok(await kept() >= 4);
      await set("max_prepared_statements", "2");
      await prepare("e");
      await waitFor(async () => (await prepare("e" + crypto.randomUUID().slice(0, 4)), await kept() <= 3), {
        what: "fewer prepared statements",
      });
    },
  };
  assert.deepEqual(Object.keys(steps).sort(), Object.keys(ALIASES).sort());
  for (const [key, step] of Object.entries(steps)) await t.step(key, step);
  assert.doesNotMatch(pgplex.log, /internal error/);
});

Deno.test("each other setting that a reload changes takes effect while clients are connected", async (t) => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await node.sql("CREATE ROLE asked LOGIN PASSWORD 'a-secret-of-asked'");
  await using certs = await makeCerts();
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/users.txt`, '"postgres" "from-a-list"\n');
  const base = configOf(node, 1);
  await using pgplex = await startPgplex({ config: base });
  await using console = await enter(pgplex);
  await using resident = await WireClient.connect(pgplex, { user: "postgres", database: "postgres@main" });
  const login = (database: string, password?: string, user = "postgres") =>
    refusal(WireClient.connect(pgplex, { user, database, ...(password !== undefined && { password }) }));
  const passwords = (password: string, more: Plain = {}) => ({
    ...base,
    auth: { type: "scram-sha-256", users: { postgres: password }, ...more },
  });
  const step = async (name: string, config: Plain, check: () => Promise<void>) => {
    await t.step(name, async () => {
      await reload(pgplex, console, config);
      await check();
      assert.equal(await one(resident, "SELECT 1"), "1"); // whoever is connected notices nothing
      await reload(pgplex, console, base);
    });
  };

  await step("listen.max_client_conn", { ...base, listen: { max_client_conn: 1 } }, async () => {
    assert.equal(await login("postgres@main"), "53300");
    await using _another = await enter(pgplex); // there is room for the console all the same
  });
  await step(
    "listen.client_login_timeout",
    { ...base, listen: { client_login_timeout: "50ms" } },
    async () => {
      await using mute = await WireClient.open(pgplex);
      assert.equal(errorOf(await mute.closed())!["C"], "08006");
      await reload(pgplex, console, { ...base, listen: { client_login_timeout: "0s" } }); // for ever
      assert.equal(await login("postgres@main"), "none");
    },
  );
  const tls = { mode: "require", cert_file: certs.server.certFile, key_file: certs.server.keyFile };
  await step("listen.tls", { ...base, listen: { tls } }, async () => {
    assert.equal(await login("postgres@main"), "28000");
    const who = { user: "postgres", database: "postgres@main" };
    await using _client = await WireClient.connect(pgplex, who, { tls: { ca: certs.ca } });
  });
  await step("auth.type and auth.users", passwords("first"), async () => {
    assert.equal(await login("postgres@main", "first"), "none");
    assert.equal(await login("postgres@main", "second"), "28P01");
    await reload(pgplex, console, passwords("second"));
    assert.equal(await login("postgres@main", "second"), "none");
    assert.equal(await login("postgres@main", "first"), "28P01");
    await reload(pgplex, console, {
      ...passwords("x"),
      auth: { type: "scram-sha-256", users: { other: "x" } },
    });
    assert.equal(await login("postgres@main", "second"), "28P01");
  });
  const listed = { users: {}, users_file: `${dir.path}/users.txt` };
  await step("auth.users_file", passwords("", listed), async () => {
    assert.equal(await login("postgres@main", "from-a-list"), "none");
  });
  await step("users", { ...base, users: { postgres: { max_user_client_connections: 1 } } }, async () => {
    assert.equal(await login("postgres@main"), "53300");
    assert.equal(await login("postgres@main", undefined, "asked"), "none");
  });
  const aliases = {
    forced: { cluster: "main", database: "postgres", user: "asked" },
    "*": { cluster: "main" },
  };
  await step("routing.databases", { ...base, routing: { databases: aliases } }, async () => {
    for (const [database, user] of [["forced", "asked"], ["postgres", "postgres"]]) {
      await using client = await WireClient.connect(pgplex, { user: "postgres", database: database! });
      assert.equal(await one(client, "SELECT current_user"), user);
    }
    const names = rowsOf(await console.query("SHOW DATABASES")).map(([name]) => name);
    assert.deepEqual(names.filter((name) => name !== "postgres@main"), ["forced", "postgres", "pgplex"]);
  });
  const own = {
    ...passwords("x"),
    routing: {
      databases: {
        looks: { cluster: "main", database: "postgres", auth_query: true, auth_database: "template1" },
        not: { cluster: "main", database: "postgres" },
      },
    },
  };
  await step("routing.databases.*.auth_query", own, async () => {
    assert.equal(await login("looks", "a-secret-of-asked", "asked"), "none");
    assert.equal(await login("not", "a-secret-of-asked", "asked"), "28P01");
  });
  await Deno.writeTextFile(
    `${dir.path}/hba`,
    "host all postgres 127.0.0.0/8 password\nhost all asked all reject\nhost pgplex all all trust\n",
  );
  await step("auth.hba_file", passwords("x", { type: "hba", hba_file: `${dir.path}/hba` }), async () => {
    assert.equal(await login("postgres@main", "x"), "none");
    assert.equal(await login("postgres@main", "y"), "28P01");
    assert.equal(await login("postgres@main", "x", "asked"), "28000");
    assert.equal(await login("postgres@main", "x", "somebody"), "28000");
  });
  await step("auth.query", passwords("x", { query: true }), async () => {
    assert.equal(await login("postgres@main", "a-secret-of-asked", "asked"), "none");
    assert.equal(await login("postgres@main", "wrong", "asked"), "28P01");
    // Without a default cluster no cluster says who may enter the console.
    assert.equal(await login("pgplex", "a-secret-of-asked", "asked"), "28P01");
    const admins = { console: { admin_users: [BOSS, "asked"] } };
    await reload(pgplex, console, { ...passwords("x", { query: true }), ...admins });
    assert.equal(await login("pgplex", "a-secret-of-asked", "asked"), "08001");
  });
  const looked = passwords("x", { query: true, lookup_database: "template1@main" });
  await step("auth.lookup_database", looked, async () => {
    assert.equal(await login("postgres@main", "a-secret-of-asked", "asked"), "none");
    assert.equal(await login("pgplex", "a-secret-of-asked", "asked"), "42501", "known, and no administrator");
    await succeed(console, 'DISABLE "template1@main"');
    for (const name of ["postgres@main", "pgplex"]) {
      assert.equal(await login(name, "a-secret-of-asked", "asked"), "08001");
    }
    assert.equal(await login("postgres@main", "x"), "none");
    await succeed(console, 'ENABLE "template1@main"');
    assert.equal(await login("postgres@main", "a-secret-of-asked", "asked"), "none");
  });
  const databases = { more: { cluster: "main", database: "template1" } };
  await step(
    "routing",
    { ...base, routing: { separator: "::", default_cluster: "main", databases } },
    async () => {
      assert.deepEqual(await Promise.all(["postgres::main", "postgres", "more"].map((name) => login(name))), [
        "none",
        "none",
        "none",
      ]);
      assert.equal(await login("pool_mode"), "3D000");
    },
  );
  const clusters = base["clusters"] as Plain;
  await t.step("clusters.*.tls.mode", async () => {
    await reload(pgplex, console, {
      ...base,
      clusters: { ...clusters, main: { ...clusters["main"] as Plain, tls: { mode: "require" } } },
      pool: { query_wait_timeout: "300ms", server_login_retry: "10ms" },
    });
    // The server has no TLS: neither a new connection nor one from before may serve anybody.
    assert.notEqual(await login("template1@main"), "none");
    const refused = errorOf(await resident.query("SELECT 1"));
    assert.match(refused!["M"]!, /does not support TLS/);
    await reload(pgplex, console, base);
    assert.equal(await one(resident, "SELECT 1"), "1");
  });
  await step("console.*_users and console.aliases", {
    ...base,
    console: { aliases: ["admin"], admin_users: [BOSS, "second"], stats_users: ["third"] },
  }, async () => {
    assert.equal(await login("admin", undefined, "second"), "none");
    assert.equal(await login("pgplex", undefined, "third"), "none");
    assert.equal(await login("pgbouncer", undefined, "third"), "3D000");
  });
  await step(
    "log.level and log.stats_period",
    { ...base, log: { level: "debug", stats_period: "50ms" } },
    async () => {
      await waitFor(() => /DEBUG/.test(pgplex.log) && /INFO +stats/.test(pgplex.log), { what: "more lines" });
    },
  );
  await t.step("shutdown_timeout", async () => {
    await reload(pgplex, console, { ...base, shutdown_timeout: "50ms" });
    await one(resident, "BEGIN");
    assert.equal(await pgplex.stop("SIGTERM", 5_000), 0);
    assert.equal(errorOf(await resident.closed())!["C"], "57P01");
  });
  assert.doesNotMatch(pgplex.log, /internal error|a-secret/);
});
