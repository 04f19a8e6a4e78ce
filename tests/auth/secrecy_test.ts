import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  makeCerts,
  startPgplex,
  startPostgres,
  waitFor,
  WireClient,
  WireError,
  type WireLogin,
  type WireTarget,
} from "../harness/mod.ts";
import { lineOf } from "../harness/wire_script.ts";

const TRIES = 11;

/** All that a login was answered, the user's name masked; of SCRAM's challenge the shape. */
async function transcript(target: WireTarget, login: WireLogin): Promise<string[]> {
  await using client = await WireClient.open(target);
  const lines: string[] = [];
  const read = client.read.bind(client);
  client.read = async (what) => {
    const message = await read(what);
    const challenge = message.auth?.code === 11 ? new TextDecoder().decode(message.auth.data) : "";
    const shape = challenge.replace(/r=[^,]*/, (nonce) => `r=${nonce.length}`).replace(
      /s=[^,]*/,
      (salt) => `s=${salt.length}`,
    );
    lines.push(`${lineOf(message).replaceAll(login.user, "USER")} ${shape}`);
    return message;
  };
  await client.login(login).catch((thrown) => assert.ok(thrown instanceof WireError, String(thrown)));
  assert.deepEqual(await client.closed(), []);
  return lines;
}

for (const type of ["scram-sha-256", "md5"]) {
  Deno.test(`unknown user, database, cluster and a wrong password are not told apart by ${type}`, async (t) => {
    await using node = await startPostgres({ major: 18 });
    await node.sql("CREATE ROLE known LOGIN PASSWORD 'right'; CREATE ROLE looked_up LOGIN PASSWORD 'right'");
    const config = (query: boolean | null) => ({
      auth: { type, query, users: { known: "right" } },
      clusters: {
        main: {
          nodes: [{ name: "main-1", host: node.host, port: node.port }],
          superuser: { user: "postgres", password: "postgres" },
        },
      },
    });
    const password = "wrong";
    const cases: Record<string, WireLogin> = {
      "a wrong password": { user: "known", database: "postgres@main", password },
      "an unknown user": { user: "unknown", database: "postgres@main", password },
      "an unknown database": { user: "known", database: "nothing@main", password },
      "an unknown cluster": { user: "known", database: "postgres@nowhere", password },
      "no cluster": { user: "known", database: "postgres", password },
      "nothing known at all": { user: "unknown", database: "nothing@nowhere", password },
      "an empty password": { user: "known", database: "postgres@main", password: "" },
    };
    if (type === "md5") delete cases["an empty password"]; // an empty answer is told, as by PostgreSQL

    await using fromFile = await startPgplex({ config: config(null) });
    const [first, ...rest] = Object.entries(cases);
    await t.step("by what is answered", async () => {
      const expected = await transcript(fromFile, first![1]);
      assert.match(expected.at(-1)!, /C=28P01 M=password authentication failed for user "USER"/);
      for (const [what, login] of rest) assert.deepEqual(await transcript(fromFile, login), expected, what);
    });

    await t.step("by time", () => assertSameTime(fromFile, cases));

    await using lookingUp = await startPgplex({ config: config(true) });
    const looked = Object.fromEntries(
      Object.entries(cases).map(([what, login]) => [
        what,
        login.user === "known" ? { ...login, user: "looked_up" } : login,
      ]),
    );
    // A role's SCRAM secret is asked for by SCRAM also where others are asked by md5: there the answers differ.
    if (type === "md5") return;
    await t.step("with auth.query by what is answered", async () => {
      const expected = await transcript(lookingUp, looked["a wrong password"]!);
      for (const [what, login] of Object.entries(looked)) {
        assert.deepEqual(await transcript(lookingUp, login), expected, what);
      }
    });
    await t.step("with auth.query by time", () => assertSameTime(lookingUp, looked));
  });
}

/** Rounds of which one has to show the same times: other load on the machine spoils some, a leak shows in each. */
const ROUNDS = 5;

async function assertSameTime(target: WireTarget, cases: Record<string, WireLogin>): Promise<void> {
  let measured: { what: string; ms: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    measured = await measure(target, cases);
    const [least, most] = [Math.min, Math.max].map((pick) => pick(...measured.map(({ ms }) => ms)));
    if (most! < 2 * least! + 2) return;
  }
  assert.fail(JSON.stringify(measured));
}

/** Lower quartiles, each case in turn so that other load hits all alike; the factor is wide, a leak is wider. */
async function measure(target: WireTarget, cases: Record<string, WireLogin>) {
  const times = new Map<string, number[]>(Object.keys(cases).map((what) => [what, []]));
  for (let i = 0; i < TRIES; i++) {
    for (const [what, login] of Object.entries(cases)) {
      const sinceMs = performance.now();
      await transcript(target, login);
      times.get(what)!.push(performance.now() - sinceMs);
    }
  }
  return [...times].map(([what, all]) => ({ what, ms: all.sort((a, b) => a - b)[TRIES >> 2]! }));
}

Deno.test("a salt stays the same for a user, known or not", async () => {
  await using pgplex = await startPgplex({
    config: {
      auth: { users: { known: "right" } },
      clusters: { main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: 1 }] } },
    },
  });
  const saltOf = async (user: string) => {
    await using client = await WireClient.open(pgplex);
    await client.send(frontend.startup({ user }));
    await client.readUntil("R");
    await client.send(frontend.saslInitialResponse("SCRAM-SHA-256", "n,,n=,r=abcdefghijkl"));
    return /s=([^,]+)/.exec(new TextDecoder().decode((await client.read()).auth!.data))![1];
  };
  for (const user of ["known", "unknown"]) assert.equal(await saltOf(user), await saltOf(user));
  assert.notEqual(await saltOf("known"), await saltOf("unknown"));
});

Deno.test("after authentication an unknown name is 3D000 with what names there are", async (t) => {
  await using node = await startPostgres({ major: 18 });
  const nodes = [{ name: "main-1", host: node.host, port: node.port }];
  for (const pool_mode of ["session", "transaction"]) {
    await using pgplex = await startPgplex({
      config: {
        auth: { users: { postgres: "postgres" } },
        routing: { databases: { reports: { cluster: "main", database: "postgres" } } },
        pool: { pool_mode },
        clusters: { main: { nodes }, other: { nodes } },
      },
    });
    const refusal = async (database: string) => {
      const login = { user: "postgres", password: "postgres", database };
      const thrown = await WireClient.connect(pgplex, login).then(() => null, (error) => error);
      assert.ok(thrown instanceof WireError, String(thrown));
      return thrown.fields;
    };
    await t.step(`in ${pool_mode} pooling`, async () => {
      const cluster = await refusal("postgres@nowhere");
      assert.equal(cluster["S"], "FATAL");
      assert.equal(cluster["C"], "3D000");
      assert.equal(cluster["M"], 'cluster "nowhere" does not exist');
      assert.equal(cluster["D"], "Clusters: main, other. Databases with a name of their own: reports.");
      assert.match(cluster["H"]!, /DATABASE@CLUSTER, for example "postgres@main"/);
      const plain = await refusal("nothing");
      assert.equal(plain["C"], "3D000");
      assert.equal(plain["M"], 'database "nothing" does not exist');
      assert.match(plain["D"]!, /Clusters: main, other/);
      assert.equal((await refusal("@main"))["C"], "3D000");
      // This cluster exists, and its server knows best.
      const database = await refusal("nothing@main");
      assert.equal(database["S"], "FATAL");
      assert.equal(database["C"], "3D000");
      assert.equal(database["M"], 'database "nothing" does not exist');
    });
  }
});

Deno.test("max_client_conn is exact, and a place is free as soon as a client leaves", async () => {
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await using pgplex = await startPgplex({
    config: {
      listen: { max_client_conn: 5 },
      auth: { users: { postgres: "postgres" } },
      clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
    },
  });
  const login = { user: "postgres", password: "postgres", database: "postgres@main" };
  const tries = await Promise.all(
    Array.from({ length: 30 }, () => WireClient.connect(pgplex, login).catch((thrown) => thrown)),
  );
  const clients = tries.filter((one) => one instanceof WireClient);
  const errors = tries.filter((one) => !(one instanceof WireClient));
  assert.equal(clients.length, 5);
  for (const error of errors) {
    assert.ok(error instanceof WireError, String(error));
    assert.deepEqual([error.fields["S"], error.fields["C"]], ["FATAL", "53300"]);
    assert.equal(error.fields["M"], "sorry, too many clients already");
  }
  await clients[0]!.close();
  clients[0] = await waitFor(() => WireClient.connect(pgplex, login), { what: "a free place" });
  for (const client of clients) await client.close();
});

Deno.test("client_login_timeout ends a login at each stage, and no session", async () => {
  await using certs = await makeCerts();
  await using node = await startPostgres({ major: 18 });
  await using pgplex = await startPgplex({
    config: {
      listen: {
        client_login_timeout: "700ms",
        tls: { cert_file: certs.server.certFile, key_file: certs.server.keyFile },
      },
      auth: { users: { postgres: "postgres" } },
      clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
    },
  });
  const login = { user: "postgres", password: "postgres", database: "postgres@main" };
  await using session = await WireClient.connect(pgplex, login);
  const stages: Record<string, (client: WireClient) => Promise<unknown>> = {
    "nothing": () => Promise.resolve(),
    "half a startup packet": (client) => client.send(frontend.startup(login).subarray(0, 20)),
    "a startup packet": async (client) => {
      await client.send(frontend.startup(login));
      await client.readUntil("R");
    },
    "TLS and nothing": async (client) => {
      await client.send(frontend.sslRequest());
      assert.equal(await client.readByte(), "S");
      await client.socket.startTls({ ca: certs.ca });
    },
    "SSLRequest and nothing": async (client) => {
      await client.send(frontend.sslRequest());
      assert.equal(await client.readByte(), "S");
    },
  };
  await Promise.all(
    Object.entries(stages).map(async ([stage, enter]) => {
      await using client = await WireClient.open(pgplex);
      await enter(client);
      const error = errorOf(await client.closed());
      // In the middle of a handshake nothing can be said.
      if (stage === "SSLRequest and nothing") return;
      assert.deepEqual([stage, error?.["S"], error?.["C"]], [stage, "FATAL", "08006"]);
      assert.match(error!["M"]!, /client_login_timeout/);
    }),
  );
  assert.equal((await session.query("SELECT 1")).at(-1)!.status, "I");
});
