import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import {
  errorOf,
  frontend,
  pgOptions,
  type PgplexProcess,
  postgresOptions,
  psql,
  rowsOf,
  startPgplex,
  waitFor,
  type WireMessage,
} from "../harness/mod.ts";
import { BOSS, consoleConfig, consoleConnection, enter, EYE, NOBODY } from "../harness/console_served.ts";
import { failure, shown, succeed } from "../harness/console_shown.ts";

let pgplex: PgplexProcess;
/** A server that takes connections and says nothing. */
let silent: Deno.Listener & { addr: Deno.NetAddr };
Deno.test.beforeAll(async () => {
  silent = Deno.listen({ hostname: "127.0.0.1", port: 0 }) as typeof silent;
  pgplex = await startPgplex({
    config: consoleConfig(silent.addr.port, { pool: { query_timeout: "20s" } }),
  });
});
Deno.test.afterAll(async () => {
  silent.close();
  await pgplex[Symbol.asyncDispose]();
  assert.equal(pgplex.log.includes("internal error"), false);
});

const warningsOf = (messages: WireMessage[]) =>
  messages.filter(({ type }) => type === "N").map(({ fields }) => [fields!["S"], fields!["M"], fields!["P"]]);

Deno.test("A directive on the console shows its session and its options, by either protocol and any client", async () => {
  await using console = await enter(pgplex, EYE, { application_name: "eyes", options: "-c pgplex.tag=wall" });
  const session = Object.fromEntries(rowsOf(await console.query("--!pgplex show session")));
  assert.deepEqual(
    [session["user"], session["database"], session["access"], session["application_name"]],
    [EYE, "pgplex", "stats", "eyes"],
  );
  const options = async () =>
    Object.fromEntries(
      rowsOf(await console.query("--!pgplex show options\n;")).map((row) => [row[0], row.slice(1, 3)]),
    );
  assert.deepEqual([(await options())["tag"], (await options())["query_timeout"]], [["wall", "client"], [
    "20s",
    "pool",
  ]]);

  const client = new pg.Client(pgOptions(consoleConnection(pgplex)));
  await client.connect();
  for (const text of ["--!pgplex show session", { name: "prepared", text: "/*!pgplex show session*/" }]) {
    const { rows, command } = await client.query(text as string);
    assert.deepEqual([command, rows[1]], ["SHOW", { name: "user", value: BOSS }]);
  }
  await client.end();
  const sql = postgres({ ...postgresOptions(consoleConnection(pgplex)), max: 1 });
  assert.equal((await sql.unsafe("--!pgplex show options")).length, 11);
  await sql.end();
  const { stdout } = await psql(["-At", "-c", "--!pgplex show session"], {
    connection: consoleConnection(pgplex),
  });
  assert.match(stdout, /^user\|boss$/m);
});

Deno.test("A directive's time ends a command of the console that waits, and no other", async () => {
  await using console = await enter(pgplex);
  await using other = await enter(pgplex);
  // PAUSE waits for a connection that is being opened, and this one will not be.
  const login = await Deno.connect({ hostname: pgplex.host, port: pgplex.port });
  await login.write(frontend.startup({ user: "postgres", database: "postgres@main" }));
  await waitFor(async () => (await shown(other, "SHOW SERVERS")).length === 1, { what: "the login" });
  assert.equal(
    await failure(console, "--!pgplex timeout=50ms\nPAUSE"),
    "57014 canceling statement due to query_timeout",
  );
  await console.query("RESUME");
  await console.send(
    frontend.parse("--!pgplex timeout=50ms\nPAUSE"),
    frontend.bind(),
    frontend.execute(),
    frontend.sync(),
  );
  assert.equal(errorOf(await console.readUntil("Z"))!["C"], "57014");
  await succeed(console, "--!pgplex timeout=1h\nRESUME");
  login.close();
  await succeed(console, "--!pgplex session tag=night, query_timeout=150ms\nSHOW VERSION");
  const own = async () => (await shown(other, "SHOW CLIENTS")).filter(({ tag }) => tag === "night").length;
  assert.equal(await own(), 1);
  await succeed(console, "--!pgplex transaction tag=deal\nBEGIN");
  assert.equal(await own(), 0);
  await succeed(console, "COMMIT");
  assert.equal(await own(), 1);
  await succeed(console, "--!pgplex session tag=''");
  assert.equal(await own(), 0);
});

Deno.test("What a directive on the console says wrongly gets a WARNING with its place, or an ERROR where they are strict", async () => {
  await using console = await enter(pgplex);
  const answer = await console.query("--!pgplex tiemout=1s\nSHOW VERSION");
  assert.deepEqual(warningsOf(answer), [["WARNING", 'unrecognized argument "tiemout" of a directive', "11"]]);
  assert.equal(rowsOf(answer).length, 1);
  assert.deepEqual(warningsOf(await console.query("/*!pgplex show session*/ SHOW VERSION")).length, 1);
  await console.send(frontend.parse("--!pgplex pni"), frontend.sync());
  assert.equal(warningsOf(await console.readUntil("Z")).length, 1);

  await succeed(console, "SET directives = strict");
  assert.match(await failure(console, "--!pgplex tiemout=1s\nSHOW VERSION"), /^42601 unrecognized/);
  await console.send(frontend.parse("--!pgplex pni"), frontend.sync());
  assert.equal(errorOf(await console.readUntil("Z"))!["C"], "42601");
  await succeed(console, "SET options_allowed = tag");
  assert.match(await failure(console, "--!pgplex timeout=1s\nSHOW VERSION"), /^42601 permission denied/);
  await assert.rejects(enter(pgplex, BOSS, { "pgplex.query_timeout": "1s" }), /42501/);
  await assert.rejects(enter(pgplex, BOSS, { "pgplex.tga": "x" }), /42704/);
  await succeed(console, "SET directives = off");
  assert.deepEqual(warningsOf(await console.query("--!pgplex tiemout=1s\nSHOW VERSION")), []);
  await succeed(console, "RESET ALL");
});

Deno.test("What drivers ask a server as they connect or hand a connection on has an answer at the console", async () => {
  // With fetch_types, as it is by default.
  const sql = postgres({ ...postgresOptions(consoleConnection(pgplex)), fetch_types: true, max: 1 });
  assert.equal((await sql`SHOW LISTS`)[0]!["list"], "databases");
  assert.equal((await sql`SHOW sessions`).columns[0]!.type, 23); // as SHOW CLIENTS and SHOW PINS have it
  await sql.end();
  await using console = await enter(pgplex, EYE, { application_name: "driver" });
  for (
    const command of [
      "SET SESSION AUTHORIZATION DEFAULT; SET ROLE NONE; RESET ROLE; RESET SESSION AUTHORIZATION",
      "SET client_encoding TO 'UNICODE'; SET idle_session_timeout = 0; SET synchronous_commit = off",
      "SELECT oid, typarray FROM pg_type",
    ]
  ) assert.deepEqual(warningsOf(await succeed(console, command)), []);
  assert.deepEqual(await shown(console, "SHOW server_version"), [{ server_version: "18.0" }]);
  assert.match(
    (await shown(console, "SELECT pg_catalog.version()"))[0]!["version"]!,
    /^PostgreSQL 18\.0 \(pgplex /,
  );
  await succeed(console, "SET application_name = other; DISCARD ALL");
  assert.deepEqual(await shown(console, "SHOW application_name"), [{ application_name: "driver" }]);
  assert.match(await failure(console, "SELECT typname || 'x' FROM pg_type"), /^42601 invalid command/);
});

Deno.test("SET of what the configuration does not have says how it is added", async () => {
  await using console = await enter(pgplex);
  for (
    const [path, what] of [
      ["clusters.new.nodes.a.host", 'cluster "new"'],
      ["settings.clusters.main.nodes.main-2.port", 'node "main-2"'],
      ["databases.fresh.cluster", 'database "fresh"'],
      ["routing.databases.fresh.pool_mode", 'database "fresh"'],
      ["users.joe.password", 'user "joe"'],
      ["auth.users.joe", 'user "joe"'],
      ["listen.tls.mode", '"listen.tls"'],
    ] as const
  ) {
    const error = errorOf(await console.query(`SET ${path} = x`))!;
    assert.equal(error["C"], "42704");
    assert.ok(
      error["H"]!.includes(`To add ${what}, write it into the configuration file and RELOAD`),
      error["H"],
    );
  }
  const wrong = errorOf(await console.query("SET clusters.main.pool.pool_mod = session"))!;
  assert.equal(wrong["H"], 'Did you mean "pool_mode"?');
});

Deno.test("The log has the values of a prepared SET", async () => {
  await using console = await enter(pgplex);
  const text = "SET clusters.main.pool.default_pool_size = $1";
  await console.send(
    frontend.parse(text),
    frontend.bind({ values: ["41"] }),
    frontend.execute(),
    frontend.sync(),
  );
  assert.equal(errorOf(await console.readUntil("Z")), null);
  const line = () => pgplex.log.split("\n").find((line) => line.includes(text));
  await waitFor(() => line() !== undefined, { what: "the line in the log" });
  assert.match(line()!, /user=boss .*values=41/);
  await succeed(console, "RESET ALL");
});

Deno.test("Who is refused at the console's door is named in the log", async () => {
  await assert.rejects(enter(pgplex, NOBODY), /42501/);
  const line = () =>
    pgplex.log.split("\n").find((line) => line.includes("login refused") && line.includes(NOBODY!));
  await waitFor(() => line() !== undefined, { what: "the line in the log" });
});
