import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import {
  errorOf,
  frontend,
  pgbench,
  type PostgresMajor,
  psql,
  rowsOf,
  tempDir,
  waitFor,
  type WireClient,
  type WireMessage,
} from "../harness/mod.ts";
import { ReadPlay } from "../harness/read_play.ts";
import { Seeded } from "../harness/seeded.ts";

const SETUP = `
  CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL DEFAULT '');
  CREATE ROLE reader; GRANT SELECT ON notes TO reader;
`;

/** The value in `messages`, which hold one row; errors are thrown. */
function valueIn(messages: readonly WireMessage[]): string | null {
  const error = errorOf([...messages]);
  if (error !== null) throw new Error(`${error["C"]}: ${error["M"]}`);
  return rowsOf([...messages])[0]?.[0] ?? null;
}

async function one(client: WireClient, sql: string): Promise<string | null> {
  return valueIn(await client.query(sql));
}

async function stateOf(client: WireClient, sql: string): Promise<string | undefined> {
  return errorOf(await client.query(sql))?.["C"];
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const PORT = "SELECT inet_server_port()";

for (const major of [14, 18] as PostgresMajor[]) {
  let made: ReadPlay | null = null;
  const play = () => made!;
  const where = async (client: WireClient, prefix = "") => play().nodeAt(await one(client, prefix + PORT));
  /** Reads go to this node alone, or to the primary where it is null. */
  const only = async (name: string | null) => {
    for (const other of ["n2", "n3"]) await play().says(other, other === name ? null : { reads: false });
    await play().caughtUp();
  };
  /** Waits until a session's statement runs there: what it wrote before may have kept it at the primary. */
  const reaches = async (client: WireClient, name: string, prefix = "") =>
    await waitFor(async () => {
      await play().caughtUp();
      return await where(client, prefix) === name;
    }, { what: `statements to run on ${name}` });
  const both = async () => {
    for (const name of ["n2", "n3"]) await play().says(name, null);
    await play().caughtUp();
  };
  /** How often each node ran pgbench's SELECT, as its log says. */
  const selects = async () => {
    const logs = await Promise.all(play().replicas.nodes.map((node) => node.log()));
    return logs.map((log) =>
      log.match(/duration: .* (?:statement|execute [^:]*:?[^:]*): SELECT abalance/g)?.length ?? 0
    );
  };
  // The worker lives as long as the file: what it waits for begins in one test and ends in another.
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test({ name: `PostgreSQL ${major}: ${name}`, sanitizeOps: false, sanitizeResources: false, fn });

  test("(starts)", async () => {
    made = await ReadPlay.start({
      major,
      standbys: 2,
      setup: SETUP,
      balance: "{ max_standby_lag: 60s }",
      pool: "{ default_pool_size: 5, query_wait_timeout: 5s }",
      databases:
        "{ narrow: { cluster: main, database: postgres, default_pool_size: 1, max_db_connections: 2 }, " +
        "whole: { cluster: main, database: postgres, pool_mode: session } }",
    });
    await play().caughtUp();
  });

  test("intent in the connection string, by SET and by directives says where statements run, in both protocols", async () => {
    await only("n2");
    const reader = await play().client({ intent: "read" });
    equal(await where(reader), "n2");
    equal(play().nodeAt(valueIn(await reader.extended(PORT))), "n2");
    equal(await where(reader, "/*!pgplex intent=write*/ "), "n1");
    equal(play().nodeAt(valueIn(await reader.extended(`/*!pgplex intent=write*/ ${PORT}`))), "n1");
    await reaches(reader, "n2");
    const writer = await play().client();
    equal(await where(writer), "n1");
    await one(writer, "SET pgplex.intent = read");
    await reaches(writer, "n2");
    await one(writer, "RESET pgplex.intent");
    equal(await where(writer), "n1");
    await one(writer, "/*!pgplex session intent=read*/");
    await reaches(writer, "n2");
    await one(writer, "SET pgplex.intent = write");
    await reaches(writer, "n1");
    await waitFor(async () => {
      await play().caughtUp();
      await one(writer, "/*!pgplex transaction intent=read*/ BEGIN");
      const node = await where(writer);
      await one(writer, "COMMIT");
      return node === "n2";
    }, { what: "a transaction that reads" });
    equal(await where(writer), "n1");
    await reaches(writer, "n2", "/*!pgplex intent=read*/ ");
    equal(await stateOf(writer, "INSERT INTO notes VALUES (1)"), undefined);
    equal(await stateOf(writer, "DELETE FROM notes"), undefined);
    await reader.close();
    await writer.close();
  });

  test("a prepared statement's directive holds each time that it runs", async () => {
    await only("n3");
    const client = await play().client();
    await client.send(frontend.parse(`/*!pgplex intent=read*/ ${PORT}`, { name: "r" }), frontend.sync());
    await client.readUntil("Z");
    for (let i = 0; i < 3; i++) {
      equal(await where(client), "n1");
      await waitFor(async () => {
        await play().caughtUp();
        await client.send(frontend.bind({ statement: "r" }), frontend.execute(), frontend.sync());
        return play().nodeAt(valueIn(await client.readUntil("Z"))) === "n3";
      }, { what: "the statement to run on a standby" });
    }
    await client.close();
  });

  test("what writes behind a read that is not answered yet waits for it, and runs on the primary", async () => {
    await only("n2");
    const client = await play().client();
    for (const [begin, end] of [["", ""], ["BEGIN;", "; COMMIT"]]) {
      await reaches(client, "n2", "/*!pgplex intent=read*/ ");
      await client.send(
        frontend.query(`/*!pgplex intent=read*/ ${begin}${PORT}${end}`),
        frontend.query("INSERT INTO notes VALUES (2)"),
        frontend.extendedQuery("DELETE FROM notes WHERE id = 2"),
      );
      equal(play().nodeAt(valueIn(await client.readUntil("Z"))), "n2");
      for (let i = 0; i < 2; i++) equal(errorOf(await client.readUntil("Z")), null);
    }
    await client.close();
  });

  test("settings, role, application_name and prepared statements come along from node to node", async () => {
    await both();
    const client = await play().client({ intent: "read", params: { application_name: "mover" } });
    await one(client, "SET TimeZone = 'CET'");
    await one(client, "SET pgx.name = 'alice'");
    await one(client, "PREPARE s AS SELECT current_setting('TimeZone') || inet_server_port()");
    await client.send(frontend.parse("SELECT $1 || inet_server_port()", { name: "p" }), frontend.sync());
    await client.readUntil("Z");
    await one(client, "SET ROLE reader");
    for (const name of ["n2", "n3", "n1", "n2", "n1", "n3"]) {
      await only(name === "n1" ? null : name);
      const port = play().replicas.nodes[Number(name[1]) - 1]!.port;
      equal(await where(client), name);
      const sql =
        "SELECT concat_ws(' ', current_setting('TimeZone'), current_setting('pgx.name'), current_user, " +
        "current_setting('application_name'))";
      equal(await one(client, sql), "CET alice reader mover");
      equal(await one(client, "EXECUTE s"), `CET${port}`);
      await client.send(
        frontend.bind({ statement: "p", values: ["x"] }),
        frontend.execute(),
        frontend.sync(),
      );
      equal(valueIn(await client.readUntil("Z")), `x${port}`);
      equal(client.parameters.get("in_hot_standby"), name === "n1" ? "off" : "on");
    }
    await client.close();
  });

  test("a write ends reads on standbys for its session alone, until they show it", async () => {
    await only("n2");
    const [writer, reader] = [await play().client(), await play().client({ intent: "read" })];
    await one(writer, "SET pgplex.intent = read");
    await reaches(writer, "n2");
    equal(await stateOf(writer, "/*!pgplex intent=write*/ INSERT INTO notes VALUES (3, 'mine')"), undefined);
    equal(await where(writer), "n1");
    equal(await where(reader), "n2");
    // What it reads there is no write, which would keep it there for ever.
    for (let i = 0; i < 5; i++) equal(await one(writer, "SELECT text FROM notes WHERE id = 3"), "mine");
    await reaches(writer, "n2");
    equal(await one(writer, "SELECT text FROM notes WHERE id = 3"), "mine");
    await one(writer, "/*!pgplex intent=write*/ DELETE FROM notes");
    await writer.close();
    await reader.close();
  });

  test("a standby that is lost in the middle of a read has it run once again elsewhere, and its client notices nothing", async () => {
    const sql = "SELECT 'again', inet_server_port() FROM pg_sleep(0.5)";
    const reader = await play().client({ intent: "read" });
    const standby = play().replicas.nodes[1]!;
    for (const sent of [frontend.query(sql), frontend.extendedQuery(sql)]) {
      await only("n2");
      equal(await where(reader), "n2");
      await reader.send(sent);
      let pid: number | undefined;
      await waitFor(async () => {
        const running =
          "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT ''again''%' AND state = 'active'";
        return (pid = (await standby.sql(running))[0]?.["pid"]) !== undefined;
      }, { what: "the read to run", everyMs: 10 });
      await both();
      await standby.sql(`SELECT pg_terminate_backend(${pid})`);
      const messages = await reader.readUntil("Z");
      equal(errorOf(messages), null);
      equal(play().nodeAt(rowsOf(messages)[0]![1]!), "n3");
    }
    equal(await where(reader) === "n1", false);
    await reader.close();
  });

  test("a session that is pinned stays where it is, whatever its intent", async () => {
    await only("n2");
    const client = await play().client({ intent: "read" });
    await one(client, "SELECT pg_advisory_lock(7)");
    await waitFor(() => [...play().worker.sessions].some(({ view }) => view.pins.length > 0), {
      what: "the pin",
    });
    equal(await where(client, "/*!pgplex intent=write*/ "), "n2");
    equal(await stateOf(client, "/*!pgplex intent=write*/ INSERT INTO notes VALUES (4)"), "25006");
    await one(client, "SELECT pg_advisory_unlock(7)");
    await waitFor(async () => await where(client, "/*!pgplex intent=write*/ ") === "n1", {
      what: "the pin's end",
    });
    await client.close();
  });

  test("LISTEN and NOTIFY work in a session that reads, which goes on reading on standbys", async () => {
    await only("n3");
    const [listener, notifier] = [
      await play().client({ intent: "read" }),
      await play().client({ intent: "read" }),
    ];
    await one(listener, "LISTEN news");
    await one(notifier, "NOTIFY news, 'hello'");
    const [notice] = (await listener.readUntil("A")).slice(-1);
    equal(notice?.type, "A");
    equal(await one(listener, "SELECT count(*)::text FROM pg_listening_channels()"), "1");
    await reaches(listener, "n3");
    equal(await stateOf(listener, "UNLISTEN news"), undefined);
    await listener.close();
    await notifier.close();
  });

  test("a transaction at a standby keeps its node, and a write in it is refused as a standby refuses it", async () => {
    await only("n2");
    const client = await play().client({ intent: "read" });
    await one(client, "BEGIN");
    equal(await where(client), "n2");
    equal(await where(client, "/*!pgplex intent=write*/ "), "n2");
    await play().says("n2", { reads: false });
    equal(await where(client), "n2");
    equal(await stateOf(client, "INSERT INTO notes VALUES (5)"), "25006");
    await one(client, "ROLLBACK");
    equal(await where(client), "n1");
    await client.close();
  });

  test("BEGIN READ ONLY and default_transaction_read_only read where read_only_is_read is on, and only there", async () => {
    await only("n2");
    const client = await play().client();
    const inReadOnly = async (begin: string) => {
      await one(client, begin);
      const node = await where(client);
      await one(client, "COMMIT");
      return node;
    };
    equal(await inReadOnly("BEGIN READ ONLY"), "n1");
    play().balance("{ max_standby_lag: 60s, read_only_is_read: on }");
    await waitFor(async () => {
      await play().caughtUp();
      return await inReadOnly("BEGIN READ ONLY") === "n2";
    }, { what: "READ ONLY to read on the standby" });
    equal(await inReadOnly("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), "n2");
    equal(await inReadOnly("BEGIN"), "n1");
    await waitFor(async () => {
      await play().caughtUp();
      return await inReadOnly("BEGIN READ ONLY") === "n2";
    }, { what: "READ ONLY to read on the standby again" });
    for (let i = 0; i < 2; i++) {
      await client.send(frontend.extendedQuery("BEGIN READ ONLY"));
      equal(errorOf(await client.readUntil("Z")), null);
      equal(await where(client), "n2");
      await one(client, "COMMIT");
    }
    await client.send(frontend.parse("BEGIN READ ONLY", { name: "begin" }), frontend.sync());
    await client.readUntil("Z");
    for (let i = 0; i < 2; i++) {
      await client.send(frontend.bind({ statement: "begin" }), frontend.execute(), frontend.sync());
      equal(errorOf(await client.readUntil("Z")), null);
      equal(await where(client), "n2");
      await one(client, "COMMIT");
    }
    equal(await where(client), "n1");
    await one(client, "SET default_transaction_read_only = on");
    await reaches(client, "n2");
    equal(await inReadOnly("BEGIN READ WRITE"), "n1");
    const given = await play().client({ params: { options: "-c default_transaction_read_only=on" } });
    equal(await where(given), "n2");
    await one(given, "SET pgplex.intent = write");
    equal(await where(given), "n1");
    play().balance("{ max_standby_lag: 60s }");
    await client.close();
    await given.close();
  });

  test("with read_fallback wait reads wait for a standby, and hear why none came", async () => {
    await only(null);
    play().balance("{ max_standby_lag: 60s, read_fallback: wait }");
    const client = await play().client({ intent: "read" });
    const waiting = where(client);
    await waitFor(() => [...play().worker.sessions].some(({ view }) => view.waiting), {
      what: "a session to wait",
    });
    await only("n3");
    equal(await waiting, "n3");
    await only(null);
    const late = await play().client({
      intent: "read",
      params: { options: "-c pgplex.query_wait_timeout=100ms" },
    });
    const error = errorOf(await late.query(PORT));
    equal(error?.["C"], "53300");
    match(error!["M"]!, /no standby of cluster "main" is fit for reads/);
    play().balance("{ max_standby_lag: 60s }");
    await client.close();
    await late.close();
  });

  test("libpq's target_session_attrs finds what is true of the session with its intent", async () => {
    await both();
    const connect = async (attrs: string, intent: string) => {
      const { code, stdout, stderr } = await psql(["-Atc", PORT], {
        connection: play().connection(),
        env: { PGTARGETSESSIONATTRS: attrs, PGOPTIONS: `-c pgplex.intent=${intent}` },
      });
      const node = code === 0
        ? play().nodeAt(stdout.trim())
        : /session is|server is/.test(stderr)
        ? "refused"
        : stderr;
      return node.replace(/n[23]/, "standby");
    };
    const all = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"];
    const found = async (intent: string) => {
      const nodes: string[] = [];
      for (const attrs of all) nodes.push(await connect(attrs, intent));
      return nodes.join(" ");
    };
    equal(await found("read"), "standby refused standby refused standby standby");
    equal(await found("write"), "n1 n1 refused n1 refused n1");
  });

  test("what servers are asked of themselves is true of where the session goes", async () => {
    await both();
    const [reader, writer] = [await play().client({ intent: "read" }), await play().client()];
    for (const [client, recovers] of [[reader, true], [writer, false]] as const) {
      equal(await one(client, "SELECT pg_is_in_recovery()"), recovers ? "t" : "f");
      equal(await one(client, "SHOW transaction_read_only"), recovers ? "on" : "off");
      equal(client.parameters.get("in_hot_standby"), recovers ? "on" : "off");
      await client.close();
    }
  });

  test("a session whose transactions are SERIALIZABLE hears what a standby says, and is kept and restored there", async () => {
    await both();
    const client = await play().client({ intent: "read" });
    await one(client, "SET default_transaction_isolation = serializable");
    await one(client, "SET TimeZone = 'CET'");
    for (const name of ["n2", "n3", "n2"]) {
      await only(name);
      equal(await stateOf(client, "SELECT 1"), "0A000");
      equal(await one(client, "BEGIN ISOLATION LEVEL REPEATABLE READ; SHOW TimeZone"), "CET");
      equal(await where(client), name);
      await one(client, "COMMIT");
    }
    await one(client, "RESET default_transaction_isolation");
    equal(await one(client, "SHOW TimeZone"), "CET");
    await client.close();
  });

  test("a session in session pooling stays at the node to which its intent led, with its options and SERIALIZABLE too", async () => {
    await only("n2");
    const session = (intent: "read" | "write") => play().client({ intent, database: "whole" });
    const [reader, writer] = [await session("read"), await session("write")];
    deepEqual([reader, writer].map(({ parameters }) => parameters.get("in_hot_standby")), ["on", "off"]);
    await only("n3");
    deepEqual([await where(reader), await where(writer)], ["n2", "n1"]);
    await one(reader, "SET default_transaction_isolation = serializable");
    await one(reader, "SET pgplex.tag = 'mine'");
    equal(await stateOf(reader, "SELECT 1"), "0A000");
    await waitFor(
      () => [...play().worker.sessions].some(({ options }) => options.settled && options.wasSet),
      { what: "the option to be found" },
    );
    await reader.close();
    await writer.close();
  });

  test("a conflict with recovery reaches the client as the standby says it", async () => {
    await only("n2");
    const [client, writer] = [await play().client({ intent: "read" }), await play().client()];
    await one(writer, "INSERT INTO notes SELECT g, 'old' FROM generate_series(100, 200) g");
    await play().caughtUp();
    const standby = play().replicas.nodes[1]!;
    await standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0");
    await standby.sql("SELECT pg_reload_conf()");
    await one(client, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    const said = client.query("SELECT count(pg_sleep(1)) FROM notes");
    await waitFor(async () => {
      const sql =
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%count(pg_sleep(1))%' AND pid <> pg_backend_pid()";
      return (await standby.sql(sql)).length > 0;
    }, { what: "the statement to run" });
    await one(writer, "DELETE FROM notes");
    await one(writer, "VACUUM notes");
    const error = errorOf(await said)!;
    deepEqual([error["S"], error["C"]], ["ERROR", "40001"]);
    match(error["M"]!, /conflict with recovery/);
    await standby.sql("ALTER SYSTEM RESET max_standby_streaming_delay");
    await standby.sql("SELECT pg_reload_conf()");
    equal(client.status, "E");
    await one(client, "ROLLBACK");
    equal(await one(client, "SELECT count(*) FROM notes"), "0");
    await client.close();
    await writer.close();
  });

  test("pool_size counts for each node, max_db_connections over all of them", async () => {
    await both();
    const clients = await Promise.all(
      [0, 1, 2].map(() => play().client({ intent: "read", database: "narrow" })),
    );
    await Promise.all([one(clients[0]!, "BEGIN"), one(clients[1]!, "BEGIN")]);
    deepEqual((await Promise.all(clients.slice(0, 2).map((client) => where(client)))).toSorted(), [
      "n2",
      "n3",
    ]);
    const writer = await play().client({ database: "narrow" });
    const waits = [where(clients[2]!), where(writer)];
    await waitFor(() => [...play().worker.sessions].filter(({ view }) => view.waiting).length === 2, {
      what: "two to wait",
    });
    await Promise.all(clients.slice(0, 2).map((client) => one(client, "COMMIT")));
    match((await Promise.all(waits)).join(" "), /^n[23] n1$/);
    for (const client of [...clients, writer]) await client.close();
  });

  test("pgbench -S with intent=read spreads over the standbys by weight, and the primary gets none", async () => {
    await both();
    const [primary] = play().replicas.nodes;
    await primary!.sql("CREATE DATABASE bench");
    await primary!.sql("ALTER DATABASE bench SET log_min_duration_statement = 0");
    await primary!.sql(
      "CREATE TABLE accounts (aid int PRIMARY KEY, abalance int); INSERT INTO accounts SELECT g, 0 FROM generate_series(1, 1000) g",
      "bench",
    );
    await using script = await tempDir("reads-");
    const file = `${script.path}/select.sql`;
    await Deno.writeTextFile(
      file,
      "\\set aid random(1, 1000)\nSELECT abalance FROM accounts WHERE aid = :aid;\n",
    );
    for (const [weights, protocol] of [[[1, 1], "simple"], [[3, 1], "prepared"]] as const) {
      await play().says("n2", { weight: weights[0] });
      await play().says("n3", { weight: weights[1] });
      await play().caughtUp();
      const before = await selects();
      play().monitor(200);
      const { code, stderr } = await pgbench(
        ["-n", "-c", "4", "-t", "1500", "-M", protocol, "-f", file],
        { connection: play().connection("bench"), env: { PGOPTIONS: "-c pgplex.intent=read" } },
      );
      await play().rests();
      equal(code, 0, stderr);
      const after = await selects();
      const [atPrimary, a, b] = after.map((count, i) => count - before[i]!) as [number, number, number];
      const share = a / (a + b);
      const wanted = weights[0] / (weights[0] + weights[1]);
      equal(Math.abs(share - wanted) <= 0.05, true, `${a} and ${b} statements, ${atPrimary} at the primary`);
      deepEqual([a + b, atPrimary], [6000, 0]);
    }
    await both();
  });

  test("a session never misses its own write, whatever the standbys' replay does", async () => {
    const seed = Date.now() % 100_000;
    const random = new Seeded(seed);
    await both();
    play().monitor(20);
    const [end, readsAt] = [Date.now() + 4000, new Map<string, number>()];
    let paused = false;
    const replay = (async () => {
      for (; Date.now() < end;) {
        const node = play().replicas.nodes[1 + random.below(2)]!;
        await node.sql(paused ? "SELECT pg_wal_replay_resume()" : "SELECT pg_wal_replay_pause()");
        paused = !paused && random.below(2) === 0;
        await pause(10 + random.below(60));
      }
      for (const node of play().replicas.nodes.slice(1)) await node.sql("SELECT pg_wal_replay_resume()");
    })();
    const session = async (id: number) => {
      const client = await play().client({ intent: "read" });
      const sent = [0];
      const write = (sql: string) => one(client, `/*!pgplex intent=write*/ ${sql}`);
      await write(`INSERT INTO notes VALUES (${id}, '0')`);
      for (let value = 1; Date.now() < end; value++) {
        if (random.below(4) === 0) {
          await write(`UPDATE notes SET text = '${sent[0] = value}' WHERE id = ${id}`);
        }
        const rows = rowsOf(
          await client.query(`SELECT text, inet_server_port() FROM notes WHERE id = ${id}`),
        );
        equal(
          rows[0]?.[0],
          String(sent[0]),
          `seed ${seed}: session ${id} at ${play().nodeAt(rows[0]?.[1] ?? null)}`,
        );
        const node = play().nodeAt(rows[0]![1]!);
        readsAt.set(node, (readsAt.get(node) ?? 0) + 1);
        if (random.below(3) === 0) await pause(random.below(40));
      }
      await client.close();
    };
    await Promise.all([replay, ...[1, 2, 3, 4, 5, 6].map((id) => session(1000 + id))]);
    await play().rests();
    equal(readsAt.size, 3, `seed ${seed}: reads at ${[...readsAt]}`);
  });

  test("reads and writes pipelined at random, in both protocols, each run where they belong and see what came before", async () => {
    const seed = Date.now() % 100_000;
    await both();
    play().monitor(20);
    const endMs = Date.now() + 3000;
    const nodes = new Set<string>();
    const session = async (id: number) => {
      const random = new Seeded(seed, id);
      const client = await play().client(id % 2 === 0 ? { intent: "read" } : {});
      const as = (intent: string, sql: string) => `/*!pgplex intent=${intent}*/ ${sql}`;
      const put = (sql: string) => random.below(2) === 0 ? frontend.query(sql) : frontend.extendedQuery(sql);
      let value = 0;
      valueIn(await client.query(as("write", `INSERT INTO notes VALUES (${id}, '0')`)));
      while (Date.now() < endMs) {
        const units: Uint8Array[] = [];
        const wanted: (string | null)[] = [];
        const select = `SELECT text, inet_server_port() FROM notes WHERE id = ${id}`;
        for (let left = 1 + random.below(5); left > 0; left--) {
          const kind = random.below(6);
          if (kind < 2) {
            units.push(put(as("write", `UPDATE notes SET text = '${++value}' WHERE id = ${id}`)));
            wanted.push(null);
          } else if (kind < 5) {
            units.push(put(as("read", select)));
            wanted.push(String(value));
          } else {
            // What is pipelined behind its COMMIT is a part of it, as far as anybody knows.
            units.push(put("/*!pgplex transaction intent=read*/ BEGIN"), put(select), put("COMMIT"));
            wanted.push(null, String(value), null);
            break;
          }
        }
        await client.send(...units);
        for (const [i, expected] of wanted.entries()) {
          const answer = await client.readUntil("Z");
          const error = errorOf(answer);
          const about = `seed ${seed}, session ${id}, ${i + 1} of ${wanted.length}`;
          equal(error === null ? null : `${error["C"]} ${error["M"]}`, null, about);
          if (expected === null) continue;
          const [row] = rowsOf(answer);
          equal(row?.[0], expected, `${about}, at ${play().nodeAt(row?.[1] ?? null)}`);
          nodes.add(play().nodeAt(row![1]!));
        }
        if (random.below(3) === 0) await pause(random.below(60));
      }
      await client.close();
    };
    await Promise.all([2001, 2002, 2003, 2004].map(session));
    await play().rests();
    equal(nodes.size, 3, `seed ${seed}: reads at ${[...nodes]}`);
  });

  test("(ends)", async () => await made?.[Symbol.asyncDispose]());
}
