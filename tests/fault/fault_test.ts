import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  type PgplexProcess,
  type PostgresNode,
  rowsOf,
  startPgplex,
  startPostgres,
  waitFor,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { type Behaviour, type FakePeer, FakeServer, server } from "../harness/fake_server.ts";
import { assertSound, OBSERVED_LOG, residentBytes, statsSettle } from "../harness/observed.ts";
import { Bystander } from "../harness/wire_script.ts";

const { int32, query, text } = frontend;

/** What a session may cost at most while its peer does not read: its buffers, and what V8 makes of them. */
const GROWTH_BYTES_MAX = 24 << 20;

const NOBODY_LEFT = { clients: 1, waiting: 0, servers_active: 0, servers_login: 0, buffers_lent: 0 };

let real: PostgresNode;
Deno.test.beforeAll(async () => {
  real = await startPostgres({ major: 18, auth: "trust" });
});
Deno.test.afterAll(async () => await real[Symbol.asyncDispose]());

interface Scene {
  readonly fake: FakeServer;
  readonly pgplex: PgplexProcess;
  /** A session on the real server. */
  readonly bystander: Bystander;
  /** A new client of a cluster; of the faulty one unless said. */
  client(cluster?: "faulty" | "real"): Promise<WireClient>;
}

/** A pgplex in front of a faulty server and a real one; when `act` is over, all that it left has to go. */
async function against(behaviour: Behaviour, act: (scene: Scene) => Promise<void>): Promise<void> {
  await using fake = new FakeServer(behaviour);
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust" },
      clusters: Object.fromEntries(
        [{ name: "faulty", port: fake.port }, { name: "real", port: real.port }].map(({ name, port }) => [
          name,
          { nodes: [{ name, host: "127.0.0.1", port }], superuser: null, tls: { mode: "disable" } },
        ]),
      ),
      pool: {
        default_pool_size: 4,
        // The faulty server has no catalogue to ask.
        state_check: "off",
        query_wait_timeout: "500ms",
        server_connect_timeout: "300ms",
        server_login_retry: "100ms",
      },
      routing: {
        databases: {
          impatient: { cluster: "faulty", database: "postgres", query_timeout: "1s" },
          patient: { cluster: "real", database: "postgres", query_wait_timeout: "1m", default_pool_size: 1 },
        },
      },
      log: OBSERVED_LOG,
    },
  });
  const client = async (cluster = "faulty") =>
    await WireClient.connect(pgplex, { user: "postgres", database: `postgres@${cluster}` });
  await using bystander = await Bystander.connect(pgplex, { user: "postgres", database: "postgres@real" });
  await act({ fake, pgplex, bystander, client });
  await bystander.isUndisturbed();
  await statsSettle(pgplex, NOBODY_LEFT);
  assertSound(pgplex);
}

/** Asserts that `client` is told by FATAL, with this SQLSTATE, that the server is at fault, and that nothing follows. */
async function isToldFatal(client: WireClient, sqlstate: string): Promise<void> {
  const messages = await client.closed();
  const error = messages.at(-1)?.fields;
  assert.equal(`${error?.["S"]} ${error?.["C"]}`, `FATAL ${sqlstate}`);
  assert.match(error!["M"]!, /server/);
}

const LOGINS: { name: string; greet: Behaviour["greet"] }[] = [
  { name: "never answers a login", greet: (peer) => peer.gone },
  {
    name: "answers a login by another protocol",
    greet: (peer) => peer.send(text("HTTP/1.1 400 Bad Request\r\n\r\n")),
  },
  { name: "answers a login by zero bytes", greet: (peer) => peer.send(new Uint8Array(1000)) },
  {
    name: "answers a login by a message of length 3",
    greet: (peer) => peer.send(text("R"), int32(3), int32(0)),
  },
  { name: "answers a login by a message of 2 GB", greet: (peer) => peer.send(text("R"), int32(0x7fffffff)) },
  { name: "answers a login by an empty Authentication", greet: (peer) => peer.send(frontend.message("R")) },
  { name: "answers a login by an empty ErrorResponse", greet: (peer) => peer.send(frontend.message("E")) },
  { name: "is ready before it authenticates", greet: (peer) => peer.send(server.ready()) },
  {
    name: "sends a row during login",
    greet: (peer) => peer.send(server.authenticationOk(), server.row("x"), server.ready()),
  },
  {
    name: "sends a short BackendKeyData and closes",
    greet: async (peer) => {
      await peer.send(server.authenticationOk(), frontend.message("K", text("x")));
      peer.close();
    },
  },
];

Deno.test("a server that fails at login costs its clients their connection, with an error that names the server", async (t) => {
  for (const { name, greet } of LOGINS) {
    await t.step(`a server that ${name}`, () =>
      against({ greet: greet! }, async ({ client, bystander }) => {
        const refused = await client().then(() => null, (thrown) => thrown);
        assert.ok(refused instanceof WireError, `FATAL expected: ${refused}`);
        assert.match(`${refused.fields["S"]} ${refused.fields["C"]}`, /^FATAL (08|58)/);
        assert.match(refused.message, /server/);
        await bystander.isUndisturbed();
      }));
  }
});

/** A server that logs everybody in and closes at the first message that is no simple query: what restores a session's state. */
function closesAtFirstUse(delayMs: number): Behaviour {
  return {
    message: async (peer, type) => {
      if (type === "Q") return false;
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      peer.close();
      return true;
    },
  };
}

for (const delayMs of [0, 300]) {
  Deno.test(`a server that closes at first use, after ${delayMs} ms, is tried again after server_login_retry, and no longer than query_wait_timeout`, () =>
    against(closesAtFirstUse(delayMs), async ({ fake, pgplex }) => {
      const connect = (application_name: string) =>
        WireClient.connect(pgplex, {
          user: "postgres",
          database: "postgres@faulty",
          params: { application_name },
        });
      // With names that no connection is opened with: each has to be put there first, which is the first use.
      const victims = await Promise.all(["a\\", "b\\", "c\\"].map(connect));
      const sinceMs = Date.now();
      const before = fake.accepted;
      const answers = await Promise.all(victims.map((victim) => victim.query("SELECT 1")));
      const tookMs = Date.now() - sinceMs;
      for (const messages of answers) assert.match(errorOf(messages)?.["M"] ?? "", /server/);
      assert.ok(tookMs >= 400 && tookMs < 3000, `query_wait_timeout is 500 ms: it took ${tookMs} ms`);
      // The first ones may be under way at the same time; then it is one in 100 ms.
      const logins = fake.accepted - before;
      assert.ok(logins >= 1 && logins <= 3 + tookMs / 100, `${logins} logins in ${tookMs} ms`);
      assert.match(pgplex.log, /a new server connection was lost before anybody could use it/);
      for (const victim of victims) await victim.close();
    }));
}

Deno.test("a session whose idle server connections are all dead goes on with a new one", async () => {
  const dead = new Set<FakePeer>();
  const both = Promise.withResolvers<void>();
  await against({
    message: async (peer, type, sql) => {
      if (sql === "SELECT both") {
        dead.add(peer);
        if (dead.size === 2) both.resolve();
        await both.promise;
      }
      if (type === "Q") return false;
      if (dead.has(peer)) peer.close();
      else if (type === "S") {
        await peer.send(
          frontend.message("1"),
          frontend.message("2"),
          server.complete("SELECT 1"),
          server.ready(),
        );
      }
      return true;
    },
  }, async ({ pgplex, client }) => {
    const users = await Promise.all([client(), client()]);
    await Promise.all(users.map((user) => user.query("SELECT both")));
    await using other = await WireClient.connect(pgplex, {
      user: "postgres",
      database: "postgres@faulty",
      params: { application_name: "other" },
    });
    assert.deepEqual(rowsOf(await other.query("SELECT 2")), [["2"]]);
    assert.doesNotMatch(pgplex.log, /"level":"warn/i);
    for (const user of users) await user.close();
  });
});

Deno.test("a server that refuses logins for good hears of one in each server_login_retry, and every client is told", () =>
  against({
    greet: async (peer) => {
      await peer.send(frontend.message("E", text('SFATAL\0C3D000\0Mdatabase "x" does not exist\0\0')));
      peer.close();
    },
  }, async ({ fake, client }) => {
    const sinceMs = Date.now();
    let refused = 0;
    while (refused < 30 || Date.now() - sinceMs < 500) {
      await assert.rejects(client(), /3D000: database "x" does not exist/);
      refused++;
    }
    const most = 1 + (Date.now() - sinceMs) / 100;
    assert.ok(fake.accepted >= 2 && fake.accepted <= most, `${fake.accepted} logins for ${refused} clients`);
  }));

const EARLY: { name: string; answer: Uint8Array; said: RegExp }[] = [
  { name: "closes", answer: new Uint8Array(0), said: /^FATAL 08001: the server closed the connection/ },
  {
    name: "sends an ErrorResponse",
    answer: frontend.message("E", text("SFATAL\0C57P03\0Mthe server starts up\0\0")),
    said: /^FATAL 57P03: the server starts up$/,
  },
  {
    name: "sends an error as text, as one that cannot fork",
    answer: text("Ethe server could not fork: no memory\n\0"),
    said: /^FATAL 08001: the server could not fork: no memory$/,
  },
];

for (const { name, answer, said } of EARLY) {
  Deno.test(`a server that ${name} where it is asked for TLS is tried again, and believed where TLS is not required`, async () => {
    let failing = 1;
    await using fake = new FakeServer({
      greet: async (peer) => {
        if (failing-- > 0) {
          await peer.send(answer);
          return peer.close();
        }
        await peer.send(text("N"));
        const head = await peer.read(8);
        await peer.read(new DataView(head!.buffer).getInt32(0) - 8);
        await peer.send(server.greeting());
      },
    });
    const cluster = (mode: string) => ({
      nodes: [{ name: mode, host: "127.0.0.1", port: fake.port }],
      superuser: null,
      tls: { mode },
    });
    await using pgplex = await startPgplex({
      config: {
        auth: { type: "trust" },
        clusters: { prefer: cluster("prefer"), require: cluster("require") },
        pool: { query_wait_timeout: "500ms", server_login_retry: "100ms" },
      },
    });
    const connect = (mode: string, user = "postgres") =>
      WireClient.connect(pgplex, { user, database: `postgres@${mode}` });
    const refusal = async (mode: string) => {
      const thrown = await connect(mode, "another").then(() => null, (thrown) => thrown);
      assert.ok(thrown instanceof WireError, `FATAL expected: ${thrown}`);
      return `${thrown.fields["S"]} ${thrown.fields["C"]}: ${thrown.fields["M"]}`;
    };
    await using client = await connect("prefer");
    assert.deepEqual(rowsOf(await client.query("SELECT 1")), [["1"]]);
    assert.equal(failing, -1);
    await client.close();
    failing = Infinity;
    assert.match(await refusal("prefer"), said);
    assert.match(
      await refusal("require"),
      answer.length === 0 ? said : /^FATAL 08001: the server sent an error in place of an answer about TLS$/,
    );
  });
}

const ANSWERS: { name: string; answer: () => Uint8Array[] }[] = [
  { name: "ReadyForQuery twice", answer: () => [server.answer("1"), server.ready()] },
  { name: "a message of length 3", answer: () => [server.rowDescription(), text("D"), int32(3)] },
  { name: "a message of negative length", answer: () => [text("D"), int32(-1)] },
  { name: "a message type that does not exist", answer: () => [frontend.message("z")] },
  { name: "ParseComplete", answer: () => [frontend.message("1"), server.answer("1")] },
  { name: "another login", answer: () => [server.greeting()] },
  { name: "a ReadyForQuery of 2 GB", answer: () => [text("Z"), int32(0x7fffffff), new Uint8Array(2 << 20)] },
];

Deno.test("a server that breaks the protocol ends the session that uses it, and the next one gets another connection", async (t) => {
  for (const { name, answer } of ANSWERS) {
    await t.step(`a server that sends ${name}`, () =>
      against({
        message: async (peer, _type, sql) => {
          if (sql !== "SELECT wrong") return false;
          await peer.send(...answer());
          return true;
        },
      }, async ({ client, bystander }) => {
        await using other = await client();
        await using victim = await client();
        await victim.send(query("SELECT wrong"));
        await isToldFatal(victim, "08P01");
        assert.deepEqual(rowsOf(await other.query("SELECT 2")), [["2"]]);
        await bystander.isUndisturbed();
      }));
  }
});

Deno.test("replies that come while nobody has a lease end the server connection and disturb no session", () =>
  against({
    message: async (peer, _type, sql) => {
      if (sql !== "SELECT more") return false;
      await peer.send(server.answer("more"));
      await peer.send(server.answer("unasked"));
      return true;
    },
  }, async ({ client, fake }) => {
    await using victim = await client();
    await victim.send(query("SELECT more"));
    // The unasked answer may come in the same chunk as the right one: then this session is at fault's place.
    const first = await victim.read();
    if (first.type === "E") return;
    assert.deepEqual(rowsOf(await victim.readUntil("ZE")), [["more"]]);
    await waitFor(() => fake.open === 0, { what: "the server connection to be closed" });
    assert.deepEqual(rowsOf(await victim.query("SELECT 3")), [["3"]]);
  }));

for (const missing of [90, 5]) {
  Deno.test(`a row that ends ${missing} bytes early is never made up for by other bytes`, () =>
    against({
      message: async (peer, _type, sql) => {
        if (sql !== "SELECT half") return false;
        const row = server.row("x".repeat(100));
        await peer.send(server.rowDescription(), row.slice(0, -missing));
        throw new Error("the server crashes");
      },
    }, async ({ client }) => {
      await using victim = await client();
      await victim.send(query("SELECT half"));
      assert.equal((await victim.read()).type, "T");
      await assert.rejects(victim.read(), /closed in the middle/);
      await using other = await client();
      assert.deepEqual(rowsOf(await other.query("SELECT 2")), [["2"]]);
    }));
}

Deno.test("what came before a server broke the protocol reaches the client whole", async () => {
  const { promise: halfSeen, resolve: seeHalf } = Promise.withResolvers<void>();
  await against({
    message: async (peer, _type, sql) => {
      if (sql !== "SELECT late") return false;
      const row = server.row("x".repeat(100));
      await peer.send(server.rowDescription(), row.slice(0, 50));
      await halfSeen;
      await peer.send(row.slice(50), text("D"), int32(3));
      return true;
    },
  }, async ({ client }) => {
    await using victim = await client();
    await victim.send(query("SELECT late"));
    await victim.readUntil("T");
    const half = await victim.socket.readExactly(50, "half a row");
    seeHalf();
    const rest = await victim.socket.readExactly(61, "the other half");
    assert.deepEqual(frontend.concat([half!, rest!]), server.row("x".repeat(100)));
    await isToldFatal(victim, "08P01");
  });
});

/** Begins a row of 2 GB and sends no more of it. */
const endlessRow: Behaviour = {
  message: async (peer, _type, sql) => {
    if (sql !== "SELECT endless") return false;
    await peer.send(server.rowDescription(), text("D"), int32(0x7fffffff), int32(1));
    await peer.read(1);
    throw new Error("pgplex gave up");
  },
};

Deno.test("a row of 2 GB that never comes costs no memory, and ends when its client leaves", () =>
  against(endlessRow, async ({ client, pgplex, fake, bystander }) => {
    const beforeBytes = await residentBytes(pgplex.pid);
    const victims = await Promise.all([client(), client(), client()]);
    for (const victim of victims) {
      await victim.send(query("SELECT endless"));
      await victim.readUntil("T");
    }
    await bystander.isUndisturbed();
    assert.ok(await residentBytes(pgplex.pid) - beforeBytes < GROWTH_BYTES_MAX);
    for (const victim of victims) await victim[Symbol.asyncDispose]();
    await waitFor(() => fake.cancels === 3, { what: "the statements to be cancelled" });
    await using other = await client();
    assert.deepEqual(rowsOf(await other.query("SELECT 2")), [["2"]]);
  }));

Deno.test("query_timeout inside a row closes the connection without a word that would be taken for the row", () =>
  against(endlessRow, async ({ pgplex }) => {
    await using victim = await WireClient.connect(pgplex, { user: "postgres", database: "impatient" });
    await victim.send(query("SELECT endless"));
    await victim.readUntil("T");
    const header = await victim.socket.readExactly(9, "the row's beginning");
    assert.deepEqual([...header!], [...text("D"), ...int32(0x7fffffff), ...int32(1)]);
    assert.equal(await victim.socket.readExactly(1, "the end"), null);
  }));

Deno.test("a client that leaves while its server says nothing frees the lease, and the statement is cancelled", async (t) => {
  for (const how of ["FIN", "RST"]) {
    await t.step(
      `by ${how}`,
      () =>
        against(
          { message: async (peer) => await peer.read(1) === null },
          async ({ client, fake, pgplex }) => {
            await using victim = await client();
            await victim.send(query("SELECT 1"));
            await statsSettle(pgplex, { servers_active: 1 });
            if (how === "RST") victim.socket.reset();
            else await victim[Symbol.asyncDispose]();
            await waitFor(() => fake.cancels === 1 && fake.open === 0, {
              what: "the server connection to end",
            });
          },
        ),
    );
  }
});

Deno.test("nothing of what a client sent is done once it left the queue for a server connection", async (t) => {
  await real.sql("CREATE TABLE IF NOT EXISTS left_behind (a int)");
  for (const how of ["FIN", "RST"]) {
    await t.step(`by ${how}`, () =>
      against({}, async ({ pgplex }) => {
        const login = { user: "postgres", database: "patient" };
        await using holder = await WireClient.connect(pgplex, login);
        await holder.query("BEGIN");
        await using victim = await WireClient.connect(pgplex, login);
        await victim.send(query("BEGIN"), query("INSERT INTO left_behind VALUES (1)"));
        await statsSettle(pgplex, { waiting: 1 });
        if (how === "RST") victim.socket.reset();
        else await victim[Symbol.asyncDispose]();
        await statsSettle(pgplex, { clients: 2, waiting: 0, servers_active: 1 });
        await holder.close();
        await statsSettle(pgplex, NOBODY_LEFT);
        assert.deepEqual(await real.sql("SELECT a FROM left_behind"), []);
      }));
  }
});

Deno.test("query_timeout ends a session whose server reads no more, even if the client is gone", () =>
  against({
    greet: async (peer) => {
      await peer.send(server.greeting());
      await peer.gone;
    },
  }, async ({ pgplex }) => {
    const login = { user: "postgres", database: "impatient" };
    const victims = await Promise.all([1, 2].map(() => WireClient.connect(pgplex, login)));
    const statement = query(`SELECT '${"x".repeat(30 << 20)}'`);
    for (const victim of victims) victim.send(statement).catch(() => {});
    await statsSettle(pgplex, { servers_active: 2 });
    victims[0]!.socket.reset();
    const said = await victims[1]!.closed();
    assert.equal(errorOf(said)?.["C"], "57014");
    for (const victim of victims) await victim[Symbol.asyncDispose]();
    await statsSettle(pgplex, NOBODY_LEFT);
  }));

Deno.test("a client that reads a huge result byte by byte costs no memory and holds up nobody", () =>
  against({}, async ({ client, pgplex, bystander }) => {
    await using slow = await client("real");
    await slow.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"));
    await slow.readUntil("T");
    const beforeBytes = await residentBytes(pgplex.pid);
    for (let byte = 0; byte < 20; byte++) {
      await slow.socket.readExactly(1, "a byte of a row");
      for (let i = 0; i < 20; i++) await bystander.isUndisturbed();
    }
    assert.ok(await residentBytes(pgplex.pid) - beforeBytes < GROWTH_BYTES_MAX);
  }));

Deno.test("a client that pipelines 100,000 queries and reads nothing costs no memory and holds up nobody", () =>
  against({}, async ({ client, pgplex, bystander }) => {
    await using deaf = await client("real");
    const beforeBytes = await residentBytes(pgplex.pid);
    const one = query("SELECT repeat('x', 1000)");
    const many = new Uint8Array(one.length * 100_000);
    for (let i = 0; i < 100_000; i++) many.set(one, i * one.length);
    deaf.send(many).catch(() => {}); // nobody will take all of it
    let answered = -1;
    await waitFor(async () => {
      await bystander.isUndisturbed();
      // The server is held up as soon as nobody takes its answers.
      const [row] = await real.sql(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'ClientWrite'",
      );
      answered = row!["n"];
      return answered === 1;
    }, { what: "the server to be held up" });
    for (let i = 0; i < 200; i++) await bystander.isUndisturbed();
    assert.ok(await residentBytes(pgplex.pid) - beforeBytes < GROWTH_BYTES_MAX);
    deaf.socket.reset();
  }));
