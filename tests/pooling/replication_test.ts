import assert from "node:assert/strict";
import {
  cancel,
  errorOf,
  frontend,
  psql,
  requireProgram,
  rowsOf,
  tagsOf,
  tempDir,
  typesOf,
  waitFor,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { copyData, copyDone, query } = frontend;

const served = new Served({
  major: 15,
  settings: { wal_level: "logical", max_wal_senders: "8", max_replication_slots: "8" },
  setup:
    "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION p FOR TABLE t; CREATE TABLE other (id int)",
  pools: {
    session: { pool_mode: "session" },
    transaction: { default_pool_size: 3 },
    single: { default_pool_size: 1, query_wait_timeout: "1s" },
  },
});

function replication(
  value: string,
  alias = "transaction",
  params: Record<string, string> = {},
): Promise<WireClient> {
  return served.client(alias, { replication: value, ...params });
}

/** Connections that a server shows as walsenders. */
async function walsenders(): Promise<number> {
  return Number(await served.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"));
}

/** Reads the stream until its data held all of `words`; XLogData is `w`, a keepalive `k`. */
async function readStream(client: WireClient, words: string[]): Promise<string> {
  let seen = "";
  while (!words.every((word) => seen.includes(word))) {
    const { type, body } = await client.read(`replicated ${words}`);
    assert.equal(type, "d");
    if (body[0] === 0x77) seen += new TextDecoder("latin1").decode(body.subarray(25));
    else assert.equal(body[0], 0x6b);
  }
  return seen;
}

/** StandbyStatusUpdate: everything up to `lsn` is written, flushed and applied. */
function status(lsn: bigint): Uint8Array {
  const body = new Uint8Array(34);
  const view = new DataView(body.buffer);
  body[0] = 0x72;
  for (const at of [1, 9, 17]) view.setBigUint64(at, lsn);
  return copyData(body);
}

for (const value of ["true", "on", "yes", "1", "database"]) {
  Deno.test(`replication=${value} makes a replication connection, which IDENTIFY_SYSTEM answers`, async () => {
    await using client = await replication(value);
    const messages = await client.query("IDENTIFY_SYSTEM");
    assert.equal(typesOf(messages), "TDCZ");
    const [row] = rowsOf(messages);
    assert.equal(
      row![0],
      String(await served.value("SELECT system_identifier::text FROM pg_control_system()")),
    );
    assert.equal(row![3], value === "database" ? "postgres" : null);
    assert.equal(await walsenders(), 1);
    // A connection of its own, not one of the pool.
    if (value === "database") assert.equal(await one(client, "SELECT current_database()"), "postgres");
    await client.close();
    await waitFor(async () => await walsenders() === 0, { what: "the walsender to end with its client" });
  });
}

Deno.test("replication=off makes an ordinary session, and nonsense is refused as on the server", async () => {
  for (const value of ["off", "false", "0", "no"]) {
    await using client = await replication(value);
    assert.equal(errorOf(await client.query("IDENTIFY_SYSTEM"))!["C"], "42601");
  }
  const errors: Record<string, string>[] = [];
  for (const target of [served.node, served.pgplex]) {
    await assert.rejects(
      WireClient.connect(target, { user: "postgres", params: { replication: "sometimes" } }),
      (error) => error instanceof WireError && errors.push(error.fields) > 0,
    );
  }
  for (const letter of ["S", "C", "M", "H"]) assert.equal(errors[1]![letter], errors[0]![letter]);
});

for (const alias of ["session", "transaction"]) {
  Deno.test(`A publication's changes are streamed by START_REPLICATION through the alias of ${alias} mode`, async () => {
    const slot = `slot_${alias}`;
    await using client = await replication("database", alias);
    const created = await client.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput`);
    assert.equal(typesOf(created), "TDCZ");
    assert.equal(rowsOf(created)[0]![0], slot);
    await client.send(
      query(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names 'p')`),
    );
    assert.equal((await client.read()).name, "CopyBothResponse");

    const ids = alias === "session" ? [1, 2, 3] : [11, 12, 13];
    await served.node.sql(`INSERT INTO other VALUES (1); INSERT INTO t VALUES (${ids[0]}, 'first_${alias}')`);
    await readStream(client, [`first_${alias}`]);
    // Changes through pgplex's pool arrive too, large ones in pieces that nobody but the ends looks into.
    await using writer = await served.client("transaction");
    await one(writer, `INSERT INTO t SELECT ${ids[1]}, repeat('x', 300000) || 'large_${alias}'`);
    await one(writer, `UPDATE t SET v = 'updated_${alias}' WHERE id = ${ids[0]}`);
    const seen = await readStream(client, [`large_${alias}`, `updated_${alias}`]);
    assert.ok(seen.length > 300_000);
    const lsn = BigInt(String(await served.value("SELECT pg_current_wal_lsn() - '0/0'")));
    await client.send(status(lsn));
    await waitFor(
      () =>
        served.value(
          `SELECT confirmed_flush_lsn - '0/0' >= ${lsn} FROM pg_replication_slots WHERE slot_name = '${slot}'`,
        ),
      {
        what: "the server to hear of our status",
      },
    );
    await client.send(copyDone());
    const last = await client.readUntil("Z");
    assert.equal(typesOf(last).replace(/^d*/, ""), "cCCZ");
    assert.deepEqual(tagsOf(last).at(-1), "START_REPLICATION");
    // The stream is over, the connection is not; its temporary slot goes with it.
    assert.equal(typesOf(await client.query("IDENTIFY_SYSTEM")), "TDCZ");
    await client.close();
    await waitFor(async () => Number(await served.value("SELECT count(*) FROM pg_replication_slots")) === 0, {
      what: "the temporary slot to go",
    });
  });
}

Deno.test("A replication client that vanishes in its stream takes its walsender with it", async () => {
  const client = await replication("true");
  const lsn = rowsOf(await client.query("IDENTIFY_SYSTEM"))[0]![2];
  await client.send(query(`START_REPLICATION ${lsn}`));
  await client.readUntil("W");
  assert.equal(await walsenders(), 1);
  client.socket.reset();
  await served.node.sql("INSERT INTO other SELECT generate_series(1, 1000)");
  await waitFor(async () => await walsenders() === 0, { what: "the walsender to end" });
  await client[Symbol.asyncDispose]();
});

Deno.test("A replication connection has a cancel key of pgplex's, which cancels on it", async () => {
  await using client = await replication("database");
  await client.send(query("SELECT 'walsender', pg_sleep(60)"));
  await waitFor(
    () =>
      served.value(
        "SELECT true FROM pg_stat_activity WHERE query LIKE '%''walsender''%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()",
      ),
    {
      what: "the statement to run",
    },
  );
  await cancel(served.pgplex, client.key!);
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
  assert.equal(typesOf(await client.query("IDENTIFY_SYSTEM")), "TDCZ");
});

Deno.test("Replication connections have their places in the pool: they wait for one, and others wait for them", async () => {
  await using holder = await served.client("single");
  await one(holder, "BEGIN");
  await assert.rejects(
    replication("true", "single"),
    /53300: query_wait_timeout: no server connection became free/,
  );
  const waiting = replication("true", "single");
  await using console = await served.client("pgplex");
  await waitFor(async () => {
    const rows = rowsOf(await console.query("SHOW POOLS"));
    return rows.some((row) => row[0] === "single" && row[3] === "1");
  }, { what: "the replication client to wait" });
  await one(holder, "COMMIT");
  await using client = await waiting;
  assert.equal(typesOf(await client.query("IDENTIFY_SYSTEM")), "TDCZ");
  assert.equal(errorOf(await holder.query("SELECT 1"))!["C"], "53300");
  await client.close();
  await waitFor(async () => errorOf(await holder.query("SELECT 1")) === null, {
    what: "the place to be free",
  });
});

Deno.test("Replication connections count for max_client_conn", async () => {
  await using console = await served.client("pgplex");
  await using held = await replication("database");
  assert.equal(await one(held, "SELECT 1"), "1");
  assert.equal(errorOf(await console.query("SET listen.max_client_conn TO 1")), null);
  await assert.rejects(served.client("transaction"), /53300: sorry, too many clients already/);
  await assert.rejects(replication("true"), /53300: sorry, too many clients already/);
  await held.close();
  await waitFor(() => replication("true").then((client) => client.close().then(() => true), () => false), {
    what: "room for another client",
  });
  assert.equal(errorOf(await console.query("RESET listen.max_client_conn")), null);
});

Deno.test("psql's replication connection runs commands of the replication protocol", async () => {
  const { code, stdout } = await psql([
    "-At",
    `host=127.0.0.1 port=${served.pgplex.port} user=postgres dbname=transaction replication=database`,
    "-c",
    "IDENTIFY_SYSTEM",
    "-c",
    "SHOW wal_level",
  ]);
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\|1\|[0-9A-F]+\/[0-9A-F]+\|postgres\nlogical\n$/);
});

Deno.test("pg_basebackup of a running server comes through whole", async () => {
  await requireProgram("pg_basebackup", "PostgreSQL's client programs (Debian: postgresql-client)");
  await using dir = await tempDir();
  const out = `${dir.path}/backup`;
  const { code, stderr } = await new Deno.Command("pg_basebackup", {
    env: { LC_ALL: "C" },
    args: [
      "-h",
      "127.0.0.1",
      "-p",
      String(served.pgplex.port),
      "-U",
      "postgres",
      "-d",
      "dbname=transaction",
      "-D",
      out,
      "-X",
      "stream",
      "-c",
      "fast",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const manifest = JSON.parse(await Deno.readTextFile(`${out}/backup_manifest`));
  assert.ok(manifest.Files.length > 500);
  for (const { Path, Size } of manifest.Files.slice(0, 50)) {
    assert.equal((await Deno.stat(`${out}/${Path}`)).size, Size, Path);
  }
});
