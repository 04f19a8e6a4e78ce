import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  makeCerts,
  psql,
  rowsOf,
  startPgplex,
  startPostgres,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { Bystander, lineOf, play, type Script, withLengthWord } from "../harness/wire_script.ts";

const { gssEncRequest, message, sslRequest, startup } = frontend;

const user = { user: "postgres" };
const login = { user: "postgres", password: "postgres" };

const OVER_TLS: Script[] = [
  { name: "SSLRequest over TLS", steps: [sslRequest()] },
  { name: "GSSENCRequest over TLS", steps: [gssEncRequest()] },
  { name: "a startup packet over TLS", steps: [startup(user), "R"], leaves: true },
  { name: "a startup packet without a user over TLS", steps: [startup({})] },
  { name: "a startup packet of length 3 over TLS", steps: [frontend.int32(3), frontend.int32(0)] },
  { name: "an unknown protocol option over TLS", steps: [startup({ "_pq_.a": "1" }, 0x3_0009)] },
  { name: "garbage instead of a password over TLS", steps: [startup(user), "R", message("Q")] },
  { name: "Terminate after login over TLS", login, steps: [frontend.terminate()] },
  { name: "an unknown type after login over TLS", login, steps: [message("z")] },
  { name: "a wrong length after login over TLS", login, steps: [withLengthWord("Q", 3)] },
];

Deno.test("pgplex with TLS answers wrong bytes as PostgreSQL 18 does", async (t) => {
  await using certs = await makeCerts();
  const { certFile, keyFile } = certs.server;
  await using node = await startPostgres({ major: 18, tls: certs.server });
  const config = (tls: Record<string, string>) => ({
    listen: { tls: { cert_file: certFile, key_file: keyFile, ...tls } },
    auth: { users: { postgres: "postgres" } },
    routing: { default_cluster: "main" },
    clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
  });
  await using pgplex = await startPgplex({ config: config({ mode: "allow" }) });
  await using strict = await startPgplex({ config: config({ mode: "require" }) });
  await using bystander = await Bystander.connect(pgplex, login, { tls: { ca: certs.ca } });
  await using inClear = await Bystander.connect(pgplex, login);
  const undisturbed = () => Promise.all([bystander.isUndisturbed(), inClear.isUndisturbed()]);

  for (const script of OVER_TLS) {
    await t.step(`${script.name} is answered alike`, async () => {
      const options = { tls: { ca: certs.ca } };
      const [direct, through] = await Promise.all([
        play(node, script, options),
        play(pgplex, script, options),
      ]);
      assert.deepEqual(through, direct);
      await undisturbed();
    });
  }

  await t.step("GSSENCRequest before SSLRequest is answered N, and TLS follows", async () => {
    for (const target of [node, pgplex]) {
      await using client = await WireClient.open(target);
      await client.send(gssEncRequest());
      assert.equal(await client.readByte(), "N");
      await client.send(sslRequest());
      assert.equal(await client.readByte(), "S");
      await client.socket.startTls({ ca: certs.ca });
      await client.login(login);
    }
  });

  // PostgreSQL 14 to 16 say so after the handshake; 17 and later take the bytes for the handshake, and close.
  for (const [what, bytes] of [["a startup packet", startup(user)], ["garbage", message("Q")]] as const) {
    await t.step(`${what} in the same write as SSLRequest is refused before the handshake`, async () => {
      await using client = await WireClient.open(pgplex);
      await client.send(sslRequest(), bytes);
      const messages = await client.closed();
      assert.deepEqual(messages.length, 1);
      assert.match(lineOf(messages[0]!), /C=08P01 M=received unencrypted data after SSL request/);
      await undisturbed();
    });
  }

  await t.step("garbage instead of a handshake closes the connection alike", async () => {
    for (const target of [node, pgplex]) {
      await using client = await WireClient.open(target);
      await client.send(sslRequest());
      assert.equal(await client.readByte(), "S");
      await client.send(frontend.text("GET / HTTP/1.1\r\n\r\n"));
      // What comes is a TLS alert, or nothing: an end in either case, and no message of PostgreSQL.
      await client.closed().catch((thrown) => assert.match(String(thrown), /closed|length/));
    }
    await undisturbed();
  });

  // Nine bytes that lay there when the TLSSocket started once ended the whole process.
  for (const length of [1, 2, 6, 16, 600]) {
    await t.step(
      `${length} bytes of garbage that begin as direct TLS does end that connection only`,
      async () => {
        const garbage = new Uint8Array(length).fill(9);
        garbage[0] = 0x16;
        for (const target of [node, pgplex]) {
          await using client = await WireClient.open(target);
          await client.send(garbage);
          client.socket.end();
          await client.closed().catch((thrown) => assert.doesNotMatch(String(thrown), /in vain/));
        }
        await undisturbed();
      },
    );
  }

  await t.step(
    "a handshake that takes longer than client_login_timeout ends without a word in clear",
    async () => {
      const { listen, ...rest } = config({ mode: "allow" });
      await using hasty = await startPgplex({
        config: { ...rest, listen: { ...listen, client_login_timeout: "600ms" } },
      });
      await using client = await WireClient.open(hasty);
      // The login's time is over before the handshake's own.
      const openedMs = performance.now();
      await waitFor(() => performance.now() - openedMs > 300, { what: "half of the time to pass" });
      await client.send(sslRequest());
      assert.equal(await client.readByte(), "S");
      assert.deepEqual(await client.closed(), []);
    },
  );

  await t.step("connections that are reset at each stage of the handshake disturb nobody", async () => {
    for (const bytes of [[], [0x16], [0x16, 3, 1, 0, 5], [...sslRequest()]]) {
      const client = await WireClient.open(pgplex);
      await client.send(Uint8Array.from(bytes));
      client.socket.reset();
      await client[Symbol.asyncDispose]();
    }
    await undisturbed();
    assert.doesNotMatch(pgplex.log, /cannot accept|internal error/);
  });

  await t.step("direct TLS with ALPN postgresql logs in", async () => {
    for (const target of [node, pgplex]) {
      await using client = await WireClient.open(target);
      await client.socket.startTls({ ca: certs.ca, alpn: ["postgresql"] });
      await client.login(login);
      assert.deepEqual(rowsOf(await client.query("SELECT 1")), [["1"]]);
    }
  });

  for (
    const [what, alpn] of [["without ALPN", undefined], ["with another protocol's ALPN", ["h2"]]] as const
  ) {
    await t.step(`direct TLS ${what} is refused without a word of PostgreSQL's protocol`, async () => {
      for (const target of [node, pgplex]) {
        await using client = await WireClient.open(target);
        try {
          await client.socket.startTls({ ca: certs.ca, ...(alpn && { alpn: [...alpn] }) });
          await client.send(startup(user)).catch(() => {});
          assert.deepEqual(await client.closed(), []);
        } catch (thrown) {
          assert.doesNotMatch(String(thrown), /in vain/); // refused in the handshake, not by waiting
        }
      }
      await undisturbed();
    });
  }

  await t.step("SSLRequest over direct TLS is answered alike", async () => {
    const lines = await Promise.all([node, pgplex].map(async (target) => {
      await using client = await WireClient.open(target);
      await client.socket.startTls({ ca: certs.ca, alpn: ["postgresql"] });
      await client.send(sslRequest());
      const answer = await client.readByte();
      await client.send(gssEncRequest());
      const second = await client.readByte();
      await client.send(sslRequest());
      return [answer, second, ...(await client.closed()).map(lineOf)];
    }));
    assert.deepEqual(lines[1], lines[0]);
  });

  await t.step("mode require refuses a startup packet in clear, and lets TLS in", async () => {
    await using client = await WireClient.open(strict);
    await client.send(startup(user));
    assert.equal(errorOf(await client.closed())!["C"], "28000");
    const connection = { ...login, host: strict.host, port: strict.port, database: "postgres" };
    const refused = await psql(["-Atc", "SELECT 1"], { connection, env: { PGSSLMODE: "disable" } });
    assert.match(refused.stderr, /connections without TLS are not accepted/);
    const env = { PGSSLMODE: "verify-full", PGSSLROOTCERT: certs.caFile };
    const { stdout, stderr } = await psql(["-Atc", "SELECT 1"], {
      connection: { ...connection, host: "localhost" },
      env,
    });
    assert.equal(stdout, "1\n", stderr);
  });

  await t.step("a direct handshake without TLS switched on closes the connection", async () => {
    await using plain = await startPgplex({ config: { ...config({ mode: "allow" }), listen: {} } });
    await using client = await WireClient.open(plain);
    await assert.rejects(client.socket.startTls({ alpn: ["postgresql"] }), /closed|reset|disconnected/i);
  });
});
