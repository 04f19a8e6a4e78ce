import assert from "node:assert/strict";
import { errorOf, frontend, rowsOf, waitFor, WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";
import { playState, type StateScript, stateTests } from "../harness/state_play.ts";

const { bind, execute, parse } = frontend;

/** What holds a session to its server connection, and what lets it go again. */
const served = new Served({
  major: 18,
  setup: `
    CREATE SEQUENCE numbers; GRANT ALL ON numbers TO PUBLIC; CREATE ROLE intruder; CREATE ROLE app LOGIN; GRANT intruder TO app;
    CREATE FUNCTION make_temp() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN CREATE TEMPORARY TABLE made_inside (v int); INSERT INTO made_inside VALUES (7); END $$;
    CREATE FUNCTION lock_it(n bigint) RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_lock(n); END $$;
  `,
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    single: { default_pool_size: 1, query_wait_timeout: "300ms" },
    vanish: { default_pool_size: 1 },
    defaults: { default_pool_size: 1 },
    sequences: { default_pool_size: 1 },
    resting: { default_pool_size: 1, client_idle_timeout: "1s" },
    keeping: { default_pool_size: 1, client_idle_timeout: "1s", pool_mode: "session" },
    ignoring: { default_pool_size: 1, currval: "ignore", query_wait_timeout: "300ms" },
  },
});

/** Advisory locks of this session, of which the catalogue does not show how often they are held. */
const LOCKS =
  "SELECT classid, objid, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() " +
  "ORDER BY 1, 2, 3";

const PINNED: StateScript[] = [
  {
    name: "A temporary table over transactions, a failed one among them",
    pins: true,
    steps: [
      "CREATE TEMPORARY TABLE mine (v int)",
      "INSERT INTO mine VALUES (1)",
      "SELECT v FROM mine",
      "SELECT 1/0",
      "SELECT v FROM mine",
      "BEGIN; INSERT INTO mine VALUES (2); SELECT 1/0",
      "ROLLBACK",
      "SELECT v FROM mine",
      "BEGIN; CREATE TEMP TABLE undone (v int)",
      "ROLLBACK",
      "SELECT v FROM undone",
      "DROP TABLE mine",
      "SELECT v FROM mine",
      "CREATE TEMP TABLE mine AS SELECT 9 AS v",
      "DISCARD TEMP",
      "SELECT v FROM mine",
    ],
  },
  {
    name: "currval and lastval, until DISCARD SEQUENCES",
    pins: true,
    steps: [
      "SELECT currval('numbers')",
      "SELECT nextval('numbers') > 0",
      "SELECT currval('numbers') = lastval()",
      "BEGIN",
      "SELECT setval('numbers', 1000)",
      "COMMIT",
      "SELECT currval('numbers'), lastval()",
      "DISCARD SEQUENCES",
      "SELECT lastval()",
      "BEGIN",
      "SELECT currval('numbers')",
      "ROLLBACK",
      "SELECT nextval('numbers') > 0",
      "SELECT currval('numbers') = lastval()",
      "DISCARD ALL",
    ],
  },
  {
    name:
      "Temporary view, sequence, type and function, SELECT INTO TEMP, CTAS, and a table made in a function",
    pins: true,
    steps: [
      "CREATE TEMP VIEW tv AS SELECT 'a view' AS v",
      "SELECT v FROM tv",
      "DROP VIEW tv",
      "CREATE TEMP SEQUENCE ts START 5",
      "SELECT nextval('ts')",
      "SELECT nextval('ts')",
      "DROP SEQUENCE ts",
      "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$ SELECT 'of pg_temp' $$",
      "SELECT pg_temp.f()",
      "DROP FUNCTION pg_temp.f()",
      "CREATE TYPE pg_temp.pair AS (a int, b int)",
      "SELECT '(1,2)'::pg_temp.pair",
      "DROP TYPE pg_temp.pair",
      "SELECT 4 AS v INTO TEMP into_temp",
      "SELECT v FROM into_temp",
      "CREATE TEMP TABLE ctas AS SELECT 5 AS v",
      "SELECT v FROM ctas",
      "SELECT make_temp()",
      "SELECT v FROM made_inside",
      "SET search_path = pg_temp",
      "CREATE TABLE by_path (v int)",
      "SELECT count(*) FROM by_path",
      "DISCARD ALL",
      "SELECT count(*) FROM by_path",
    ],
  },
  {
    name: "A cursor WITH HOLD over transactions, until CLOSE",
    pins: true,
    steps: [
      "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 5)",
      "COMMIT",
      "FETCH 2 FROM c",
      "SELECT 1/0",
      "FETCH 2 FROM c",
      "CLOSE c",
      "FETCH 1 FROM c",
      "DECLARE d CURSOR WITH HOLD FOR SELECT 'd'",
      "FETCH d",
      "CLOSE ALL",
      "FETCH d",
    ],
  },
  {
    name: "Session advisory locks over transactions, counted, also taken inside a function",
    pins: true,
    steps: [
      "SELECT pg_advisory_lock(4711)",
      LOCKS,
      "SELECT pg_advisory_lock(4711)",
      "SELECT pg_advisory_unlock(4711)",
      LOCKS,
      "SELECT pg_advisory_unlock(4711)",
      LOCKS,
      "SELECT pg_advisory_unlock(4711)",
      "SELECT lock_it(4712)",
      LOCKS,
      "BEGIN; SELECT pg_try_advisory_lock_shared(1, 2); SELECT pg_advisory_xact_lock(9)",
      "ROLLBACK",
      LOCKS,
      "SELECT pg_advisory_unlock_all()",
      LOCKS,
    ],
  },
  {
    name: "setseed and LOAD keep their connection, which nothing else gets",
    pins: true,
    steps: ["SELECT setseed(0.5)", "SELECT random()", "SELECT random()", "SET seed = 0.25", "SELECT random()"]
      .concat([
        "LOAD 'plpgsql'",
        "SELECT random()",
      ]),
  },
];

PINNED.push({
  name: "RESET of a pinned session goes back to the application_name that the client logged in with",
  pins: true,
  params: { application_name: "given" },
  steps: [
    "SELECT pg_advisory_lock(1)",
    "SET application_name = 'other'",
    "RESET ALL",
    "SHOW application_name",
  ].concat([
    "SET application_name = 'third'",
    "RESET application_name",
    "SHOW application_name",
  ]),
});

stateTests(served, PINNED);

Deno.test("A temporary table with ON COMMIT DROP does not pin", () =>
  playState(served, {
    name: "ON COMMIT DROP",
    steps: [
      "BEGIN; CREATE TEMP TABLE short (v int) ON COMMIT DROP; INSERT INTO short VALUES (1)",
      "SELECT v FROM short",
      "COMMIT",
      "SELECT v FROM short",
      "BEGIN; SELECT 1 AS v INTO TEMP gone; DROP TABLE gone; COMMIT",
      "SELECT 1",
    ],
  }));

/** Ways to be pinned, and out of it. */
const WAYS: [what: string, begin: string, end: string][] = [
  ["a temporary table", "CREATE TEMP TABLE held (v int)", "DROP TABLE held"],
  ["a temporary table, DISCARD TEMP", "CREATE TEMP TABLE held (v int)", "DISCARD TEMP"],
  ["a cursor WITH HOLD", "DECLARE held CURSOR WITH HOLD FOR SELECT 1", "CLOSE held"],
  ["an advisory lock", "SELECT pg_advisory_lock(77)", "SELECT pg_advisory_unlock(77)"],
  ["an advisory lock taken in a function", "SELECT lock_it(78)", "SELECT pg_advisory_unlock_all()"],
  [
    "all of it, DISCARD ALL",
    "CREATE TEMP TABLE held (v int); LISTEN held; SELECT lock_it(79)",
    "DISCARD ALL",
  ],
];

for (const [what, begin, end] of WAYS) {
  Deno.test(`A session is pinned by ${what}, and gives its connection back when that is gone`, async () => {
    await using holder = await served.client("single");
    await using other = await served.client("single");
    assert.equal(await one(other, "SELECT 1"), "1");
    assert.equal(errorOf(await holder.query(begin)), null);
    assert.match(errorOf(await other.query("SELECT 2"))!["M"]!, /query_wait_timeout/);
    assert.equal(errorOf(await holder.query(end)), null);
    assert.equal(await one(other, "SELECT 3"), "3");
    assert.equal(await one(holder, "SELECT 4"), "4");
  });
}

Deno.test("A pin is told in the log with its reason and its statement", async () => {
  await using holder = await served.client("single");
  await one(holder, "SELECT pg_advisory_lock(81), 'a secret literal'");
  await one(holder, "SELECT pg_advisory_unlock_all()");
  const line = served.pgplex.log.split("\n").findLast((line) =>
    line.includes("session pinned") && line.includes("pg_advisory_lock(?)")
  );
  assert.ok(line?.includes("advisory lock"), served.pgplex.log.slice(-2000));
  assert.ok(!line?.includes("secret"));
});

Deno.test("A client that vanishes in a transaction leaves no lock, setting, role or temporary table", async () => {
  await served.node.sql("CREATE TABLE IF NOT EXISTS contended (v int)");
  for (let round = 0; round < 3; round++) {
    const client = await served.client("vanish");
    await one(client, "SET work_mem = '5MB'; SET myapp.tenant = 'gone'");
    await one(client, "PREPARE left_over AS SELECT 1");
    await one(client, "SELECT pg_advisory_lock(5)");
    await one(client, "CREATE TEMP TABLE left_behind (v int)");
    await one(client, "LISTEN left_over");
    await one(client, "BEGIN; LOCK contended; SET ROLE intruder; SET search_path = nowhere; SELECT 1");
    await client[Symbol.asyncDispose]();
    await using next = await served.client("vanish");
    const [row] = rowsOf(
      await next.query(
        "SELECT current_user, current_setting('search_path'), current_setting('work_mem'), " +
          "coalesce(current_setting('myapp.tenant', true), ''), to_regclass('left_behind'), " +
          "(SELECT count(*) FROM pg_prepared_statements WHERE from_sql), (SELECT count(*) FROM pg_listening_channels())",
      ),
    );
    assert.deepEqual(row, ["postgres", '"$user", public', "4MB", "", null, "0", "0"]);
    assert.equal(
      String(await served.value("SELECT pg_try_advisory_lock(5) AND pg_advisory_unlock(5)")),
      "true",
    );
    await one(next, "INSERT INTO contended VALUES (1)");
  }
});

Deno.test("A client that vanishes while its statement runs leaves nothing", async () => {
  const client = await served.client("vanish");
  await one(client, "SET work_mem = '5MB'");
  await client.send(frontend.query("SET ROLE intruder; SELECT pg_sleep(30)"));
  await client[Symbol.asyncDispose]();
  await using next = await served.client("vanish");
  const seen = await one(next, "SELECT current_user || current_setting('work_mem')");
  assert.equal(seen, "postgres4MB");
});

Deno.test("ALTER ROLE SET and ALTER DATABASE SET are seen by later sessions, and not by those that are there", async () => {
  await using there = await served.client("defaults", {}, "app");
  await using admin = await served.client("defaults");
  assert.equal(await one(there, "SHOW work_mem"), "4MB");
  await one(admin, "ALTER ROLE app SET work_mem = '17MB'");
  await one(admin, "ALTER DATABASE postgres SET lock_timeout = '55s'");
  assert.equal(await one(there, "SHOW work_mem"), "4MB");
  await using later = await served.client("defaults", {}, "app");
  assert.equal(
    await one(later, "SELECT current_setting('work_mem') || current_setting('lock_timeout')"),
    "17MB55s",
  );
  await one(later, "SET work_mem = '1MB'");
  await one(later, "RESET work_mem");
  assert.equal(await one(later, "SHOW work_mem"), "17MB");
  await one(admin, "ALTER ROLE app RESET work_mem");
  await one(admin, "ALTER DATABASE postgres RESET lock_timeout");
  await using last = await served.client("defaults", {}, "app");
  assert.equal(await one(last, "SHOW work_mem"), "4MB");
  assert.equal(await one(there, "SHOW work_mem"), "4MB");
});

Deno.test("idle_session_timeout is the client's own: it ends the client, and nobody else", async () => {
  await using other = await served.client("vanish");
  await using client = await served.client("vanish");
  await one(client, "SET idle_session_timeout = '400ms'");
  const messages = await client.closed();
  assert.deepEqual([errorOf(messages)!["S"], errorOf(messages)!["C"]], ["FATAL", "57P05"]);
  assert.equal(await one(other, "SHOW idle_session_timeout"), "0");
});

for (
  const [alias, first] of [
    ["keeping", "SELECT 1"],
    ["resting", "CREATE TEMPORARY TABLE pins (v int)"],
    ["resting", "CREATE TEMPORARY TABLE pins (v int); SET idle_session_timeout = '1s'"],
  ] as const
) {
  Deno.test(`A client that keeps its connection by ${first} in a pool like ${alias} is idle from its last statement on`, async () => {
    await using client = await served.client(alias);
    await one(client, first);
    const sinceMs = performance.now();
    await waitFor(async () => {
      await one(client, "SELECT 1");
      return performance.now() - sinceMs > 2500;
    }, { what: "two looks at the clients" });
    assert.match(errorOf(await client.closed())!["C"]!, /57P05/);
  });
}

Deno.test("idle_session_timeout ends its client when it is over, and not up to a second later", async () => {
  // One after the other: if only a look once a second ended them, the later ones would take all of it.
  for (let round = 0; round < 3; round++) {
    await using client = await served.client("vanish");
    await one(client, "SET idle_session_timeout = '200ms'");
    await one(client, "SELECT 1");
    const sinceMs = performance.now();
    assert.equal(errorOf(await client.closed())!["C"], "57P05");
    const tookMs = performance.now() - sinceMs;
    assert.ok(tookMs > 190 && tookMs < 700, `${tookMs} ms`);
  }
});

Deno.test("idle_session_timeout of a client does not end the server connection that it used", async () => {
  await using other = await served.client("vanish");
  await using client = await served.client("vanish");
  const pid = await one(other, "SELECT pg_backend_pid()");
  await one(client, "SET idle_session_timeout = '300ms'");
  assert.equal(await one(client, "SHOW idle_session_timeout"), "300ms");
  assert.equal(errorOf(await client.closed())!["C"], "57P05");
  assert.equal(await one(other, "SELECT pg_backend_pid()"), pid);
});

Deno.test("A connection on which setseed or LOAD ran ends with its session", async () => {
  for (const sql of ["SELECT setseed(0.5)", "LOAD 'plpgsql'"]) {
    const client = await served.client("two");
    const pid = await one(client, "SELECT pg_backend_pid()");
    await client.query(sql);
    assert.equal(await one(client, "SELECT pg_backend_pid()"), pid);
    await client.close();
    await waitFor(async () => {
      const rows = await served.node.sql(`SELECT FROM pg_stat_activity WHERE pid = ${pid}`);
      return rows.length === 0;
    }, { what: "the backend to end" });
  }
});

Deno.test("A function that is called by name and sets the role only sometimes never leaks it", async () => {
  await served.node.sql(
    "CREATE FUNCTION sometimes(v text) RETURNS text LANGUAGE sql AS " +
      "$$ SELECT CASE WHEN v <> '' THEN set_config('role', v, false) END $$; CREATE ROLE red",
    "postgres",
  );
  await using client = await served.client("one");
  await using other = await served.client("one");
  for (let round = 0; round < 5; round++) await client.query("SELECT sometimes('')");
  await client.query("SELECT sometimes('red')");
  assert.equal(await one(other, "SELECT current_user"), "postgres");
  assert.equal(await one(client, "SELECT current_user"), "red");
});

Deno.test("A small statement_timeout of the client is its own, and is not lost", async () => {
  await using client = await served.client("two");
  await using other = await served.client("two");
  // Also one that is too short for the probe itself.
  for (let round = 0; round < 6; round++) {
    await client.query(`SET statement_timeout = ${round % 2 === 0 ? 1 : 50}`);
    assert.equal(await one(other, "SHOW statement_timeout"), "0");
    const messages = await client.query("SELECT pg_sleep(5)");
    assert.equal(errorOf(messages)?.["C"], "57014");
  }
  await client.send(parse("SET statement_timeout = 0"), bind(), execute(), frontend.sync());
  await client.readUntil("Z");
});

Deno.test("A session whose client is of another user gets nothing of this one's connections", async () => {
  await using admin = await served.client("one");
  await one(admin, "SET myapp.tenant = 'of the admin'");
  await using app = await WireClient.connect(served.pgplex, { user: "app", database: "one" });
  assert.equal(
    await one(app, "SELECT coalesce(current_setting('myapp.tenant', true), '') || current_user"),
    "app",
  );
});

Deno.test("currval never shows what another session did, and pins the session unless currval: ignore", async () => {
  await using other = await served.client("sequences");
  await using client = await served.client("sequences");
  // Out of sight, so that nothing is pinned.
  await one(other, "DO $$ BEGIN EXECUTE 'SELECT next' || 'val(''numbers'')'; END $$");
  for (const sql of ["SELECT lastval()", "SELECT currval('numbers')"]) {
    assert.equal(errorOf(await client.query(sql))?.["C"], "55000");
    await client.send(frontend.extendedQuery(sql));
    assert.equal(errorOf(await client.readUntil("Z"))?.["C"], "55000");
    await one(client, "DISCARD SEQUENCES");
    await one(other, "SELECT 1");
  }
  await using ignoring = await served.client("ignoring");
  await using another = await served.client("ignoring");
  await one(ignoring, "SELECT nextval('numbers')");
  await one(ignoring, "SELECT currval('numbers')");
  assert.equal(await one(another, "SELECT 'served'"), "served");
});

Deno.test("A pin by words alone takes the place of another that the same transaction ends, and quotes hide no word", async () => {
  await using client = await served.client("two");
  const pinned = (reason: string) =>
    waitFor(async () => {
      const rows = rowsOf(await client.query("--!pgplex show session"));
      return rows.find(([name]) => name === "pins")![1] === reason;
    }, { what: `a pin for ${reason}` });
  await client.query('SELECT pg_catalog."lastval"()');
  await pinned("sequence");
  await one(client, "BEGIN; DISCARD SEQUENCES; SELECT setseed(0.5)");
  await one(client, "COMMIT");
  await pinned("setseed");
});

Deno.test("A trigger that sets something is not trusted for inserts that failed", async () => {
  await served.node.sql(`
    CREATE TABLE audited (v text CHECK (v <> ''));
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM set_config('audit.last', NEW.v, false); RETURN NEW; END $$;
    CREATE TRIGGER t AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();`);
  await using client = await served.client("one");
  await using other = await served.client("one");
  await one(other, "SELECT current_setting('audit.last', true)");
  for (let round = 0; round < 5; round++) await client.query("INSERT INTO audited VALUES ('')");
  for (let round = 0; round < 5; round++) {
    await client.query("BEGIN; INSERT INTO audited VALUES ('x'); ROLLBACK");
  }
  await one(client, "INSERT INTO audited VALUES ('mine')");
  assert.equal(await one(other, "SELECT coalesce(current_setting('audit.last', true), '')"), "");
  assert.equal(await one(client, "SELECT current_setting('audit.last')"), "mine");
});
