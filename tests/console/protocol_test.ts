import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import {
  cancel,
  errorOf,
  frontend,
  makeCerts,
  pgOptions,
  postgresOptions,
  psql,
  rowsOf,
  tagsOf,
  tempDir,
  typesOf,
  waitFor,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { rowsByName } from "../harness/console_shown.ts";
import { BOSS, consoleConnection, enter, EYE, NOBODY, startConsole } from "../harness/console_served.ts";

const NO_SERVER = 1; // nothing listens there: the console needs no cluster that answers

Deno.test("the console speaks both protocols with psql, drivers and bare messages", async (t) => {
  await using pgplex = await startConsole(NO_SERVER);

  await t.step("psql gets tables, several statements, and errors with hints", async () => {
    const connection = consoleConnection(pgplex);
    const shown = await psql(["-At", "-c", "SHOW VERSION", "-c", "SHOW pool.default_pool_size"], {
      connection,
    });
    assert.match(shown.stdout, /^pgplex \d+\.\d+\.\d+\npool\.default_pool_size\|20\|default\|live\|/);
    const mixed = await psql(["-c", "BEGIN; SET default_pool_size = 21; COMMIT; bogus; SHOW VERSION"], {
      connection,
    });
    assert.equal(mixed.stdout, "BEGIN\nSET\nCOMMIT\n");
    assert.match(mixed.stderr, /^ERROR: {2}invalid command 'bogus', use SHOW HELP;/);
    const wrong = await psql(["-c", "SHOW clusters.mian"], { connection });
    assert.match(
      wrong.stderr,
      /ERROR: {2}"clusters\.mian" does not exist\nDETAIL: {2}clusters has: main\.\nHINT: {2}Did you mean "main"\?/,
    );
    const near = await psql(["-c", "SHOW default_pool_sze"], { connection });
    assert.match(near.stderr, /HINT: {2}Did you mean "default_pool_size"\?/);
    const elsewhere = await psql([
      ...[
        "-c",
        "PAUSE Shop@main",
        "-c",
        "RESUME SHOP@main",
        "-c",
        "RESUME shop@Main",
        "-c",
        "RESUME Shop@main",
      ],
      ...["-c", "SHOW CLIENTS WHERE user = 1", "-c", "SHOW pgplex.tag"],
    ], { connection });
    assert.equal(elsewhere.stdout, "PAUSE\nRESUME\n");
    assert.match(
      elsewhere.stderr,
      new RegExp([
        "ERROR: {2}database SHOP@main is not paused",
        "ERROR: {2}no such database: shop@Main",
        "DETAIL: {2}Databases: Shop@main\\.",
        'HINT: {2}Did you mean "Shop@main"\\? Name .*',
        'ERROR: {2}syntax error at or near "WHERE"',
        "ERROR: {2}the console has no SET, RESET and SHOW of pgplex.NAME",
        "HINT: {2}--!pgplex show options ",
      ].join("\n")),
    );
    for (const sql of ["\\d", "\\l", "SELECT * FROM pg_class", "SELECT state, 1 FROM x", "SELECT now()"]) {
      const { stderr } = await psql(["-c", sql], { connection });
      assert.match(
        stderr,
        /^ERROR: {2}invalid command 'SELECT …', use SHOW HELP;\nHINT: {2}The console/,
        sql,
      );
    }
    const prepare = await psql(["-c", "DEALLOCATE PREPARE", "-c", "DEALLOCATE PREPARE x"], { connection });
    assert.match(prepare.stderr, /statement "PREPARE" does not exist\n.*statement "x" does not exist/);
    const expanded = await psql(["-x", "-c", "SHOW clusters"], { connection });
    assert.match(expanded.stdout, /^-\[ RECORD 1 \]-*\+?-*\nname +\| main\nprimary +\| main-1\n/);
    const commented = await psql([
      "-At",
      "-c",
      "/* a /* b */ c */ -- d\n--!pgplex intent=read\nSHOW VERSION -- e",
    ], {
      connection,
    });
    assert.match(commented.stdout, /^pgplex /);
  });

  await t.step("node-postgres runs queries, named and with parameters, and reads types", async () => {
    const client = new pg.Client(pgOptions(consoleConnection(pgplex)));
    await client.connect();
    try {
      const { rows, command } = await client.query({ name: "lists", text: "SHOW clusters" });
      assert.equal(command, "SHOW");
      assert.deepEqual([rows[0].name, rows[0].nodes, rows[0].epoch], ["main", 1, "1"]);
      await client.query({ text: "SET default_pool_size = $1", values: [33] });
      const named = { name: "again", text: "SHOW default_pool_size", values: [] };
      assert.equal((await client.query(named)).rows[0].value, "33");
      assert.equal((await client.query(named)).rows[0].source, "SET");
      await assert.rejects(client.query({ text: "SET default_pool_size = $1", values: ["many"] }), {
        code: "22023",
      });
      await assert.rejects(client.query({ text: "SHOW nowhere", values: [] }), { code: "42704" });
      assert.deepEqual((await client.query("SELECT 1 AS one")).rows, [{ one: 1 }]);
      assert.deepEqual((await client.query({ text: "select 1", values: [] })).rows, [{ "?column?": 1 }]);
      await client.query("RESET default_pool_size");
    } finally {
      await client.end();
    }
  });

  await t.step("postgres.js describes, binds and fetches row by row", async () => {
    const sql = postgres(postgresOptions(consoleConnection(pgplex)));
    try {
      const rows = await sql`SHOW clusters`;
      assert.deepEqual(rows.columns.map(({ name, type }) => [name, type]).slice(0, 4), [
        ["name", 25],
        ["primary", 25],
        ["nodes", 23],
        ["epoch", 20],
      ]);
      await sql`SET pool.max_prepared_statements = ${50}`;
      assert.equal((await sql`SHOW pool.max_prepared_statements`)[0]!["value"], "50");
      const seen: string[] = [];
      await sql`SHOW settings.pool`.cursor(
        5,
        (batch) => void seen.push(...batch.map(({ name }) => name as string)),
      );
      assert.ok(seen.length > 10 && new Set(seen).size === seen.length, seen.join());
      await assert.rejects(sql`SET listen.port = ${1}`, { code: "55P02" });
      // Described before its parameter is known: it has columns of its own.
      await assert.rejects(sql`SHOW STATE ${999999}`, {
        code: "42704",
        message: "session 999999 does not exist",
      });
      assert.equal((await sql`SHOW STATE`)[0]!["key"], "active");
      assert.deepEqual(await sql`SELECT 1 AS x`.then(([row]) => ({ ...row })), { x: 1 });
    } finally {
      await sql.end();
    }
  });

  await t.step(
    "Execute with a limit suspends the portal, and binary results have their types' form",
    async () => {
      await using client = await enter(pgplex);
      await client.send(
        frontend.parse("SHOW clusters", { name: "s" }),
        frontend.describe("S", "s"),
        frontend.bind({ statement: "s", portal: "p", resultFormats: [1] }),
        frontend.execute({ portal: "p", rowsMax: 1 }),
        frontend.execute({ portal: "p", rowsMax: 1 }),
        frontend.sync(),
      );
      const binary = await client.readUntil("Z");
      assert.equal(typesOf(binary), "1tT2DCCZ");
      const bytes = binary.find(({ type }) => type === "D")!.body;
      // thirteen columns; name "main", primary "main-1", nodes int4 1, epoch int8 1
      assert.deepEqual([...bytes.subarray(0, 2)], [0, 13]);
      assert.deepEqual([...bytes.subarray(20, 40)], [
        0,
        0,
        0,
        4,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        1,
      ]);
      await client.send(
        frontend.parse("SHOW settings.pool"),
        frontend.bind(),
        frontend.execute({ rowsMax: 3 }),
        frontend.execute({ rowsMax: 2 }),
        frontend.execute(),
        frontend.sync(),
      );
      assert.match(typesOf(await client.readUntil("Z")), /^12DDDsDDsD{13,}CZ$/);
      await client.send(frontend.execute({ portal: "p" }), frontend.sync());
      assert.equal(errorOf(await client.readUntil("Z"))!["C"], "34000"); // portals end with their batch
    },
  );

  await t.step("after an error nothing is answered until Sync, and the connection goes on", async () => {
    await using client = await enter(pgplex);
    const code = async (...messages: Uint8Array[]) => {
      await client.send(...messages, frontend.sync());
      const answers = await client.readUntil("Z");
      return `${typesOf(answers)} ${errorOf(answers)?.["C"]}`;
    };
    assert.equal(await code(frontend.parse("bogus"), frontend.bind(), frontend.execute()), "EZ 42601");
    assert.equal(await code(frontend.bind({ statement: "none" }), frontend.execute()), "EZ 26000");
    assert.equal(await code(frontend.parse("SHOW VERSION; SHOW VERSION")), "EZ 42601");
    assert.equal(await code(frontend.parse("SHOW 'x")), "EZ 42601");
    assert.equal(await code(frontend.parse("SET default_pool_size = $1"), frontend.bind()), "1EZ 08P01");
    assert.equal(
      await code(
        frontend.parse("SET default_pool_size = $1"),
        frontend.bind({ values: [null] }),
        frontend.execute(),
      ),
      "12EZ 22004",
    );
    const binary = frontend.bind({ values: [frontend.int32(7)], formats: [1] });
    assert.equal(
      await code(frontend.parse("SET default_pool_size = $1", { types: [23] }), binary, frontend.execute()),
      "12CZ undefined",
    );
    assert.equal(rowsOf(await client.query("SHOW default_pool_size"))[0]![1], "7");
    assert.equal(await code(frontend.parse("a", { name: "n" })), "EZ 42601");
    assert.equal(await code(frontend.parse("SHOW VERSION", { name: "n" })), "1Z undefined");
    assert.equal(await code(frontend.parse("SHOW VERSION", { name: "n" })), "EZ 42P05");
    assert.equal(
      await code(frontend.close("S", "n"), frontend.parse("SHOW VERSION", { name: "n" })),
      "31Z undefined",
    );
    assert.equal(
      await code(frontend.parse(""), frontend.bind(), frontend.describe("P"), frontend.execute()),
      "12nIZ undefined",
    );
    assert.equal(await code(frontend.message("B", new Uint8Array([1]))), "EZ 08P01");
    assert.equal(typesOf(await client.query("")), "IZ");
    assert.equal(typesOf(await client.query(" ; -- nothing\n;")), "IZ");
    await client.send(frontend.functionCall(1));
    assert.equal(typesOf(await client.readUntil("Z")), "EZ");
    await client.send(frontend.copyDone(), frontend.query("COPY x TO STDOUT"));
    assert.equal(errorOf(await client.readUntil("Z"))!["C"], "42601");
    await client.query("RESET ALL");
  });

  await t.step("what drivers say about their connection is answered without effect", async () => {
    await using client = await enter(pgplex, EYE, { application_name: "a dashboard" });
    assert.match(client.parameters.get("server_version")!, /^18\.0 \(pgplex \d+\.\d+\.\d+\)$/);
    assert.equal(client.parameters.get("client_encoding"), "UTF8");
    const tags = async (text: string) => {
      const answers = await client.query(text);
      assert.equal(errorOf(answers), null, text);
      return tagsOf(answers).join();
    };
    assert.equal(
      await tags("SET extra_float_digits = 3; SET client_encoding TO 'UTF8'; SET DateStyle TO 'ISO'"),
      "SET,SET,SET",
    );
    assert.equal(
      await tags("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET TIME ZONE 'UTC'"),
      "SET,SET",
    );
    assert.equal(
      await tags("BEGIN READ ONLY; START TRANSACTION; ROLLBACK; COMMIT"),
      "BEGIN,START TRANSACTION,ROLLBACK,COMMIT",
    );
    assert.equal(
      await tags("DISCARD ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; RESET ALL"),
      "DISCARD ALL,DEALLOCATE ALL,CLOSE CURSOR ALL,UNLISTEN,RESET",
    );
    assert.equal((await client.query("BEGIN")).at(-1)!.status, "T");
    assert.equal((await client.query("END")).at(-1)!.status, "I");
    // RESET and DISCARD go back to what the client said at connect, as in PostgreSQL.
    assert.deepEqual(rowsOf(await client.query("SHOW application_name")), [["a dashboard"]]);
    await client.query("SET application_name = 'b'");
    assert.equal(client.parameters.get("application_name"), "b");
    assert.deepEqual(rowsOf(await client.query("SHOW DateStyle; SHOW TRANSACTION ISOLATION LEVEL")), [[
      "ISO, MDY",
    ], [
      "read committed",
    ]]);
    assert.deepEqual(
      rowsOf(await client.query("SELECT 1; SELECT 'x' AS y; SELECT current_user; select current_database()")),
      [
        ["1"],
        ["x"],
        [EYE],
        ["pgplex"],
      ],
    );
  });

  await t.step(
    "what breaks the protocol ends the connection, and too much of anything is refused",
    async () => {
      const last = async (bytes: Uint8Array) => {
        await using client = await enter(pgplex);
        await client.send(bytes);
        return errorOf(await client.closed());
      };
      assert.equal((await last(frontend.message("?")))!["C"], "08P01");
      assert.equal((await last(new Uint8Array([0x51, 0, 0, 0, 3])))!["C"], "08P01");
      assert.equal((await last(new Uint8Array([0x51, 0x7f, 0, 0, 3])))!["C"], "08P01");
      const clients = await Promise.all(Array.from({ length: 100 }, () => enter(pgplex)));
      try {
        await assert.rejects(
          enter(pgplex),
          (error) => error instanceof WireError && error.fields["C"] === "53300",
        );
      } finally {
        for (const client of clients) {
          await client.close();
        }
      }
      await waitFor(() => enter(pgplex).then((client) => client.close().then(() => true), () => false), {
        what: "room for one more",
      });
    },
  );
  assert.doesNotMatch(pgplex.log, /internal error/);
});

Deno.test("the console lets in whom the configuration names, and each does what it may", async () => {
  await using pgplex = await startConsole(NO_SERVER, {
    auth: { users: { [BOSS!]: "b", [EYE!]: "e", [NOBODY!]: "n" } },
  });
  const login = (user: string, password: string, database = "pgplex", params = {}) =>
    WireClient.connect(pgplex, { user, password, database, params });
  const refusal = (opening: Promise<WireClient>) =>
    opening.then(async (client) => (await client.close(), "none"), (error) => {
      if (!(error instanceof WireError)) throw error;
      return `${error.fields["S"]} ${error.fields["C"]}`;
    });
  assert.equal(await refusal(login(BOSS!, "b")), "none");
  assert.equal(await refusal(login(EYE!, "e", "pgbouncer")), "none");
  assert.equal(await refusal(login(BOSS!, "wrong")), "FATAL 28P01");
  assert.equal(await refusal(login(NOBODY!, "n")), "FATAL 42501");
  assert.equal(await refusal(login("unknown", "n")), "FATAL 28P01");
  assert.equal(await refusal(login(BOSS!, "b", "pgplex", { replication: "database" })), "FATAL 0A000");
  await using boss = await login(BOSS!, "b");
  await using eye = await login(EYE!, "e");
  const code = async (client: WireClient, text: string) => errorOf(await client.query(text))?.["C"] ?? "none";
  for (
    const text of ["SET default_pool_size = 5", "RESET default_pool_size", "RELOAD", "PAUSE", "KILL_CLIENT 1"]
  ) {
    assert.equal(await code(eye, text), "42501", text);
  }
  assert.equal(await code(eye, "SHOW ALL"), "none");
  assert.equal(await code(boss, "SET default_pool_size = 5"), "none");
  assert.match(pgplex.log, /INFO .*console .*user=boss .*command="SET default_pool_size = 5"/);
  assert.match(pgplex.log, /INFO .*console command failed .*user=eye .*command=RELOAD/);
  assert.equal(await code(boss, "SET console.stats_users = []"), "none");
  assert.equal(await code(boss, "SET console.admin_users = somebody"), "22023"); // nobody could take that back
  assert.equal(await code(eye, "SHOW VERSION"), "42501");
  assert.equal(await code(boss, "SHOW users.nobody.password"), "none");
  assert.equal(rowsOf(await boss.query("SHOW users.nobody.password"))[0]![1], "***");
  assert.equal(await code(boss, "SET auth.users.nobody.password = 'a-secret-typed-in'"), "55P02");
  assert.doesNotMatch(pgplex.log, /a-secret/);
  pgplex.signal("SIGTERM");
  assert.equal(errorOf(await boss.closed())!["C"], "57P01");
});

Deno.test("the console is entered over TLS and Unix sockets, by md5, and with long cancel keys", async () => {
  await using certs = await makeCerts();
  await using dir = await tempDir();
  await using pgplex = await startConsole(NO_SERVER, {
    listen: {
      unix_socket_dir: dir.path,
      tls: { cert_file: certs.server.certFile, key_file: certs.server.keyFile },
    },
    auth: { type: "md5", users: { [BOSS!]: "b" } },
  });
  const login = { user: BOSS!, password: "b", database: "pgplex", protocol: frontend.PROTOCOL_3_2 };
  await using secure = await WireClient.connect(pgplex, login, { tls: { ca: certs.ca } });
  await using local = await WireClient.connect({ path: `${dir.path}/.s.PGSQL.${pgplex.port}` }, login);
  assert.equal(secure.authMethod, "md5");
  assert.equal(secure.key!.secret.length, 32);
  const clients = rowsByName(await local.query("SHOW CLIENTS"));
  assert.match(clients[0]!["tls"]!, /^TLSv1\.3\//);
  assert.equal(clients[1]!["tls"], "");
  const { pid, secret } = secure.key!;
  await cancel(pgplex, { pid, secret: secret.subarray(0, 4) });
  await secure.send(frontend.query("SHOW ALL;".repeat(7000)));
  await secure.readUntil("C");
  await cancel(pgplex, { pid, secret });
  assert.equal(errorOf(await secure.readUntil("Z"))!["C"], "57014");
});

Deno.test("a cancel request for a console connection that runs nothing is harmless", async () => {
  await using pgplex = await startConsole(NO_SERVER);
  await using client = await enter(pgplex);
  await cancel(pgplex, client.key!);
  assert.deepEqual(rowsOf(await client.query("SELECT 1")), [["1"]]);
});
