import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  rowsOf,
  startPgplex,
  startPostgres,
  typesOf,
  waitFor,
  WireClient,
  type WireTarget,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, copyData, execute, flush, parse, query, sync } = frontend;

const served = new Served({
  setup:
    "CREATE TABLE t (id int PRIMARY KEY); CREATE SCHEMA other; CREATE ROLE app LOGIN; GRANT ALL ON t TO app;",
  pools: {
    one: { default_pool_size: 1 },
    base: { default_pool_size: 2 },
    session: { default_pool_size: 1, pool_mode: "session" },
    vanish_session: { default_pool_size: 1, pool_mode: "session" },
    vanish_transaction: { default_pool_size: 1 },
  },
});

/** What one client sets, as its own server would show it; every one is reported by PostgreSQL 18. */
const SETTINGS: [name: string, value: string][] = [
  ["application_name", "mine"],
  ["TimeZone", "Asia/Tokyo"],
  ["DateStyle", "German, DMY"],
  ["IntervalStyle", "iso_8601"],
  ["client_encoding", "LATIN1"],
  ["search_path", "other, pg_catalog"],
  ["default_transaction_read_only", "on"],
  ["standard_conforming_strings", "off"],
];

for (const [name, value] of SETTINGS) {
  Deno.test(`${name}, set by one client, is restored for it and not seen by another`, async () => {
    await using mine = await served.client("one");
    await using other = await served.client("one");
    const usual = await one(other, `SHOW ${name}`);
    assert.notEqual(value, usual);
    await one(mine, name === "search_path" ? `SET search_path = ${value}` : `SET ${name} = '${value}'`);
    for (let round = 0; round < 3; round++) {
      // Each hears of nothing that the other does.
      const theirs = await other.query(`SHOW ${name}`);
      assert.equal(typesOf(theirs), "TDCZ");
      assert.equal(rowsOf(theirs)[0]![0], usual);
      const own = await mine.query(`SHOW ${name}`);
      assert.equal(typesOf(own), "TDCZ");
      assert.equal(rowsOf(own)[0]![0], value);
    }
    assert.equal(mine.parameters.get(name), value);
    await one(mine, `RESET ${name}`);
    assert.equal(await one(mine, `SHOW ${name}`), usual);
    await one(mine, `BEGIN; SET LOCAL ${name} = DEFAULT; COMMIT`);
  });
}

Deno.test("All settings of two clients at once are each client's own, values of any text too", async () => {
  const clients = await Promise.all([served.client("one"), served.client("one")]);
  const names = ['it\'s "quoted" \\ ü', "plain; DROP TABLE t"];
  for (const [i, client] of clients.entries()) {
    await one(
      client,
      `SET application_name = ${i === 0 ? "'it''s \"quoted\" \\ ü'" : "'plain; DROP TABLE t'"}`,
    );
    await one(
      client,
      `SET TimeZone = '${["Europe/Berlin", "America/Lima"][i]}'; SET client_encoding = '${
        ["UTF8", "LATIN1"][i]
      }'`,
    );
    await one(client, `SET search_path = "a ""b""", '${["x", "y"][i]}'`);
  }
  for (let round = 0; round < 3; round++) {
    for (const [i, client] of clients.entries()) {
      // Outside of ASCII application_name holds escapes.
      assert.equal(await one(client, "SHOW application_name"), names[i]!.replace("ü", "\\xc3\\xbc"));
      assert.equal(await one(client, "SHOW TimeZone"), ["Europe/Berlin", "America/Lima"][i]);
      assert.equal(await one(client, "SHOW client_encoding"), ["UTF8", "LATIN1"][i]);
      assert.equal(await one(client, "SHOW search_path"), `"a ""b""", ${["x", "y"][i]}`);
      const encoded = (await client.query("SELECT chr(252)")).find((message) => message.type === "D")!.body;
      assert.equal(encoded.length, i === 0 ? 8 : 7);
    }
  }
  for (const client of clients) await client.close();
});

Deno.test("A setting that a rollback took back, or that was local, is not restored", async () => {
  await using mine = await served.client("one");
  await using other = await served.client("one");
  await one(mine, "BEGIN; SET TimeZone = 'Asia/Tokyo'; ROLLBACK");
  await one(other, "SELECT 1");
  assert.equal(await one(mine, "SHOW TimeZone"), "UTC");
  await one(mine, "BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'; COMMIT");
  await one(other, "SELECT 1");
  assert.equal(await one(mine, "SHOW TimeZone"), "UTC");
});

Deno.test("Startup parameters and options=-c are the session's, and its RESET values", async () => {
  const params = { TimeZone: "Asia/Tokyo", options: "-c work_mem=7MB -c search_path=other" };
  await using mine = await served.client("base", params);
  await using other = await served.client("base");
  assert.equal(mine.parameters.get("TimeZone"), "Asia/Tokyo");
  for (let round = 0; round < 3; round++) {
    assert.equal(await one(mine, "SHOW work_mem"), "7MB");
    assert.equal(await one(other, "SHOW work_mem"), "4MB");
    await one(mine, "SET TimeZone = 'UTC'; SET search_path = public");
    await one(other, "SELECT 1");
    await one(mine, "RESET ALL");
    assert.equal(await one(mine, "SHOW TimeZone"), "Asia/Tokyo");
    assert.equal(await one(mine, "SHOW search_path"), "other");
    assert.equal(await one(other, "SHOW TimeZone"), "UTC");
  }
});

Deno.test("application_name of the startup packet differs from client to client on one connection", async () => {
  const clients = await Promise.all(
    ["a", "b"].map((application_name) => served.client("one", { application_name })),
  );
  for (let round = 0; round < 3; round++) {
    for (const [i, client] of clients.entries()) {
      assert.equal(await one(client, "SHOW application_name"), ["a", "b"][i]);
    }
  }
  for (const client of clients) await client.close();
});

/** A client that logged in with a name of these bytes, in this encoding. */
async function named(target: WireTarget, bytes: string, client_encoding: string): Promise<WireClient> {
  const packet = frontend.startup({
    user: "postgres",
    client_encoding,
    application_name: "\x01".repeat(bytes.length),
  });
  packet.set(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)), packet.indexOf(1));
  const client = await WireClient.open(target);
  await client.send(packet);
  await client.readUntil("Z");
  return client;
}

for (const major of [14, 18] as const) {
  Deno.test(`application_name of any bytes is what PostgreSQL ${major} makes of it, told, shown and restored`, async () => {
    await using node = await startPostgres({ major, auth: "trust" });
    await using pgplex = await startPgplex({
      config: {
        auth: { type: "trust" },
        routing: { default_cluster: "main" },
        clusters: {
          main: { nodes: [{ name: "main-1", host: node.host, port: node.port }], superuser: null },
        },
        pool: { pool_mode: "transaction", default_pool_size: 1 },
      },
    });
    for (const encoding of ["UTF8", "LATIN1"]) {
      for (const bytes of ["caf\xe9", "\xc3\xa4\n", "a".repeat(70), `${"a".repeat(62)}\xc3\xa4`]) {
        await using direct = await named(node, bytes, encoding);
        await using mine = await named(pgplex, bytes, encoding);
        await using other = await named(pgplex, "other", encoding);
        const name = direct.parameters.get("application_name");
        assert.equal(mine.parameters.get("application_name"), name);
        for (let round = 0; round < 2; round++) {
          assert.equal(await one(mine, "SHOW application_name"), name);
          assert.equal(await one(other, "SHOW application_name"), "other");
        }
        await one(mine, "SET application_name = 'set'; RESET application_name");
        assert.equal(await one(mine, "SHOW application_name"), name);
        assert.equal(mine.parameters.get("application_name"), name);
      }
    }
  });
}

Deno.test("Of a startup parameter in two spellings the later one holds, application_name too", async () => {
  for (const alias of ["base", "session"]) {
    for (
      const target of [
        served.direct({ work_mem: "1MB", WORK_MEM: "2MB" }),
        served.client(alias, { work_mem: "1MB", WORK_MEM: "2MB" }),
      ]
    ) {
      await using client = await target;
      assert.equal(await one(client, "SHOW work_mem"), "2MB");
    }
    await using client = await served.client(alias, { application_name: "a", Application_Name: "b" });
    assert.equal(client.parameters.get("application_name"), "b");
    assert.equal(await one(client, "SHOW application_name"), "b");
  }
});

Deno.test("In session mode a new client finds nothing of the one before on the same connection", async () => {
  const first = await served.client("session");
  const pid = await one(first, "SELECT pg_backend_pid()");
  await one(first, "SET work_mem = '9MB'; SET application_name = 'first'; SET my.own = 'x'");
  await one(first, "SELECT pg_advisory_lock(1), setseed(0.5)");
  await one(first, "LISTEN ch");
  await one(first, "DECLARE held CURSOR WITH HOLD FOR SELECT 1");
  await one(first, "PREPARE byhand AS SELECT 1");
  await first.send(parse("SELECT 'first'", { name: "s" }), parse("SELECT 'unnamed'"), sync());
  await first.readUntil("Z");
  await one(first, "SET ROLE app");
  await first.close();

  await using second = await served.client("session");
  assert.equal(await one(second, "SELECT pg_backend_pid()"), pid);
  assert.equal(second.parameters.get("application_name"), "");
  for (
    const [sql, expected] of [
      ["SELECT current_user", "postgres"],
      ["SHOW work_mem", "4MB"],
      ["SHOW application_name", ""],
      ["SELECT coalesce(current_setting('my.own', true), '')", ""],
      ["SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0"],
      ["SELECT count(*) FROM pg_listening_channels()", "0"],
      ["SELECT count(*) FROM pg_cursors WHERE name = 'held'", "0"],
      ["SELECT count(*) FROM pg_prepared_statements", "0"],
    ]
  ) assert.equal(await one(second, sql!), expected, sql);
  for (const statement of ["s", ""]) {
    await second.send(bind({ statement }), sync());
    assert.equal(errorOf(await second.readUntil("Z"))!["C"], "26000");
  }
});

Deno.test("In session mode temporary tables, and the schema that was made for them, are gone with their client", async () => {
  const first = await served.client("session");
  assert.deepEqual(errorOf(await first.query("CREATE TEMP TABLE tmp (a int)")), null);
  await first.close();
  await using second = await served.client("session");
  assert.equal(await one(second, "SELECT count(*) FROM pg_class WHERE relname = 'tmp'"), "0");
  assert.equal(await one(second, "SELECT pg_my_temp_schema()"), "0");
});

/** Ways to leave, and what a client is in the middle of when it does. */
const WAYS: Record<string, (client: WireClient) => void> = {
  "with a reset": (client) => client.socket.reset(),
  "with an end of stream": (client) => client.socket.end(),
};
const MOMENTS: Record<string, (client: WireClient) => Promise<void>> = {
  "in a transaction": async (client) => {
    await one(client, "BEGIN; INSERT INTO t VALUES (1); SELECT pg_advisory_lock(7)");
  },
  "in a failed transaction": async (client) => {
    await one(client, "BEGIN; INSERT INTO t VALUES (1)");
    await client.query("SELECT 1/0");
  },
  "in COPY IN": async (client) => {
    await client.send(query("BEGIN; SELECT pg_advisory_lock(7); COPY t FROM STDIN"));
    await client.readUntil("G");
    await client.send(copyData("1\n2\n"));
  },
  "in a running statement": async (client) => {
    await client.send(query("INSERT INTO t VALUES (1); SELECT pg_advisory_lock(7), pg_sleep(60)"));
    await waitFor(() => served.value("SELECT true FROM pg_locks WHERE locktype = 'advisory'"), {
      what: "the lock",
    });
  },
  "in a pipeline": async (client) => {
    const insert = [parse("INSERT INTO t VALUES (1)"), bind(), execute()];
    await client.send(
      ...insert,
      parse("SELECT pg_advisory_lock(7), pg_sleep(60)"),
      bind(),
      execute(),
      sync(),
    );
    await client.send(...insert, sync(), query("SELECT 1"));
    await waitFor(() => served.value("SELECT true FROM pg_locks WHERE locktype = 'advisory'"), {
      what: "the lock",
    });
  },
  "in a batch without its Sync": async (client) => {
    await client.send(parse("INSERT INTO t VALUES (1)"), bind(), execute(), flush());
    await client.readUntil("C");
  },
  "in the middle of a message": async (client) => {
    await one(client, "BEGIN; INSERT INTO t VALUES (1)");
    await client.send(query(`SELECT '${"x".repeat(50_000)}'`).subarray(0, 30_000));
  },
  "in the middle of rows": async (client) => {
    await client.send(
      query("INSERT INTO t VALUES (1); SELECT repeat('x', 100000) FROM generate_series(1, 100000)"),
    );
    await client.readUntil("D");
  },
};

for (const mode of ["session", "transaction"]) {
  for (const [moment, begin] of Object.entries(MOMENTS)) {
    for (const [way, leave] of Object.entries(WAYS)) {
      Deno.test(`A client that vanishes ${moment} ${way} leaves nothing to the next in ${mode} mode`, async () => {
        const client = await served.client(`vanish_${mode}`);
        await begin(client);
        leave(client);
        await using next = await served.client(`vanish_${mode}`);
        const answer = await next.query("SELECT 'mine'");
        assert.equal(typesOf(answer), "TDCZ");
        assert.deepEqual(rowsOf(answer), [["mine"]]);
        await next.send(parse("SELECT 'extended'"), bind(), execute(), sync());
        assert.equal(typesOf(await next.readUntil("Z")), "12DCZ");
        // The server ends what it ran by itself, soon.
        await waitFor(
          async () =>
            Number(await served.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) === 0,
          {
            what: "the lock to be gone",
          },
        );
        assert.equal(await one(next, "SELECT count(*) FROM t"), "0");
        await client[Symbol.asyncDispose]();
      });
    }
  }
}
