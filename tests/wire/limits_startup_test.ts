import assert from "node:assert/strict";
import { frontend, startPgplex, startPostgres, WireClient } from "../harness/mod.ts";
import { Bystander, ONE_BYTE, packet, play, type Script, withLengthWord } from "../harness/wire_script.ts";

const { concat, cstring, gssEncRequest, int32, message, saslInitialResponse, sslRequest, startup, text } =
  frontend;

const user = { user: "postgres" };
const login = { user: "postgres", password: "postgres" };
const version = int32(0x3_0000);
const clientFirst = saslInitialResponse("SCRAM-SHA-256", "n,,n=,r=abcdefghijkl");

/** A startup packet of `bytes`, its length word included. */
function startupOf(bytes: number): Uint8Array {
  const empty = startup({ ...user, application_name: "" }).length;
  return startup({ ...user, application_name: "a".repeat(bytes - empty) });
}

const STARTUP: Script[] = [
  { name: "a startup packet of 10,000 bytes and its length", steps: [startupOf(10_004), "R"], leaves: true },
  { name: "a startup packet that is one byte longer", steps: [startupOf(10_005)] },
  { name: "a startup packet of length 7", steps: [concat([int32(7), new Uint8Array(3)])] },
  { name: "a startup packet of length 0", steps: [concat([int32(0), new Uint8Array(4)])] },
  { name: "a startup packet of negative length", steps: [concat([int32(-1), new Uint8Array(4)])] },
  { name: "a request of HTTP", steps: [text("GET / HTTP/1.1\r\n\r\n")] },
  { name: "random bytes", steps: [new Uint8Array([0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4])] },
  { name: "the missing NUL at the end", steps: [packet(version, cstring("user"), cstring("postgres"))] },
  { name: "the missing NUL of a value", steps: [packet(version, cstring("user"), text("postgres"))] },
  { name: "a startup packet of a version alone", steps: [packet(version)] },
  {
    name: "an empty option name",
    steps: [packet(version, cstring("user"), cstring("postgres"), cstring(""), cstring("x"), cstring(""))],
  },
  {
    name: "bytes behind the startup packet's end",
    steps: [packet(version, cstring("user"), cstring("postgres"), cstring(""), cstring(""))],
  },
  { name: "a startup packet without a user", steps: [startup({ database: "postgres" })] },
  { name: "a startup packet with an empty user", steps: [startup({ user: "", database: "postgres" })] },
  { name: "protocol 4.0", steps: [startup(user, 0x4_0000)] },
  { name: "protocol 0.0", steps: [startup(user, 0)] },
  { name: "protocol 1234.1", steps: [startup(user, 0x04d2_0001)] },
  ...[0, 1, 2, 3, 9999].map((minor) => ({
    name: `protocol 3.${minor}`,
    steps: [startup(user, 0x3_0000 + minor), "R"],
    leaves: true,
  })),
  ...[0, 2, 9999].map((minor) => ({
    name: `protocol 3.${minor} with options that nobody knows`,
    steps: [startup({ ...user, "_pq_.one": "1", "_pq_.two": "2" }, 0x3_0000 + minor), "R"],
    leaves: true,
  })),
  {
    name: "an unknown protocol option and no user",
    steps: [startup({ "_pq_.one": "1" }, 0x3_0000 + 9999)],
  },
  { name: "SSLRequest", steps: [sslRequest(), ONE_BYTE, startup(user), "R"], leaves: true },
  { name: "GSSENCRequest", steps: [gssEncRequest(), ONE_BYTE, startup(user), "R"], leaves: true },
  {
    name: "SSLRequest, then GSSENCRequest",
    steps: [sslRequest(), ONE_BYTE, gssEncRequest(), ONE_BYTE, startup(user), "R"],
    leaves: true,
  },
  {
    name: "GSSENCRequest, then SSLRequest",
    steps: [gssEncRequest(), ONE_BYTE, sslRequest(), ONE_BYTE, startup(user), "R"],
    leaves: true,
  },
  { name: "SSLRequest twice", steps: [sslRequest(), ONE_BYTE, sslRequest()] },
  { name: "GSSENCRequest twice", steps: [gssEncRequest(), ONE_BYTE, gssEncRequest()] },
  {
    name: "SSLRequest, GSSENCRequest and SSLRequest",
    steps: [sslRequest(), ONE_BYTE, gssEncRequest(), ONE_BYTE, sslRequest()],
  },
  { name: "the end in a startup packet", steps: [startup(user).subarray(0, 12)], leaves: true },
  { name: "the end in its length word", steps: [startup(user).subarray(0, 3)], leaves: true },
  { name: "the end before the first byte", steps: [], leaves: true },
];

const AUTHENTICATION: Script[] = [
  ...[..."QXSz\0R"].map((type) => ({
    name: `message ${JSON.stringify(type)} instead of a password`,
    steps: [startup(user), "R", message(type)],
  })),
  { name: "one byte instead of a password", steps: [startup(user), "R", text("Q")] },
  {
    name: "a request of HTTP instead of a password",
    steps: [startup(user), "R", text("GET / HTTP/1.1\r\n")],
  },
  { name: "a second startup packet instead of a password", steps: [startup(user), "R", startup(user)] },
  { name: "Terminate instead of a password", steps: [startup(user), "R", frontend.terminate()] },
  { name: "the end instead of a password", steps: [startup(user), "R"], leaves: true },
  ...[0, 3, -1, 1025, 65_535, 65_536, 0x7fffffff].map((length) => ({
    name: `a password message of length ${length}`,
    steps: [startup(user), "R", withLengthWord("p", length, 2000)],
  })),
  { name: "an empty password message", steps: [startup(user), "R", message("p")] },
  { name: "a password where SASL was asked for", steps: [startup(user), "R", frontend.password("postgres")] },
  ...[3000, -2, 3, -1, 0].map((length) => ({
    name: `a first SCRAM message of length ${length}`,
    steps: [
      startup(user),
      "R",
      message("p", cstring("SCRAM-SHA-256"), int32(length), text("n,,n=,r=abcdefghijkl")),
    ],
  })),
  {
    name: "an empty nonce",
    steps: [startup(user), "R", saslInitialResponse("SCRAM-SHA-256", "n,,n=,r="), "R"],
    leaves: true,
  },
  {
    name: "an unknown SASL mechanism",
    steps: [startup(user), "R", saslInitialResponse("SCRAM-SHA-1", "n,,n=,r=abc")],
  },
  {
    name: "channel binding without TLS",
    steps: [
      startup(user),
      "R",
      saslInitialResponse("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc"),
    ],
  },
  {
    name: "a malformed first SCRAM message",
    steps: [startup(user), "R", saslInitialResponse("SCRAM-SHA-256", "garbage")],
  },
  {
    name: "a malformed final SCRAM message",
    steps: [startup(user), "R", clientFirst, "R", frontend.saslResponse("nonsense")],
  },
  {
    name: "a SCRAM proof of the wrong length",
    steps: [startup(user), "R", clientFirst, "R", frontend.saslResponse("c=biws,r=abcdefghijkl,p=AAAA")],
  },
];

Deno.test("pgplex answers wrong bytes before login as PostgreSQL 18 does", async (t) => {
  await using node = await startPostgres({ major: 18 });
  await using pgplex = await startPgplex({
    config: {
      auth: { users: { postgres: "postgres" } },
      routing: { default_cluster: "main" },
      clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
    },
  });
  await using bystander = await Bystander.connect(pgplex, login);

  for (const script of [...STARTUP, ...AUTHENTICATION]) {
    await t.step(`${script.name} is answered alike`, async () => {
      const [direct, through] = await Promise.all([play(node, script), play(pgplex, script)]);
      assert.deepEqual(through, direct);
      await bystander.isUndisturbed();
    });
  }

  for (const version of [0x2_0000, 0x2_0003, 0x1_0000, 1]) {
    await t.step(
      `protocol ${version >> 16}.${version & 0xffff} is refused alike, in the format of protocol 2`,
      async () => {
        const [direct, through] = await Promise.all([node, pgplex].map(async (target) => {
          await using client = await WireClient.open(target);
          await client.send(startup(user, version));
          let said = "";
          while (!said.endsWith("\0")) said += await client.readByte();
          assert.deepEqual(await client.closed(), []);
          return said;
        }));
        assert.match(direct!, /^EFATAL: {2}unsupported frontend protocol \d\.\d: .*\n\0$/);
        assert.equal(through, direct);
      },
    );
  }

  // PostgreSQL takes the second packet for an attack; libpq of 17 and later may send both at once.
  await t.step(
    "GSSENCRequest with the startup packet in the same write is answered N, then goes on",
    async () => {
      await using client = await WireClient.open(pgplex);
      await client.send(gssEncRequest(), startup(user));
      assert.equal(await client.readByte(), "N");
      assert.equal((await client.read()).auth!.code, 10);
    },
  );

  await t.step("a startup packet that comes byte by byte is understood", async () => {
    await using client = await WireClient.open(pgplex);
    for (const byte of startup(user)) await client.send(Uint8Array.of(byte));
    assert.equal((await client.read()).auth!.code, 10);
    await bystander.isUndisturbed();
  });
});

Deno.test("pgplex answers wrong bytes before an md5 login as PostgreSQL 18 does", async (t) => {
  await using node = await startPostgres({ major: 18, auth: "md5" });
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "md5", users: { postgres: "postgres" } },
      routing: { default_cluster: "main" },
      clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
    },
  });
  const scripts: Script[] = [
    ...[0, 3, -1, 65_536].map((length) => ({
      name: `a password message of length ${length}`,
      steps: [startup(user), "R", withLengthWord("p", length, 2000)],
    })),
    { name: "a query instead of a password", steps: [startup(user), "R", frontend.query("SELECT 1")] },
    { name: "a long wrong password", steps: [startup(user), "R", frontend.password("x".repeat(65_530))] },
    { name: "an empty password", steps: [startup(user), "R", frontend.password("")] },
    { name: "a password without its NUL", steps: [startup(user), "R", message("p", text("md5"))] },
  ];
  for (const script of scripts) {
    await t.step(`${script.name} is answered alike`, async () => {
      const [direct, through] = await Promise.all([play(node, script), play(pgplex, script)]);
      assert.deepEqual(through, direct);
    });
  }
});
