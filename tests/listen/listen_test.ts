import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import {
  errorOf,
  frontend,
  pgOptions,
  type PostgresMajor,
  postgresOptions,
  startPgplex,
  startPostgres,
  waitFor,
  WireClient,
  type WireMessage,
} from "../harness/mod.ts";
import { randomFrom } from "../harness/isolation_model.ts";
import { one, Served } from "../harness/served.ts";
import { playState, stateLine, type StateScript } from "../harness/state_play.ts";

const { bind, execute, parse, query, sync } = frontend;

const SEED = Number(Deno.env.get("PGPLEX_TEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!);

/** Steps of each session in the storm. */
const STEPS = Number(Deno.env.get("PGPLEX_LISTEN_STEPS") ?? 60);

const CHANNELS = "SELECT string_agg(c, ',' ORDER BY c) FROM pg_listening_channels() c";

/** How {@link heard} shows a notification: "self" where the client's own process id stands. */
function shown(client: WireClient, { notification }: WireMessage): string {
  const { channel, payload, pid } = notification!;
  return `${channel}: ${payload}${pid === client.key!.pid ? " (self)" : ""}`;
}

/** The next notification or notice that comes to `client`. */
async function heard(client: WireClient): Promise<string> {
  const message = (await client.readUntil("AN")).at(-1)!;
  return message.notification !== undefined
    ? shown(client, message)
    : `${message.fields!["S"]}: ${message.fields!["M"]}`;
}

/** The notifications among `messages`. */
function notificationsIn(client: WireClient, messages: readonly WireMessage[]): string[] {
  return messages.filter(({ type }) => type === "A").map((message) => shown(client, message));
}

/** What must be the same on a connection of one's own, and where each transaction is on another connection. */
const SCRIPTS: readonly StateScript[] = [
  {
    name: "LISTEN takes effect at COMMIT, and its own NOTIFY comes with the answer",
    steps: [
      "LISTEN here",
      "NOTIFY here, 'to myself'",
      "SELECT pg_listening_channels()",
      "BEGIN; LISTEN undone",
      "ROLLBACK",
      "NOTIFY undone, 'not heard'",
      "BEGIN; NOTIFY here, 'in a transaction'; SELECT 1",
      "COMMIT",
      "BEGIN",
      "SELECT 1",
      "NOTIFY here, 'later in a transaction'",
      "COMMIT",
      "BEGIN",
      "NOTIFY here, 'not committed'",
      "ROLLBACK",
      "SELECT pg_notify('here', 'by function')",
      "UNLISTEN here",
      "NOTIFY here, 'not heard'",
      "SELECT pg_listening_channels()",
    ],
  },
  {
    name: "What a transaction notifies out of sight comes in its order, on channels old and new",
    steps: [
      "LISTEN here",
      "SELECT 1",
      "BEGIN",
      "DO $$ BEGIN EXECUTE 'NOT' || 'IFY here, ''1'''; EXECUTE 'NOT' || 'IFY there, ''2'''; END $$",
      "NOTIFY here, '3'",
      "LISTEN there",
      "NOTIFY there, '4'",
      "COMMIT",
    ],
  },
  {
    name: "UNLISTEN of one, of all, and of none",
    steps: [
      "LISTEN a; LISTEN b; LISTEN c",
      CHANNELS,
      "UNLISTEN b",
      CHANNELS,
      "NOTIFY a; NOTIFY b; NOTIFY c",
      "UNLISTEN nothing",
      "UNLISTEN *",
      CHANNELS,
      "NOTIFY a",
      "LISTEN a; LISTEN b",
      "UNLISTEN *; LISTEN c",
      "NOTIFY a; NOTIFY b; NOTIFY c",
      CHANNELS,
    ],
  },
  {
    name: "DISCARD ALL ends every LISTEN",
    steps: [
      "LISTEN a; LISTEN b",
      "DISCARD ALL",
      CHANNELS,
      "NOTIFY a",
      "LISTEN a",
      [parse("DISCARD ALL"), bind(), execute()],
      "NOTIFY a",
      CHANNELS,
      "LISTEN b",
      "BEGIN; DISCARD ALL",
      "ROLLBACK",
      "NOTIFY b",
    ],
  },
  {
    name: "LISTEN and UNLISTEN in transactions that are rolled back, as a whole and to savepoints",
    steps: [
      "LISTEN kept",
      "BEGIN",
      "UNLISTEN kept",
      "ROLLBACK",
      "NOTIFY kept, '1'",
      "BEGIN",
      "UNLISTEN *",
      "COMMIT",
      "NOTIFY kept, '2'",
      "LISTEN kept",
      "BEGIN",
      "SAVEPOINT s",
      "LISTEN undone",
      "UNLISTEN kept",
      "ROLLBACK TO s",
      "NOTIFY kept, '3'",
      "COMMIT",
      "NOTIFY kept, '4'; NOTIFY undone, '4'",
      "BEGIN",
      "SAVEPOINT s",
      "NOTIFY kept, 'undone'",
      "ROLLBACK TO s",
      "LISTEN second",
      "SAVEPOINT t",
      "NOTIFY second, '5'",
      "RELEASE t",
      "UNLISTEN kept",
      "COMMIT",
      CHANNELS,
      "NOTIFY kept, '6'; NOTIFY second, '6'",
      "BEGIN; SELECT 1",
      "UNLISTEN *; COMMIT",
      CHANNELS,
      "NOTIFY second, '7'",
      "LISTEN second",
      "BEGIN; SELECT 1",
      "UNLISTEN *; LISTEN third; COMMIT",
      CHANNELS,
      "NOTIFY second, '8'; NOTIFY third, '8'",
      "BEGIN",
      "SELECT 1/0",
      "UNLISTEN third",
      "ROLLBACK",
      "NOTIFY third, '9'",
      "BEGIN; UNLISTEN third; SELECT 1/0",
      "ROLLBACK",
      "NOTIFY third, '10'",
      "UNLISTEN third; SELECT 1/0",
      "NOTIFY third, '11'",
    ],
  },
  {
    name: "UNLISTEN holds when a statement that SQL prepared is bound behind it",
    steps: [
      "LISTEN gone",
      "BEGIN",
      "PREPARE p AS SELECT 1",
      "UNLISTEN *",
      [bind({ statement: "p" }), execute()],
      "NOTIFY gone, 'unheard'",
      "COMMIT",
      "NOTIFY gone, 'unheard'",
      CHANNELS,
    ],
  },
  {
    name: "LISTEN, NOTIFY and UNLISTEN by the extended protocol",
    steps: [
      [parse("LISTEN e"), bind(), execute()],
      [parse("SELECT pg_notify('e', $1)"), bind({ values: ["one"] }), execute()],
      [parse("NOTIFY e, 'two'"), bind(), execute(), parse("SELECT 1"), bind(), execute()],
      [parse("SELECT 1"), bind(), execute(), parse("NOTIFY e, 'three'"), bind(), execute()],
      [parse("NOTIFY e, 'failed'"), bind(), execute(), parse("SELECT 1/0"), bind(), execute()],
      [parse("SELECT pg_notify('e', $1)", { name: "n" })],
      [bind({ statement: "n", values: ["four"] }), execute()],
      "BEGIN",
      [bind({ statement: "n", values: ["five"] }), execute()],
      [parse("UNLISTEN *"), bind(), execute(), parse("SELECT 1"), bind(), execute()],
      [parse("COMMIT"), bind(), execute()],
      [bind({ statement: "n", values: ["unheard"] }), execute()],
      CHANNELS,
      [parse("SELECT 1"), bind(), execute(), parse("LISTEN e"), bind(), execute()],
      [parse("SELECT 1"), bind(), execute(), parse("UNLISTEN *"), bind(), execute()],
      [bind({ statement: "n", values: ["unheard"] }), execute()],
      CHANNELS,
    ],
  },
  {
    name: "Channels with odd names, of 63 bytes and more, and payloads of 7999 bytes",
    steps: [
      `LISTEN "odd ""name"" with 'quotes', \\ and ünïcödé"`,
      `NOTIFY "odd ""name"" with 'quotes', \\ and ünïcödé", 'to the odd one'`,
      `SELECT pg_notify('odd "name" with ''quotes'', \\ and ünïcödé', 'by function')`,
      `LISTEN MixedCase; LISTEN "MixedCase"`,
      `NOTIFY mixedcase, 'lower'; NOTIFY "MixedCase", 'mixed'`,
      `LISTEN ${"n".repeat(63)}`,
      `LISTEN "${"é".repeat(31)}"`,
      `NOTIFY ${"n".repeat(63)}, '63'; NOTIFY "${"é".repeat(31)}", '62'`,
      `LISTEN ${"x".repeat(70)}`,
      `NOTIFY ${"x".repeat(63)}, 'truncated'`,
      "SELECT pg_notify('mixedcase', repeat('p', 7999))",
      "SELECT pg_notify('mixedcase', repeat('p', 8000))",
      "LISTEN pgplex_0",
      "NOTIFY pgplex_0, '1'",
      "SELECT pg_listening_channels()",
      "UNLISTEN *",
      "SELECT pg_listening_channels()",
    ],
  },
  {
    name: "The same notification twice in a transaction, and a client_encoding that changes",
    params: { client_encoding: "LATIN1" },
    steps: [
      "LISTEN twice",
      "BEGIN; NOTIFY twice, 'same'; NOTIFY twice, 'same'; NOTIFY twice, 'other'; COMMIT",
      "SELECT pg_notify('twice', chr(233) || 'té')",
      'LISTEN "\u00e9t\u00e9"',
      "SELECT pg_notify(chr(233), chr(233))",
      "SET client_encoding = 'UTF8'",
      "SELECT pg_notify('twice', chr(233) || chr(8364))",
      "SELECT pg_listening_channels()",
      "SET client_encoding = 'LATIN9'",
      "SELECT pg_notify('twice', chr(233) || chr(8364))",
      "SELECT pg_listening_channels()",
      "RESET client_encoding",
      "NOTIFY twice, 'reset'",
      "UNLISTEN *",
    ],
  },
];

function tests(major: PostgresMajor): void {
  const served = new Served({
    major,
    settings: { max_connections: "60" },
    setup: `
      CREATE ROLE intruder;
      CREATE TABLE news (v text);
      CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_notify('told', NEW.v); RETURN NEW; END $$;
      CREATE TRIGGER telling AFTER INSERT ON news FOR EACH ROW EXECUTE FUNCTION tell();
      CREATE FUNCTION hear(channel text) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE format('LISTEN %I', channel); END $$;
    `,
    pools: {
      one: { default_pool_size: 1, query_wait_timeout: "10s" },
      two: { default_pool_size: 2, query_wait_timeout: "10s" },
      off: { default_pool_size: 1, query_wait_timeout: "10s", state_check: "off" },
      four: { default_pool_size: 4, query_wait_timeout: "20s" },
      full: {
        default_pool_size: 2,
        query_wait_timeout: "300ms",
        database: "template1",
        max_db_connections: 1,
      },
    },
  });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`PostgreSQL ${major}: ${name}`, fn);
  /** The server processes that listen for pgplex. */
  const listenerPids = async () => {
    const rows = await served.node.sql(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgplex listener'",
    );
    return rows.map(({ pid }) => Number(pid));
  };

  for (const script of SCRIPTS) {
    // PostgreSQL 13 reports each setting that DISCARD ALL resets, one that keeps its value too.
    if (major > 13 || !script.name.startsWith("DISCARD")) test(script.name, () => playState(served, script));
  }

  test("after DISCARD ALL a client hears nothing, and listens anew", async () => {
    await using client = await served.client("two");
    await using other = await served.client("two");
    await one(client, "LISTEN a; LISTEN b");
    assert.equal(errorOf(await client.query("DISCARD ALL")), null);
    await one(other, "NOTIFY a, 'unheard'");
    await one(client, "LISTEN b");
    await one(other, "NOTIFY a, 'unheard'; NOTIFY b, 'heard'");
    assert.equal(await heard(client), "b: heard");
  });

  for (const pool of ["one", "two", "off"]) {
    test(`a session that listens holds no server connection, and hears others (pool ${pool})`, async () => {
      await using listener = await served.client(pool);
      await using sender = await served.client(pool);
      await one(listener, "LISTEN news");
      for (const payload of ["first", "second", ""]) {
        await one(sender, `NOTIFY news, '${payload}'`);
        assert.equal(await heard(listener), `news: ${payload}`);
      }
      assert.equal(await one(sender, "SELECT count(*) FROM pg_listening_channels()"), "0");
      assert.equal(await one(listener, "SELECT count(*) FROM pg_listening_channels()"), "1");
      await one(listener, "UNLISTEN news");
      await one(sender, "NOTIFY news, 'unheard'");
      await one(listener, "LISTEN other");
      await one(sender, "NOTIFY other, 'heard'");
      assert.equal(await heard(listener), "other: heard");
    });
  }

  test("the client's own notifications carry its own pid and come before ReadyForQuery", async () => {
    await using client = await served.client("two");
    await using other = await served.client("two");
    assert.deepEqual(notificationsIn(client, await client.query("LISTEN mine; NOTIFY mine, '0'")), [
      "mine: 0 (self)",
    ]);
    for (const [sql, payload] of [["NOTIFY mine, '1'", "1"], ["SELECT pg_notify('mine', '2')", "2"]]) {
      assert.deepEqual(notificationsIn(client, await client.query(sql!)), [`mine: ${payload} (self)`]);
    }
    await one(client, "BEGIN");
    await one(client, "NOTIFY mine, '3'");
    await one(other, "NOTIFY mine, 'between'");
    const messages = await client.query("COMMIT");
    assert.deepEqual(notificationsIn(client, messages), ["mine: between", "mine: 3 (self)"]);
    assert.equal(messages.at(-1)!.type, "Z");
    await one(other, "NOTIFY mine, '4'");
    assert.equal(await heard(client), "mine: 4");
  });

  test("pipelined statements that listen and notify are answered as by the server itself", async () => {
    const batch = (...sql: string[]) =>
      frontend.concat([...sql.flatMap((text) => [parse(text), bind(), execute()]), sync()]);
    const pipelines: readonly (readonly Uint8Array[])[] = [
      ["SELECT 1", "NOTIFY p, '1'", "NOTIFY p, '2'", "SELECT 2"].map(query),
      ["BEGIN", "NOTIFY p, '3'", "COMMIT", "NOTIFY p, '4'", "BEGIN", "NOTIFY p, '5'", "ROLLBACK"].map(query),
      ["SELECT 1/0", "NOTIFY p, '6'", "BEGIN", "SELECT 1/0", "NOTIFY p, '7'", "ROLLBACK", "NOTIFY p, '8'"]
        .map(query),
      [batch("SELECT 1"), batch("NOTIFY p, '9'"), batch("SELECT 1", "NOTIFY p, '10'"), batch("SELECT 2")],
      [batch("SELECT 1"), batch("NOTIFY p, '11'", "SELECT 1/0"), batch("NOTIFY p, '12'")],
      [
        batch("BEGIN"),
        batch("SAVEPOINT s"),
        batch("NOTIFY p, '13'"),
        batch("ROLLBACK TO s"),
        batch("NOTIFY p, '14'"),
      ]
        .concat(batch("COMMIT")),
      [
        query("SELECT 1"),
        batch("UNLISTEN *"),
        batch("NOTIFY p, '15'"),
        batch("LISTEN p"),
        query("NOTIFY p, '16'"),
      ],
      [
        query("SELECT 1"),
        query("LISTEN q"),
        query("UNLISTEN p"),
        query("NOTIFY p; NOTIFY q, '17'"),
        query(CHANNELS),
      ],
      [
        query("BEGIN"),
        query("UNLISTEN *"),
        query("LISTEN p"),
        query("NOTIFY p, '18'; NOTIFY q"),
        query("COMMIT"),
      ],
      [
        query("SELECT 1"),
        query("BEGIN"),
        batch("UNLISTEN *", "COMMIT"),
        batch("NOTIFY p, '19'"),
        query(CHANNELS),
      ],
    ];
    const play = async (client: WireClient) => {
      await one(client, "LISTEN p");
      const answers: string[][] = [];
      for (const pipeline of pipelines) {
        await client.send(...pipeline);
        for (let i = 0; i < pipeline.length; i++) answers.push((await client.readUntil("Z")).map(stateLine));
      }
      return answers;
    };
    await using direct = await served.direct();
    const expected = await play(direct);
    for (let round = 0; round < 5; round++) {
      await using client = await served.client("two");
      await using intruder = await served.client("two");
      await one(intruder, "LISTEN x; LISTEN p");
      assert.deepEqual(await play(client), expected);
    }
  });

  test("a notification by a trigger carries the pid of the client whose statement it was", async () => {
    await using client = await served.client("two");
    await using other = await served.client("two");
    await one(client, "LISTEN told");
    await one(other, "LISTEN told");
    for (let round = 0; round < 5; round++) {
      await client.query(`INSERT INTO news VALUES ('${round}')`);
      assert.deepEqual([await heard(client), await heard(other)], [
        `told: ${round} (self)`,
        `told: ${round}`,
      ]);
    }
  });

  test("a client in a transaction gets what others notified when the transaction ends", async () => {
    await using client = await served.client("two");
    await using other = await served.client("two");
    await one(client, "LISTEN news");
    await one(client, "BEGIN; SELECT 1");
    for (const payload of ["1", "2"]) await one(other, `NOTIFY news, '${payload}'`);
    assert.deepEqual(notificationsIn(client, await client.query("SELECT pg_sleep(0.2)")), []);
    assert.equal(errorOf(await client.query("COMMIT")), null);
    assert.deepEqual([await heard(client), await heard(client)], ["news: 1", "news: 2"]);
    assert.equal(await one(client, "SELECT 3"), "3");
  });

  test("a LISTEN that a function does is found, and handed over", async () => {
    await using client = await served.client("one");
    await using other = await served.client("one");
    await client.query("SELECT hear('from inside')");
    await one(other, `NOTIFY "from inside", 'x'`);
    assert.equal(await heard(client), "from inside: x");
  });

  test("a session that a temporary table holds listens there, and is handed over when the table is gone", async () => {
    await using client = await served.client("two");
    await using other = await served.client("two");
    await one(client, "LISTEN before");
    await client.query("CREATE TEMP TABLE held (v int)");
    await one(client, "LISTEN held");
    for (const channel of ["before", "held"]) {
      await one(other, `NOTIFY ${channel}, 'x'`);
      assert.equal(await heard(client), `${channel}: x`);
    }
    assert.equal(await one(client, CHANNELS), "before,held");
    await client.query("DROP TABLE held");
    await using third = await served.client("two");
    await one(third, "BEGIN");
    for (const channel of ["before", "held"]) {
      await one(other, `NOTIFY ${channel}, 'y'`);
      assert.equal(await heard(client), `${channel}: y`);
    }
  });

  test("where no listener may be opened the session keeps its connection, and hears all the same", async () => {
    const client = await served.client("full");
    await using other = await served.client("full");
    await one(client, "LISTEN news");
    assert.match(errorOf(await other.query("SELECT 1"))!["M"]!, /query_wait_timeout/);
    await one(client, "NOTIFY news, 'to myself'");
    await client.close();
    assert.equal(await one(other, "SELECT 1"), "1");
  });

  test("notifications in another client_encoding are in that one", async () => {
    await using utf8 = await served.client("two");
    await using latin1 = await served.client("two", { client_encoding: "LATIN1" });
    await one(utf8, "LISTEN accents");
    await one(latin1, "LISTEN accents");
    await one(utf8, "SELECT pg_notify('accents', chr(233))");
    const [message] = await latin1.readUntil("A");
    assert.deepEqual([...message!.body.subarray(4)], [...new TextEncoder().encode("accents\0"), 0xe9, 0]);
  });

  test("a listener that is killed comes again, and its sessions are warned", async () => {
    await using client = await served.client("four");
    await using other = await served.client("four");
    await using deaf = await served.client("four");
    await one(client, "LISTEN news");
    await one(deaf, "LISTEN news; UNLISTEN news");
    // Answered once it has been handed over.
    await one(client, "SELECT 1");
    for (let round = 0; round < 2; round++) {
      const pids = await listenerPids();
      await served.node.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgplex listener'",
      );
      assert.equal(await heard(client), "WARNING: notifications may have been lost");
      assert.ok((await listenerPids()).every((pid) => !pids.includes(pid)));
      await one(other, `NOTIFY news, '${round}'`);
      assert.equal(await heard(client), `news: ${round}`);
      assert.equal(await one(client, CHANNELS), "news");
      assert.deepEqual(notificationsIn(client, await client.query("NOTIFY news, 'self'")), [
        "news: self (self)",
      ]);
    }
    assert.ok((await deaf.query("SELECT 1")).every(({ type }) => type !== "N"));
    assert.match(served.pgplex.log, /shared listener lost/);
  });

  test("hundreds of sessions listen over one connection, each to its own and to one for all", async () => {
    const clients = await Promise.all(Array.from({ length: 300 }, () => served.client("two")));
    await Promise.all(clients.map((client, i) => one(client, `LISTEN own_${i}; LISTEN everybody`)));
    await using sender = await served.client("two");
    await one(sender, "NOTIFY everybody, 'hello'");
    assert.ok((await Promise.all(clients.map(heard))).every((text) => text === "everybody: hello"));
    for (const i of [0, 150, 299]) {
      await one(sender, `NOTIFY own_${i}, '${i}'`);
      assert.equal(await heard(clients[i]!), `own_${i}: ${i}`);
    }
    assert.equal((await listenerPids()).length <= 4, true, "one for each encoding that was used");
    await Promise.all(clients.map((client) => client.close()));
    await using last = await served.client("two");
    await one(last, "LISTEN everybody");
    await one(sender, "NOTIFY everybody, 'still'");
    assert.equal(await heard(last), "everybody: still");
  });

  test("a client that does not read ends, and nobody else notices", async () => {
    await using slow = await served.client("two");
    await using good = await served.client("two");
    await using sender = await served.client("two");
    await one(slow, "LISTEN flood");
    await one(good, "LISTEN flood");
    await slow.send(query("BEGIN; SELECT 1"));
    await slow.readUntil("Z");
    const total = 2500;
    await sender.query(
      `SELECT pg_notify('flood', i || repeat('x', 7900)) FROM generate_series(1, ${total}) i`,
    );
    for (let i = 1; i <= total; i++) assert.ok((await heard(good)).startsWith(`flood: ${i}x`));
    const error = errorOf(await slow.closed());
    assert.deepEqual([error?.["S"], error?.["C"]], ["FATAL", "53200"]);
    assert.equal(await one(good, "SELECT 1"), "1");
  });

  test("nothing is lost and nothing comes twice while sessions LISTEN, UNLISTEN and NOTIFY in a storm", async () => {
    await storm(served);
  });

  test("no listener that is killed in a storm hangs a session, repeats, or loses without a warning", async () => {
    await storm(served, async () => {
      await served.node.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgplex listener'",
      );
    });
  });

  test("server connections that are killed take no session with them that is not using them, and no notification", async () => {
    let stopped = false;
    const sending = (async () => {
      await using sender = await served.direct();
      let last = 0;
      while (!stopped) assert.equal(errorOf(await sender.query(`NOTIFY killed, '${++last}'`)), null);
    })();
    const killing = (async () => {
      while (!stopped) {
        await served.node.sql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to be killed'",
        );
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const listening = Array.from({ length: 8 }, async (_, index) => {
      const random = randomFrom(SEED + index);
      let [steps, ends] = [0, 0];
      while (steps < 80) {
        await using client = await served.client("four", { application_name: "to be killed" });
        let last = 0;
        const take = (messages: readonly WireMessage[]) => {
          for (const message of messages) {
            // What it did may have been lost before anybody had read it.
            const text = message.fields?.["M"] ?? "";
            const lost = /server connection|was lost/.test(text) || message.fields?.["S"] === "FATAL";
            if (message.type === "E" && !lost) throw new Error(JSON.stringify(message.fields));
            if (message.type === "E") return false;
            if (message.type === "N") last = -Math.abs(last);
            if (message.notification === undefined) continue;
            const number = Number(message.notification.payload);
            if (last > 0) assert.equal(number, last + 1);
            assert.ok(number > -last);
            last = number;
          }
          return true;
        };
        let listens = false;
        for (; steps < 80; steps++) {
          const sql = ["SELECT 1", "LISTEN killed", "UNLISTEN killed", "NOTIFY other"][random.below(4)]!;
          // What comes to a connection that has been closed meanwhile resets it, and the client's socket drops the error that it has not read.
          const heard = (until: string) =>
            client.readUntil(until).then(take, (thrown: Error) => {
              if (!/closed the connection/.test(thrown.message)) throw thrown;
              return false;
            });
          const sent = await client.send(query(sql)).then(() => true, () => false);
          if (!sent || !await heard("ZE")) break;
          if (sql.startsWith("UNLISTEN")) last = 0;
          if (/LISTEN/.test(sql)) listens = !sql.startsWith("UNLISTEN");
          if (listens && !await heard("AE")) break;
        }
        ends++;
      }
      return ends;
    });
    try {
      await Promise.all(listening);
    } finally {
      stopped = true;
      await Promise.all([sending, killing]);
    }
    assert.doesNotMatch(served.pgplex.log, /internal error/);
  });

  test("what is notified right behind the answer to LISTEN is heard", async () => {
    await using client = await served.client("two");
    await using sender = await served.direct();
    for (let round = 0; round < 100; round++) {
      await one(client, `LISTEN round_${round}`);
      await one(sender, `NOTIFY round_${round}, '1'`);
      const early = round % 3 === 0 ? notificationsIn(client, await client.query("SELECT 1")) : [];
      await one(sender, `NOTIFY round_${round}, '2'`);
      while (early.length < 2) early.push(await heard(client));
      assert.deepEqual(early, [`round_${round}: 1`, `round_${round}: 2`]);
      await one(client, round % 2 === 0 ? "UNLISTEN *" : `UNLISTEN round_${round}`);
    }
  });

  test("npm:pg hears notifications in transaction mode", async () => {
    const listener = new pg.Client(pgOptions(served.connection("one")));
    await listener.connect();
    const payloads: string[] = [];
    listener.on("notification", (message: pg.Notification) => payloads.push(message.payload!));
    await listener.query("LISTEN news");
    const pool = new pg.Pool({ ...pgOptions(served.connection("one")), max: 3 });
    for (let i = 0; i < 10; i++) await pool.query("SELECT pg_notify('news', $1)", [String(i)]);
    await waitFor(() => Promise.resolve(payloads.length === 10), { what: "ten notifications" });
    assert.deepEqual(payloads, Array.from({ length: 10 }, (_, i) => String(i)));
    await pool.end();
    await listener.end();
  });

  test("npm:postgres hears notifications in transaction mode", async () => {
    const sql = postgres(postgresOptions(served.connection("one")));
    const payloads: string[] = [];
    const { unlisten } = await sql.listen("sport", (payload) => payloads.push(payload));
    for (const payload of ["a", "b", "c"]) await sql.notify("sport", payload);
    await waitFor(() => Promise.resolve(payloads.length === 3), { what: "three notifications" });
    assert.deepEqual(payloads, ["a", "b", "c"]);
    await unlisten();
    await sql.notify("sport", "unheard");
    assert.equal(payloads.length, 3);
    await sql.end();
  });
}

Deno.test("A shared listener ends with its need, survives a restart of its server, and ends with its cluster", async () => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  const config = (clusters: readonly string[]) => ({
    auth: { type: "trust" },
    clusters: Object.fromEntries(clusters.map((name) => [name, {
      nodes: [{ name, host: node.host, port: node.port }],
      superuser: null,
    }])),
    routing: { default_cluster: "stays" },
    pool: { server_idle_timeout: "300ms", server_login_retry: "100ms", default_pool_size: 2 },
    log: { level: "debug" },
  });
  await using pgplex = await startPgplex({ config: config(["stays", "goes"]) });
  const connect = (database: string) => WireClient.connect(pgplex, { user: "postgres", database });
  await using client = await connect("postgres@stays");
  await using leaving = await connect("postgres@goes");
  await using sender = await connect("postgres@stays");
  const listeners = async () => {
    const rows = await node.sql(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgplex listener'",
    );
    return rows.length;
  };
  for (const listener of [client, leaving]) {
    await one(listener, "LISTEN news");
    await one(listener, "SELECT 1");
  }
  assert.equal(await listeners(), 2);

  await node.restart();
  assert.equal(await heard(client), "WARNING: notifications may have been lost");
  assert.equal(await heard(leaving), "WARNING: notifications may have been lost");
  await one(sender, "NOTIFY news, 'after the restart'");
  assert.equal(await heard(client), "news: after the restart");
  assert.equal(await heard(leaving), "news: after the restart");

  await pgplex.reload(config(["stays"]));
  const error = errorOf(await leaving.closed());
  assert.deepEqual([error?.["S"], error?.["C"]], ["FATAL", "57P01"]);
  await one(sender, "NOTIFY news, 'after the reload'");
  assert.equal(await heard(client), "news: after the reload");

  await one(client, "UNLISTEN *");
  await waitFor(async () => await listeners() === 0, { what: "the listener to be closed" });
  await one(client, "LISTEN news");
  await one(sender, "NOTIFY news, 'once more'");
  assert.equal(await heard(client), "news: once more");
  assert.equal(await pgplex.stop(), 0);
});

/**
 * Direct connections notify numbered payloads on three channels; sessions of pgplex listen and unlisten at random. Between
 * the answer to a LISTEN and the next UNLISTEN a session must hear each number that was sent in that time once, in order.
 */
async function storm(served: Served, disturb?: () => Promise<void>): Promise<void> {
  const channels = ["s0", "s1", "s2"];
  let stopped = false;
  const senders = channels.map(async (channel) => {
    await using client = await served.direct();
    let last = 0;
    while (!stopped) {
      const count = 1 + (last % 3);
      const sql = Array.from({ length: count }, () => `NOTIFY ${channel}, '${++last}'`).join(";");
      assert.equal(errorOf(await client.query(sql)), null);
    }
    return last;
  });
  const listeners = Array.from({ length: 12 }, async (_, index) => {
    const random = randomFrom(SEED + index);
    await using client = await served.client("four");
    /** The last number of each channel that is listened to; 0 before the first. */
    const heard = new Map<string, number>();
    let [total, own] = [0, 0];
    const owns: number[] = [];
    const take = (messages: readonly WireMessage[]) => {
      for (const message of messages) {
        if (message.type === "E") throw new Error(JSON.stringify(message.fields));
        // After a gap that the session was told of, any number may come, but none that it had.
        if (message.type === "N") {
          for (const [channel, last] of heard) heard.set(channel, -Math.abs(last));
        }
        if (message.notification === undefined) continue;
        const { channel, payload, pid } = message.notification;
        if (channel === `own_${index}`) {
          assert.equal(pid, client.key!.pid);
          owns.push(Number(payload));
          continue;
        }
        const last = heard.get(channel);
        const number = Number(payload);
        assert.ok(last !== undefined, `${channel} ${payload} without LISTEN`);
        if (last > 0) assert.equal(number, last + 1, `${channel} after ${last}`);
        assert.ok(number > -last, `${channel} ${number} again after ${-last}`);
        heard.set(channel, number);
        total++;
      }
    };
    await client.query(`LISTEN own_${index}`);
    for (let step = 0; step < STEPS; step++) {
      const channel = channels[random.below(3)]!;
      switch (random.below(6)) {
        case 0:
        case 1:
          if (heard.has(channel)) break;
          heard.set(channel, 0);
          take(await client.query(`LISTEN ${channel}`));
          break;
        case 2: {
          if (!heard.has(channel)) break;
          take(await client.query(`UNLISTEN ${channel}`));
          heard.delete(channel);
          break;
        }
        case 3:
          take(await client.query("BEGIN"));
          take(await client.query("SELECT 1"));
          take(await client.query(`NOTIFY own_${index}, '${++own}'`));
          take(await client.query("COMMIT"));
          break;
        case 4: {
          take(await client.query("BEGIN"));
          take(await client.query("UNLISTEN *"));
          const commits = random.below(4) === 0;
          take(await client.query(commits ? "COMMIT" : "ROLLBACK"));
          if (!commits) break;
          heard.clear();
          take(await client.query(`LISTEN own_${index}`));
          break;
        }
        default:
          take(await client.query(`NOTIFY own_${index}, '${++own}'`));
          assert.equal(owns.length, own, "the client's own come before ReadyForQuery");
      }
      if (heard.size > 0) {
        const before = total;
        while (total < before + 5) take(await client.readUntil("A"));
      }
    }
    take(await client.query(`NOTIFY own_${index}, '${++own}'`));
    assert.deepEqual(owns, Array.from({ length: own }, (_, i) => i + 1));
    return total;
  });
  const disturbing = (async () => {
    while (!stopped && disturb !== undefined) {
      await disturb();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  try {
    const results = await Promise.all(listeners).catch((error) => {
      throw new Error(`PGPLEX_TEST_SEED=${SEED}: ${error.message}`, { cause: error });
    });
    assert.ok(results.reduce((sum, total) => sum + total, 0) > 1000, "there was a storm");
  } finally {
    stopped = true;
    await Promise.all([...senders, disturbing]);
  }
}

for (const major of [13, 18] as const) tests(major);
