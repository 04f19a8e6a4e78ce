import assert from "node:assert/strict";
import { stringify } from "yaml";
import {
  errorOf,
  freePort,
  frontend,
  makeCerts,
  pgplexCommand,
  type PgplexProcess,
  psql,
  rowsOf,
  startPgplex,
  startPostgres,
  tempDir,
  waitFor,
  WireClient,
} from "../harness/mod.ts";

const { bind, execute, flush, parse, query, sync } = frontend;

/** Runs pgplex to its end. */
async function run(args: string[], options: { cwd?: string } = {}) {
  const [command, ...before] = pgplexCommand();
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...before, ...args],
    ...options,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(20_000),
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

const login = { user: "postgres", password: "a-secret-of-clients" };
const says = (pgplex: PgplexProcess, pattern: RegExp) =>
  waitFor(() => pattern.test(pgplex.log), { what: `the log to say ${pattern}` });

Deno.test("--version and --help answer on standard output, bad usage on standard error", async () => {
  const [version, help, unknown, positional, missing, empty] = await Promise.all([
    run(["--version"]),
    run(["--help"]),
    run(["--nonsense"]),
    run(["nonsense"]),
    run(["--config"]),
    run(["--config="]),
  ]);
  assert.match(version!.stdout, /^pgplex \d+\.\d+\.\d+\n$/);
  assert.match(help!.stdout, /Usage: pgplex \[--config FILE\]/);
  for (const { code, stderr } of [version!, help!]) assert.deepEqual([code, stderr], [0, ""]);
  for (const { code, stdout, stderr } of [unknown!, positional!, missing!, empty!]) {
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^pgplex: .+\n\npgplex .+\n\nUsage: /);
  }
  assert.match(unknown!.stderr, /--nonsense/);
});

Deno.test("import wants one file that can be read, and prints nothing else", async () => {
  await using dir = await tempDir();
  await Deno.writeTextFile(`${dir.path}/pgbouncer.ini`, "[databases]\na = host=h\n");
  const [none, missing, good] = await Promise.all([
    run(["import"]),
    run(["import", `${dir.path}/nowhere.ini`]),
    run(["import", `${dir.path}/pgbouncer.ini`]),
  ]);
  assert.deepEqual([none!.code, none!.stdout], [2, ""]);
  assert.deepEqual([missing!.code, missing!.stdout], [2, ""]);
  assert.match(missing!.stderr, /cannot read .*nowhere\.ini/);
  assert.equal(good!.code, 0);
  await Deno.writeTextFile(`${dir.path}/pgplex.yaml`, good!.stdout);
  assert.equal((await run(["--check", "--config", `${dir.path}/pgplex.yaml`])).code, 0);
});

Deno.test("demo says from where it runs", async () => {
  const { code, stdout, stderr } = await run(["demo"]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(stderr, /^pgplex: the demo .*\n.* task demo\n$/);
});

Deno.test("--check says which line of a file is wrong, and a start with that file ends with code 2", async (t) => {
  await using dir = await tempDir();
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${dir.path}/${name}`, text);
    return `${dir.path}/${name}`;
  };
  const good = await write("good.yaml", "clusters:\n  main:\n    nodes:\n      - { name: a, host: h }\n");
  const cases: [name: string, text: string, problems: RegExp[]][] = [
    ["a misspelt key", "clusters:\n  main:\n    nodes:\n      - { name: a, hots: h }\n", [
      /bad\.yaml:4:\d+: .*hots.*host/,
    ]],
    [
      "several problems at once",
      "listen:\n  port: many\npool:\n  pool_mode: sentence\nclusters:\n  main:\n    nodes: [{ name: a, host: h }]\n",
      [/bad\.yaml:2:9: .*listen\.port/, /bad\.yaml:4:14: .*pool_mode/],
    ],
    ["broken YAML", "clusters: {\n", [/bad\.yaml:\d+:\d+: /]],
    ["an empty file", "", [/bad\.yaml:\d+:\d+: .*clusters/]],
    [
      "a secret where none may stand",
      `auth:\n  users: { app: ["a-secret-in-a-list"] }\nclusters:\n  main:\n    nodes: [{ name: a, host: h }]\n`,
      [/bad\.yaml:2:\d+: .*auth\.users\.app/],
    ],
  ];
  await t.step("a good file is good", async () => {
    const { code, stdout, stderr } = await run(["--check", "--config", good]);
    assert.deepEqual([code, stdout, stderr], [0, `${good}: good\n`, ""]);
    const byDefault = await run(["--check"], { cwd: dir.path });
    assert.equal(byDefault.code, 1);
    assert.match(byDefault.stderr, /pgplex\.yaml/);
  });
  for (const [name, text, problems] of cases) {
    await t.step(name, async () => {
      const bad = await write("bad.yaml", text);
      const [checked, started] = await Promise.all([
        run(["--check", "--config", bad]),
        run(["--config", bad]),
      ]);
      assert.deepEqual([checked.code, started.code], [1, 2]);
      for (const { stdout, stderr } of [checked, started]) {
        assert.equal(stdout, "");
        for (const problem of problems) assert.match(stderr, problem);
        assert.doesNotMatch(stderr, /a-secret-in-a-list/);
        assert.doesNotMatch(stderr, /^\s+at /m); // no stack for a person's mistake
      }
    });
  }
  await t.step("a file that is not there", async () => {
    const nowhere = `${dir.path}/nowhere.yaml`;
    const [checked, started] = await Promise.all([
      run(["--check", "--config", nowhere]),
      run(["--config", nowhere]),
    ]);
    assert.deepEqual([checked.code, started.code], [1, 2]);
    for (const { stderr } of [checked, started]) assert.match(stderr, /nowhere\.yaml.*(not|no such)/i);
  });
});

Deno.test("certificates and keys that cannot be used are refused by --check, a start and SIGHUP, and the good ones stay", async (t) => {
  await using certs = await makeCerts();
  const { server, caFile, dir } = certs;
  const another = await certs.client("another");
  const write = async (name: string, text: string) => {
    await Deno.writeTextFile(`${dir}/${name}`, text);
    return `${dir}/${name}`;
  };
  const [truncatedCert, truncatedKey, junk] = await Promise.all([
    write("truncated.crt", server.cert.slice(0, 300)),
    write("truncated.key", server.key.slice(0, 100)),
    write("junk.pem", `${certs.ca}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`),
  ]);
  const config = (listen: Record<string, string> = {}, cluster: Record<string, string> = {}) => ({
    listen: {
      port,
      tls: { cert_file: server.certFile, key_file: server.keyFile, client_ca_file: caFile, ...listen },
    },
    log: { level: "debug" },
    clusters: {
      main: {
        nodes: [{ name: "a", host: "127.0.0.1", port: 1 }],
        tls: { mode: "verify-ca", ca_file: caFile, ...cluster },
      },
    },
  });
  const port = freePort();
  await using pgplex = await startPgplex({ config: config() });
  const cases: [name: string, config: Record<string, unknown>, key: string][] = [
    ["another's key", config({ key_file: another.keyFile }), "listen.tls.key_file"],
    ["a truncated key", config({ key_file: truncatedKey }), "listen.tls.key_file"],
    ["a truncated certificate", config({ cert_file: truncatedCert }), "listen.tls.cert_file"],
    ["a junk authority of clients", config({ client_ca_file: junk }), "listen.tls.client_ca_file"],
    ["a junk authority of a cluster", config({}, { ca_file: junk }), "clusters.main.tls.ca_file"],
    [
      "another's key for a cluster",
      config({}, { cert_file: server.certFile, key_file: another.keyFile }),
      "clusters.main.tls.key_file",
    ],
  ];
  const handshake = async () => {
    await using client = await WireClient.open(pgplex, { tls: { ca: certs.ca } });
    assert(client);
  };
  await handshake();
  for (const [name, bad, key] of cases) {
    await t.step(name, async () => {
      const path = await write("bad.yaml", stringify(bad));
      const [checked, started] = await Promise.all([
        run(["--check", "--config", path]),
        run(["--config", path]),
      ]);
      assert.deepEqual([checked.code, started.code], [1, 2]);
      const problem = new RegExp(`\\.yaml:\\d+:\\d+: Cannot use ${RegExp.escape(key)} as`);
      for (const { stderr } of [checked, started]) {
        assert.match(stderr, problem);
        assert.doesNotMatch(stderr, /^\s+at |PRIVATE/m);
      }
      await pgplex.reload(bad);
      await says(pgplex, problem);
      await handshake();
    });
  }

  await t.step("--health leaves no line that an operator has to read", async () => {
    const path = await write("good.yaml", stringify(config()));
    const { code } = await run(["--health", "--config", path]);
    assert.equal(code, 0);
    await says(pgplex, /DEBUG +connection ended during login.*left before the TLS handshake/);
    assert.doesNotMatch(pgplex.log, /login refused/);
  });
});

Deno.test("a port in use ends with code 1 and says which, and --health tells who answers", async () => {
  await using dir = await tempDir();
  const config = (port: number) => ({
    listen: { port },
    clusters: { main: { nodes: [{ name: "a", host: "127.0.0.1", port: 1 }] } },
  });
  await using pgplex = await startPgplex({ config: config(freePort()) });
  const [same, nobody] = [`${dir.path}/same.yaml`, `${dir.path}/nobody.yaml`];
  await Deno.writeTextFile(same, stringify(config(pgplex.port)));
  await Deno.writeTextFile(nobody, stringify(config(freePort())));
  const [second, healthy, unhealthy] = await Promise.all([
    run(["--config", same]),
    run(["--health", "--config", same]),
    run(["--health", "--config", nobody]),
  ]);
  assert.equal(second!.code, 1);
  assert.match(second!.stderr, new RegExp(`pgplex: cannot listen.*${pgplex.port}`));
  assert.deepEqual([healthy!.code, unhealthy!.code], [0, 1]);

  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await Deno.writeTextFile(nobody, stringify(config(silent.addr.port)));
  assert.equal((await run(["--health", "--config", nobody])).code, 1);

  await Deno.writeTextFile(same, stringify({ ...config(pgplex.port), log: { format: "json" } }));
  const third = await run(["--config", same]);
  assert.equal(third.code, 1);
  assert.match(JSON.parse(third.stderr).message, /cannot listen/);
});

Deno.test("signals reload, drain and stop, and no log holds a password", async (t) => {
  await using node = await startPostgres({ major: 18, superuserPassword: "a-secret-of-servers" });
  await using dir = await tempDir();
  await node.sql(`
    CREATE ROLE app LOGIN PASSWORD 'a-secret-of-apps'; ALTER ROLE postgres PASSWORD 'a-secret-of-clients';
    CREATE TABLE written (a int)`);
  const nodeSql = (text: string) => {
    const connected = WireClient.connect(node, login);
    return connected.then(async (client) => {
      await using _client = client;
      return rowsOf(await client.query(text));
    });
  };
  const logs: string[] = [];
  await Deno.writeTextFile(`${dir.path}/app.password`, "a-secret-of-apps\n");
  const config = (more: Record<string, unknown> = {}) => ({
    auth: { users: { postgres: login.password, app: { password_file: `${dir.path}/app.password` } } },
    routing: { default_cluster: "main" },
    clusters: {
      main: {
        nodes: [{ name: "main-1", host: node.host, port: node.port }],
        superuser: { user: "postgres", password_env: "PGPLEX_TEST_SECRET" },
      },
    },
    log: { level: "debug", format: "json" },
    ...more,
  });
  const start = (more: Record<string, unknown> = {}) =>
    startPgplex({ config: config(more), env: { PGPLEX_TEST_SECRET: "a-secret-of-the-environment" } });

  for (const pool_mode of ["session", "transaction"]) {
    await t.step(`SIGHUP puts a good file in force, in ${pool_mode} pooling, and clients stay`, async () => {
      await using pgplex = await start({ pool: { pool_mode } });
      await using client = await WireClient.connect(pgplex, login);
      await client.query("BEGIN; SET LOCAL work_mem = '5MB'");
      await pgplex.reload({
        ...config({ pool: { pool_mode, default_pool_size: 3 } }),
        auth: { users: { postgres: login.password, app: "a-secret-of-reloads" } },
      });
      await says(pgplex, /configuration reloaded/);
      assert.match(pgplex.log, /pool\.default_pool_size/);
      assert.deepEqual(rowsOf(await client.query("SHOW work_mem")), [["5MB"]]);
      await client.query("COMMIT");

      await pgplex.reload({
        ...config({ pool: { pool_mode } }),
        listen: { port: freePort() },
        instance: { id: 7 },
      });
      await says(pgplex, /take effect at the next start/);
      assert.match(pgplex.log, /listen\.port/);
      assert.match(pgplex.log, /instance\.id/);
      assert.deepEqual(rowsOf(await client.query("SELECT 1")), [["1"]]);

      await pgplex.reload("listen: { port: 1 }\nauth: { users: { app: [a-secret-of-broken-files] } }\n");
      await says(pgplex, /configuration refused, nothing changed/);
      assert.match(pgplex.log, /pgplex\.yaml:2:\d+/);
      assert.deepEqual(rowsOf(await client.query("SELECT 1")), [["1"]]);
      await using next = await WireClient.connect(pgplex, login);
      assert.deepEqual(rowsOf(await next.query("SELECT 1")), [["1"]]);
      await pgplex.reload(config({ pool: { pool_mode } }));
      await waitFor(() => pgplex.log.split("configuration reloaded").length === 4, {
        what: "the third reload",
      });
      logs.push(pgplex.log);
      assert.equal(await pgplex.stop(), 0);
    });

    await t.step(
      `SIGTERM ends idle clients and waits for a running transaction, ${pool_mode} pooling`,
      async () => {
        await using pgplex = await start({ pool: { pool_mode } });
        const idle = await WireClient.connect(pgplex, login);
        await idle.query("SELECT 1");
        const busy = await WireClient.connect(pgplex, login);
        await busy.query("BEGIN; DELETE FROM written; INSERT INTO written VALUES (1)");
        pgplex.signal("SIGTERM");
        const goodbye = errorOf(await idle.closed())!;
        assert.deepEqual([goodbye["S"], goodbye["C"]], ["FATAL", "57P01"]);
        await assert.rejects(WireClient.open(pgplex), /ECONNREFUSED|refused/);
        assert.equal((await busy.query("INSERT INTO written VALUES (2)")).at(-1)!.status, "T");
        assert.ok(pgplex.running);
        assert.equal((await busy.query("COMMIT")).at(-1)!.status, "I");
        assert.equal(errorOf(await busy.closed())!["C"], "57P01");
        assert.equal(await pgplex.stop(), 0);
        assert.deepEqual(await nodeSql("SELECT a FROM written"), [["1"], ["2"]]);
        logs.push(pgplex.log);
        await Promise.all([idle.close(), busy.close()]);
      },
    );

    await t.step(
      `SIGTERM does not wait for clients without a transaction, ${pool_mode} pooling`,
      async () => {
        const halves: [what: string, ...sent: Uint8Array[]][] = [
          ["half a Query", query("SELECT 1").subarray(0, 9)],
          ["half a long Query", query(`SELECT '${"x".repeat(200_000)}'`).subarray(0, 150_000)],
          ["a type byte", query("SELECT 1").subarray(0, 1)],
          ...(pool_mode === "session"
            ? []
            : [["a Parse without Sync", parse("SELECT 1")] as [string, Uint8Array]]),
        ];
        for (const [what, sent] of halves) {
          await using pgplex = await start({ pool: { pool_mode } });
          await using client = await WireClient.connect(pgplex, login);
          await client.query("SELECT 1");
          await client.send(sent!);
          await WireClient.connect(pgplex, login).then((other) => other.close()); // so it has been read
          pgplex.signal("SIGTERM");
          assert.equal(errorOf(await client.closed())!["C"], "57P01", what);
          assert.equal(await pgplex.stop(), 0);
        }
        await using pgplex = await start({
          pool: { pool_mode },
          clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: freePort() }] } },
        });
        await using greeted = await WireClient.open(pgplex);
        const refused = greeted.login(login).then(() => null, (error) => error);
        await says(pgplex, /cannot open a server connection/);
        pgplex.signal("SIGTERM");
        assert.equal((await refused)?.fields?.["C"], "57P01");
        assert.equal(await pgplex.stop(), 0);
      },
    );

    await t.step(`SIGTERM waits for a batch that ran something, ${pool_mode} pooling`, async () => {
      for (const flushed of pool_mode === "session" ? [false] : [false, true]) {
        await using pgplex = await start({ pool: { pool_mode } });
        await using client = await WireClient.connect(pgplex, login);
        const run = parse("INSERT INTO written VALUES (4)");
        await client.send(run, bind(), execute(), ...(flushed ? [flush()] : []));
        if (flushed) await client.readUntil("C");
        await WireClient.connect(pgplex, login).then((other) => other.close()); // so it has been read
        pgplex.signal("SIGTERM");
        await says(pgplex, /draining/);
        await assert.rejects(WireClient.open(pgplex), /ECONNREFUSED|refused/);
        await client.send(sync());
        assert.equal((await client.readUntil("Z")).at(-1)!.status, "I");
        assert.equal(errorOf(await client.closed())!["C"], "57P01");
        assert.equal(await pgplex.stop(), 0);
        assert.equal((await nodeSql("DELETE FROM written WHERE a = 4 RETURNING a")).length, 1);
      }
    });

    await t.step(
      `SIGTERM ends clients behind the transaction that they are in, ${pool_mode} pooling`,
      async () => {
        await using pgplex = await start({ pool: { pool_mode } });
        let ran = 0;
        // One transaction behind the other, until the session is ended between two.
        const runs = Array.from({ length: 4 }, async () => {
          await using client = await WireClient.connect(pgplex, login);
          while (await client.query("BEGIN").then(() => true, () => false)) {
            assert.deepEqual(rowsOf(await client.query("SELECT 1 FROM pg_sleep(0.02)")), [["1"]]);
            assert.equal((await client.query("COMMIT")).at(-1)!.status, "I");
            ran++;
          }
        });
        await waitFor(() => ran > 20, { what: "transactions" });
        assert.equal(await pgplex.stop("SIGTERM", 2_000), 0);
        await Promise.all(runs);
      },
    );

    await t.step(`SIGTERM waits no longer than shutdown_timeout, ${pool_mode} pooling`, async () => {
      await using pgplex = await start({ pool: { pool_mode }, shutdown_timeout: "300ms" });
      await using busy = await WireClient.connect(pgplex, login);
      await busy.query("BEGIN; INSERT INTO written VALUES (3)");
      assert.equal(await pgplex.stop("SIGTERM", 5_000), 0);
      assert.equal(errorOf(await busy.closed())!["C"], "57P01");
      await waitFor(
        async () =>
          (await nodeSql(
            "SELECT a FROM written WHERE a = 3 UNION ALL SELECT 1 FROM pg_locks WHERE relation = 'written'::regclass AND mode = 'RowExclusiveLock'",
          )).length === 0,
        {
          what: "the transaction to be rolled back",
        },
      );
      logs.push(pgplex.log);
    });

    await t.step(
      `SIGINT waits for transactions, another one stops at once, ${pool_mode} pooling`,
      async () => {
        await using pgplex = await start({ pool: { pool_mode } });
        await using busy = await WireClient.connect(pgplex, login);
        await busy.query("BEGIN");
        pgplex.signal("SIGINT");
        await says(
          pgplex,
          /SIGINT waits for transactions to end, and for sessions in session pooling; another one stops at once/,
        );
        await busy.query("INSERT INTO written VALUES (4)");
        assert.deepEqual(rowsOf(await busy.query("COMMIT; SELECT 'done'")), [["done"]]);
        if (pool_mode === "session") await busy.close();
        await waitFor(() => !pgplex.running, { what: "pgplex to stop" });
        assert.equal(await pgplex.stop(), 0);
        logs.push(pgplex.log);
      },
    );

    await t.step(
      `SIGTERM waits for all clients where shutdown_wait_for says so, ${pool_mode} pooling`,
      async () => {
        await using pgplex = await start({
          pool: { pool_mode },
          shutdown_wait_for: "clients",
          shutdown_timeout: "1ms",
        });
        const idle = await WireClient.connect(pgplex, login);
        pgplex.signal("SIGTERM");
        await says(pgplex, /draining.*wait_for.*clients/);
        assert.deepEqual(rowsOf(await idle.query("SELECT 'still'")), [["still"]]);
        await idle[Symbol.asyncDispose]();
        await waitFor(() => !pgplex.running, { what: "pgplex to stop" });
        assert.equal(await pgplex.stop(), 0);
        logs.push(pgplex.log);
      },
    );

    await t.step(`SIGQUIT, and SIGINT while draining, stop at once, ${pool_mode} pooling`, async () => {
      for (
        const [last, ...before] of [["SIGINT", "SIGTERM"], ["SIGQUIT"], [
          "SIGQUIT",
          "SIGINT",
        ]] as Deno.Signal[][]
      ) {
        await using pgplex = await start({ pool: { pool_mode } });
        await using busy = await WireClient.connect(pgplex, login);
        await busy.query("BEGIN");
        for (const signal of before) {
          pgplex.signal(signal);
          await says(pgplex, /draining/);
        }
        assert.equal(await pgplex.stop(last, 2_000), 0);
        assert.equal(errorOf(await busy.closed())!["C"], "57P01");
        logs.push(pgplex.log);
      }
    });
  }

  await t.step("SIGUSR1 pauses all databases until SIGUSR2, as PAUSE and RESUME do", async () => {
    await using pgplex = await start({ console: { admin_users: ["postgres"] } });
    await using client = await WireClient.connect(pgplex, login);
    await using console = await WireClient.connect(pgplex, { ...login, database: "pgplex" });
    await client.query("BEGIN");
    pgplex.signal("SIGUSR1");
    await says(pgplex, /pausing all databases/);
    assert.doesNotMatch(pgplex.log, /all databases are paused/);
    await client.query("COMMIT");
    await says(pgplex, /all databases are paused/);
    pgplex.signal("SIGUSR1");
    await says(pgplex, /PAUSE has not ended well.*already suspended\/paused/);
    const waiting = client.query("SELECT 'after'");
    await waitFor(
      async () => rowsOf(await console.query("SHOW POOLS")).some((row) => row.includes("1")),
      { what: "the client to wait" },
    );
    pgplex.signal("SIGUSR2");
    await says(pgplex, /resuming all databases/);
    assert.deepEqual(rowsOf(await waiting), [["after"]]);
    pgplex.signal("SIGUSR2");
    await says(pgplex, /RESUME is refused.*not paused\/suspended/);
    assert.equal(await pgplex.stop(), 0);
    logs.push(pgplex.log);
  });

  await t.step("a login in the middle of a drain is told that the server shuts down", async () => {
    await using pgplex = await start();
    await using busy = await WireClient.connect(pgplex, login);
    await busy.query("BEGIN");
    await using late = await WireClient.open(pgplex);
    await using _other = await WireClient.connect(pgplex, login); // so late has been accepted
    pgplex.signal("SIGTERM");
    await says(pgplex, /draining/);
    const thrown = await late.login(login).then(() => null, (error) => error);
    assert.equal(thrown?.fields?.["C"], "57P01");
    await busy.query("COMMIT");
    assert.equal(await pgplex.stop(), 0);
  });

  await t.step(
    "each line of log.format json is an object, and no password is in any log, at any level",
    async () => {
      for (const format of ["json", "text"]) {
        await using pgplex = await start({ log: { level: "trace", format } });
        await using client = await WireClient.connect(pgplex, {
          ...login,
          params: { application_name: "two\nlines" },
        });
        await client.query("SELECT 'a-secret-in-sql'; ALTER ROLE app PASSWORD 'a-secret-in-sql'");
        await client.query("a-secret-in-a-syntax-error");
        await WireClient.connect(pgplex, { ...login, password: "a-secret-that-is-wrong" }).catch(() => {});
        await WireClient.connect(pgplex, { user: "two\nlines", password: "a-secret-that-is-wrong" }).catch(
          () => {},
        );
        await WireClient.connect(pgplex, { user: "app", password: "a-secret-of-apps", database: "nothing" })
          .catch(() => {});
        await client.close();
        assert.equal(await pgplex.stop(), 0);
        logs.push(pgplex.log);
      }
      assert.equal(logs.length, 2 * 8 + 3);
      for (const [i, log] of logs.entries()) {
        const format = i === logs.length - 1 ? "text" : "json";
        // Deno opens its debugger at SIGUSR1, too, where pgplex runs from source; the executable has none.
        const lines = log.trim().split("\n").filter((line) =>
          !/^(Debugger listening on|Visit chrome:|Failed to start inspector server:)/.test(line)
        );
        assert.ok(lines.length >= 3, log);
        for (const line of lines) {
          assert.doesNotMatch(line, /a-secret/);
          if (format === "json") assert.equal(typeof JSON.parse(line).message, "string");
          else assert.match(line, /^\d{4}-\d\d-\d\dT\S+ [A-Z]+ +\S/);
        }
      }
    },
  );
});

Deno.test("a unix socket serves psql, is gone after a stop, and a stale one does not keep pgplex from starting", async () => {
  await using node = await startPostgres({ major: 18 });
  await using dir = await tempDir();
  const config = {
    listen: { unix_socket_dir: dir.path, port: freePort() },
    auth: { users: { postgres: "postgres" } },
    routing: { default_cluster: "main" },
    clusters: { main: { nodes: [{ name: "main-1", host: node.socketDir, port: node.port }] } },
  };
  const path = `${dir.path}/.s.PGSQL.${config.listen.port}`;
  const connection = {
    host: dir.path,
    port: config.listen.port,
    user: "postgres",
    password: "postgres",
    database: "postgres",
  };
  await using first = await startPgplex({ config });
  assert.equal((await psql(["-Atc", "SELECT 1"], { connection })).stdout, "1\n");
  await first.stop("SIGKILL");
  const { isSocket, mode } = await Deno.stat(path);
  assert.ok(isSocket);
  assert.equal(mode! & 0o777, 0o777); // any user of the machine, whatever pgplex's umask
  await using second = await startPgplex({ config });
  const { stdout, stderr } = await psql(["-Atc", "SELECT 2"], { connection });
  assert.equal(stdout, "2\n", stderr);
  const third = await run(["--config", second.configPath]);
  assert.equal(third.code, 1);
  assert.equal((await psql(["-Atc", "SELECT 3"], { connection })).stdout, "3\n");
  assert.equal(await second.stop(), 0);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("io_method says how sockets are served, and the log says how they are", async (t) => {
  await using node = await startPostgres({ major: 18 });
  const config = (io_method?: string) => ({
    ...(io_method && { io_method }),
    auth: { type: "trust", users: { postgres: "postgres" } },
    clusters: { main: { nodes: [{ name: "a", host: "127.0.0.1", port: node.port }] } },
  });
  const cases = [[undefined, "epoll"], ["epoll", "epoll"], ["runtime", "runtime"]] as const;
  for (const [asked, used] of cases) {
    await t.step(`io_method: ${asked ?? "left out"}`, async () => {
      await using pgplex = await startPgplex({ config: config(asked) });
      await says(pgplex, new RegExp(`pgplex is ready .*io_method=${used}$`, "m"));
      const url = pgplex.url({ user: node.superuser, database: "postgres@main" });
      assert.equal((await psql([url, "-Atc", "SELECT 1"])).stdout, "1\n");
      assert.equal(await pgplex.stop(), 0);
    });
  }
  await t.step("without the right to call the C library", async () => {
    await using dir = await tempDir();
    const [command, ...args] = pgplexCommand();
    // An executable has its rights built in.
    const limited = args.filter((flag) => !flag.startsWith("--allow-ffi"));
    if (limited.length === args.length) return;
    const path = `${dir.path}/pgplex.yaml`;
    await Deno.writeTextFile(path, stringify({ ...config("epoll"), listen: { port: freePort() } }));
    const { code, stderr } = await new Deno.Command(command, {
      args: [...limited, "--config", path],
      stdin: "null",
      signal: AbortSignal.timeout(20_000),
    }).output();
    assert.equal(code, 1);
    assert.match(
      new TextDecoder().decode(stderr),
      /^pgplex: .*io_method is epoll, which needs Linux .* --allow-ffi/,
    );
  });
});
