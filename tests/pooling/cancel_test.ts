import assert from "node:assert/strict";
import { cancel, errorOf, frontend, rowsOf, typesOf, waitFor, WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, execute, parse, query, sync } = frontend;

const served = new Served({
  setup: "CREATE TABLE t (id int)",
  pools: {
    session: { pool_mode: "session", default_pool_size: 5 },
    transaction: { default_pool_size: 5 },
    one: { default_pool_size: 1 },
    race: { default_pool_size: 1 },
    waiting: { default_pool_size: 1 },
    waits: { default_pool_size: 1, pool_mode: "session" },
  },
});

/** Waits until the statement of `client` that contains `mark` runs on the server. */
async function running(mark: string): Promise<void> {
  await waitFor(() =>
    served.value(
      `SELECT true FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%${mark}%'`,
    ), { what: `${mark} to run` });
}

/** Sends a CancelRequest with the client's own key, and returns once pgplex has taken it. */
const cancelOf = (client: WireClient) => cancel(served.pgplex, client.key!);

for (const alias of ["session", "transaction"]) {
  Deno.test(`A cancel ends the client's own statement with 57014 and leaves it connected, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    await using other = await served.client(alias);
    await other.send(query("SELECT 'undisturbed', pg_sleep(0.5)"));
    await client.send(query("SELECT 'own', pg_sleep(60)"));
    await running("own");
    await running("undisturbed");
    await cancelOf(client);
    const messages = await client.readUntil("Z");
    assert.equal(errorOf(messages)!["C"], "57014");
    assert.equal(messages.at(-1)!.status, "I");
    assert.equal(rowsOf(await other.readUntil("Z"))[0]![0], "undisturbed");
    assert.equal(await one(client, "SELECT 'works'"), "works");
  });

  Deno.test(`A cancel inside a transaction, a pipeline and a COPY aborts what runs, in ${alias} mode`, async () => {
    await using client = await served.client(alias);
    await one(client, "BEGIN");
    await client.send(parse("SELECT 'piped', pg_sleep(60)"), bind(), execute(), sync(), query("SELECT 1"));
    await running("piped");
    await cancelOf(client);
    assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
    const next = await client.readUntil("Z");
    assert.equal(errorOf(next)!["C"], "25P02");
    assert.equal(next.at(-1)!.status, "E");
    await one(client, "ROLLBACK");

    await client.send(query("COPY t FROM STDIN"));
    await client.readUntil("G");
    await cancelOf(client);
    // A server that waits for COPY data sees the cancel with the next message.
    await client.send(frontend.copyData("1\n"), frontend.copyData("2\n"), frontend.copyDone());
    assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
    assert.equal(await one(client, "SELECT 'works'"), "works");
  });

  Deno.test(`Keys are each client's own and say nothing of the server's, in ${alias} mode`, async () => {
    await using a = await served.client(alias);
    await using b = await served.client(alias);
    assert.notDeepEqual(a.key, b.key);
    for (const client of [a, b]) {
      const { pid, secret } = client.key!;
      const isBackends = String(pid) === await one(client, "SELECT pg_backend_pid()");
      assert.equal(isBackends, alias === "session");
      assert.equal(pid >>> 15, isBackends ? pid >>> 15 : 0x8001, "above all processes, and the instance");
      assert.equal(secret.length, 4);
    }
  });

  Deno.test(`A cancel of an idle session, a wrong secret and an unknown key do nothing, in ${alias} mode`, async () => {
    await using idle = await served.client(alias);
    await using client = await served.client(alias);
    await cancelOf(idle);
    assert.equal(await one(idle, "SELECT 'first'"), "first");
    for (let round = 0; round < 10; round++) {
      await cancelOf(idle);
      assert.equal(await one(idle, "SELECT 'works'"), "works");
    }
    await one(idle, "BEGIN");
    await cancelOf(idle);
    assert.equal(await one(idle, "SELECT 'in a transaction'"), "in a transaction");

    await client.send(query("SELECT 'guarded', pg_sleep(0.5)"));
    await running("guarded");
    const { pid, secret } = client.key!;
    const wrong = secret.map((byte, i) => i === 3 ? byte ^ 1 : byte);
    await cancel(served.pgplex, { pid, secret: wrong });
    await cancel(served.pgplex, { pid, secret: new Uint8Array(32) });
    await cancel(served.pgplex, { pid, secret: new Uint8Array(0) });
    await cancel(served.pgplex, { pid: pid + 1, secret });
    await cancel(served.pgplex, { pid: -1, secret });
    await cancelOf(idle);
    assert.equal(rowsOf(await client.readUntil("Z"))[0]![0], "guarded");
  });
}

Deno.test("A protocol 3.2 client has a secret of 32 bytes, which cancels", async () => {
  await using client = await WireClient.connect(served.pgplex, {
    user: "postgres",
    database: "transaction",
    protocol: frontend.PROTOCOL_3_2,
  });
  assert.equal(client.key!.secret.length, 32);
  await client.send(query("SELECT 'long key', pg_sleep(60)"));
  await running("long key");
  await cancelOf(client);
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
});

for (const alias of ["waiting", "waits"]) {
  Deno.test(`A cancel ends the wait for a server connection, and touches nobody else (${alias})`, async () => {
    await using holder = await served.client(alias);
    await one(holder, "BEGIN");
    await holder.send(query("SELECT 'held', pg_sleep(0.6)"));
    await running("held");
    await using client = await served.client(alias);
    for (const send of [[query("SELECT 1")], [parse("SELECT 1"), bind(), execute(), sync()]]) {
      await client.send(...send);
      await client.quiet(30);
      await cancelOf(client);
      const messages = await client.readUntil("Z");
      assert.equal(typesOf(messages), "EZ");
      assert.equal(errorOf(messages)!["C"], "57014");
      assert.equal(errorOf(messages)!["M"], "canceling statement due to user request");
    }
    assert.equal(rowsOf(await holder.readUntil("Z"))[0]![0], "held");
    await one(holder, "COMMIT");
    await holder.close();
    assert.equal(await one(client, "SELECT 'works'"), "works");
  });
}

Deno.test("A cancel that arrives late never touches the client that leases the connection next", async () => {
  await using a = await served.client("race");
  await using b = await served.client("race");
  const outcomes = { canceled: 0, done: 0 };
  for (let round = 0; round < 150; round++) {
    // a's statement takes about as long as its cancel needs to arrive; b's runs right behind it on the same connection.
    await a.send(query(`SELECT pg_sleep(${(round % 10) / 4000})`));
    const canceled = cancelOf(a);
    await b.send(query("SELECT 'b', pg_sleep(0.002)"), query("SELECT 'c'"));
    const messages = await a.readUntil("Z");
    const error = errorOf(messages);
    if (error !== null) assert.equal(error["C"], "57014");
    outcomes[error === null ? "done" : "canceled"]++;
    for (const name of ["b", "c"]) {
      const answer = await b.readUntil("Z");
      assert.equal(errorOf(answer), null, `round ${round}: ${errorOf(answer)?.["M"]}`);
      assert.equal(rowsOf(answer)[0]![0], name);
    }
    await canceled;
  }
  assert.ok(outcomes.canceled > 0 && outcomes.done > 0, `no race: ${JSON.stringify(outcomes)}`);
});

Deno.test("A statement that the client sends once its CancelRequest has ended is not hit by it", async () => {
  await using client = await served.client("transaction");
  for (let round = 0; round < 100; round++) {
    await client.send(query(`SELECT pg_sleep(${(round % 10) / 4000})`));
    await cancelOf(client);
    await client.send(query("SELECT 'next'"));
    const error = errorOf(await client.readUntil("Z"));
    if (error !== null) assert.equal(error["C"], "57014");
    assert.deepEqual(rowsOf(await client.readUntil("Z")), [["next"]]);
  }
});

Deno.test("Many late cancels of one client hit only its own statements", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  for (let round = 0; round < 30; round++) {
    await a.send(...Array.from({ length: 5 }, (_, i) => query(`SELECT ${i}`)));
    const cancels = Array.from({ length: 4 }, () => cancelOf(a));
    await b.send(query("SELECT 'b', pg_sleep(0.001)"));
    for (let i = 0; i < 5; i++) {
      const error = errorOf(await a.readUntil("Z"));
      if (error !== null) assert.equal(error["C"], "57014");
    }
    assert.equal(rowsOf(await b.readUntil("Z"))[0]?.[0], "b");
    await Promise.all(cancels);
    assert.equal(await one(b, "SELECT 'b again'"), "b again");
  }
});

for (const alias of ["session", "transaction"]) {
  Deno.test(`Ctrl-C in psql ends its statement at once, in ${alias} mode`, async () => {
    const child = new Deno.Command("psql", {
      args: ["-XAt", "-h", "127.0.0.1", "-p", String(served.pgplex.port), "-U", "postgres", "-d", alias],
      env: { LC_ALL: "C" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("SELECT 'by psql', pg_sleep(60);\n"));
    await writer.close();
    await running("by psql");
    child.kill("SIGINT");
    const { stdout, stderr } = await child.output();
    assert.match(new TextDecoder().decode(stderr), /ERROR: +canceling statement due to user request/);
    assert.equal(stdout.length, 0);
  });
}
