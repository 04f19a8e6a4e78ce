import assert from "node:assert/strict";
import {
  cancel,
  errorOf,
  frontend,
  isAlive,
  makeCerts,
  type PostgresNode,
  psql,
  rowsOf,
  startPostgres,
  tagsOf,
  typesOf,
  waitFor,
  WireClient,
  WireError,
} from "./mod.ts";

const sanitize = { sanitizeOps: true, sanitizeResources: true };
const postgres = { user: "postgres", password: "postgres" };

/** Asserts that neither processes nor files of `node` are left. */
async function assertGone(node: PostgresNode, pid: number): Promise<void> {
  assert.equal(await isAlive(pid), false);
  await assert.rejects(Deno.stat(node.dataDir), Deno.errors.NotFound);
}

for (const major of [14, 18] as const) {
  for (const auth of ["scram-sha-256", "md5"] as const) {
    Deno.test({
      name: `startPostgres() of ${major} answers the wire client by ${auth} and leaves nothing behind`,
      ...sanitize,
      async fn() {
        const node = await startPostgres({ major, auth, settings: { work_mem: "5MB" } });
        const pid = node.pid!;
        {
          await using _node = node;
          await using client = await WireClient.connect(node, postgres);
          assert.equal(client.authMethod, auth);
          assert.match(client.parameters.get("server_version")!, new RegExp(`^${major}\\.`));
          assert.deepEqual(rowsOf(await client.query("SHOW work_mem")), [["5MB"]]);
          assert.equal(typesOf(await client.extended("SELECT $1::int + 1", ["41"])), "12TDCZ");
          await assert.rejects(
            WireClient.connect(node, { user: "postgres", password: "wrong" }),
            (error) => error instanceof WireError && error.fields["C"] === "28P01",
          );
        }
        await assertGone(node, pid);
      },
    });
  }
}

Deno.test({
  name: "PostgresNode restarts, reloads, survives being killed and thaws after being frozen",
  ...sanitize,
  async fn() {
    await using node = await startPostgres({ major: 18 });
    await node.sql("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)");
    await node.restart();
    assert.deepEqual(await node.sql("SELECT a FROM kept"), [{ a: 7 }]);

    await node.reload({ work_mem: "9MB" });
    assert.deepEqual(await node.sql("SHOW work_mem"), [{ work_mem: "9MB" }]);

    const client = await WireClient.connect(node, postgres);
    await node.kill("SIGKILL");
    await client.closed();
    await client[Symbol.asyncDispose]();
    await assert.rejects(WireClient.connect(node, postgres));
    await node.start();
    assert.deepEqual(await node.sql("SELECT a FROM kept"), [{ a: 7 }]);

    await using frozen = await WireClient.connect(node, postgres);
    await node.kill("SIGSTOP");
    await frozen.send(frontend.query("SELECT 1"));
    await frozen.quiet(50);
    await node.kill("SIGCONT");
    assert.equal(typesOf(await frozen.readUntil("Z")), "TDCZ");
  },
});

Deno.test({
  name: "startPostgres() says which port is in use and leaves nothing behind",
  ...sanitize,
  async fn() {
    await using node = await startPostgres({ major: 18 });
    await assert.rejects(startPostgres({ major: 18, port: node.port }), {
      message: new RegExp(`port ${node.port} of 127.0.0.1 is in use`),
    });
  },
});

Deno.test({
  name: "startPostgres() with TLS is reached by a verified certificate, and knows a client by its own",
  ...sanitize,
  async fn() {
    await using certs = await makeCerts();
    await using node = await startPostgres({
      major: 18,
      tls: { ...certs.server, caFile: certs.caFile },
      hba: ["hostssl all by_cert 127.0.0.1/32 cert"],
    });
    await node.sql("CREATE ROLE by_cert LOGIN");
    const inUse = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    await using verified = await WireClient.connect(node, postgres, { tls: { ca: certs.ca } });
    assert.deepEqual(rowsOf(await verified.query(inUse)), [["t"]]);

    const { cert, key } = await certs.client("by_cert");
    const login = { user: "by_cert", database: "postgres" };
    await using byCert = await WireClient.connect(node, login, { tls: { ca: certs.ca, cert, key } });
    assert.equal(byCert.authMethod, "trust");
    assert.deepEqual(rowsOf(await byCert.query(inUse)), [["t"]]);

    await assert.rejects(
      WireClient.connect(node, postgres, { tls: { ca: certs.ca, servername: "example.org" } }),
    );
    await assert.rejects(WireClient.connect(node, login, { tls: { ca: certs.ca } }), WireError);
  },
});

Deno.test({
  name: "WireClient decodes errors, notices, notifications, COPY, function calls and protocol 3.2",
  ...sanitize,
  async fn() {
    await using node = await startPostgres({ major: 18, auth: "password" });
    await using client = await WireClient.open({ path: `${node.socketDir}/.s.PGSQL.${node.port}` });
    const greeting = await client.login({ ...postgres, protocol: frontend.PROTOCOL_3_2 });
    assert.equal(client.authMethod, "password");
    assert.equal(greeting.find((message) => message.key)!.key!.secret.length, 32);

    assert.equal(errorOf(await client.query("SELECT 1/0"))!["C"], "22012");
    const notified = await client.query("LISTEN a; NOTIFY a, 'b'");
    const notification = notified.find((message) => message.notification)!.notification!;
    assert.deepEqual(notification, { pid: client.key!.pid, channel: "a", payload: "b" });

    await client.query("CREATE TABLE t (a text)");
    await client.send(frontend.query("COPY t FROM STDIN"));
    await client.readUntil("G");
    await client.send(frontend.copyData("one\n"), frontend.copyData("\\N\n"), frontend.copyDone());
    assert.deepEqual(tagsOf(await client.readUntil("Z")), ["COPY 2"]);
    assert.deepEqual(rowsOf(await client.query("TABLE t")), [["one"], [null]]);

    await client.query("BEGIN");
    assert.equal(client.status, "T");
    await client.send(frontend.functionCall(1598)); // random()
    assert.equal(typesOf(await client.readUntil("Z")), "VZ");
    await client.query("COMMIT");

    await client.send(frontend.query("SELECT pg_sleep(60)"));
    await waitFor(
      async () => (await node.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).length,
      { what: "pg_sleep to run" },
    );
    await cancel(node, client.key!);
    assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");

    await client.send(frontend.startup({ user: "postgres", _pq_: "x" }));
    assert.equal(errorOf(await client.closed())!["C"], "08P01");
  },
});

Deno.test({
  name: "WireClient is told which protocol version and options the server does not know",
  ...sanitize,
  async fn() {
    await using node = await startPostgres({ major: 14, auth: "trust" });
    await using client = await WireClient.open(node);
    const params = { "_pq_.nonsense": "1" };
    const greeting = await client.login({ user: "postgres", protocol: frontend.PROTOCOL_3_2, params });
    const { negotiated } = greeting.find((message) => message.type === "v")!;
    assert.deepEqual(negotiated, { version: 0x3_0000, unknown: ["_pq_.nonsense"] });

    await using short = await WireClient.open(node, { deadlineMs: 50 });
    await assert.rejects(short.read(), /Waited 50 ms in vain for a message/);
  },
});

Deno.test({
  name: "psql() returns output, errors and exit code, and is killed at its deadline",
  ...sanitize,
  async fn() {
    await using node = await startPostgres({ major: 18 });
    const connection = { host: node.host, port: node.port, database: "postgres", ...postgres };
    const good = await psql(["-At"], { connection, stdin: "SELECT 1;\nSELECT 2;\n" });
    assert.deepEqual(good, { code: 0, stdout: "1\n2\n", stderr: "" });
    const bad = await psql(["-c", "SELECT nope"], { connection });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /column "nope" does not exist/);
    await assert.rejects(
      psql(["-c", "SELECT pg_sleep(60)"], { connection, deadlineMs: 300 }),
      /within 300 ms/,
    );
  },
});
