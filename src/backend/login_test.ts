import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import type { ClusterTls } from "../config/mod.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import {
  Back,
  decodeStartup,
  encodeBack,
  encodeError,
  encodeParameterStatus,
  encodeSslRequest,
} from "../protocol/mod.ts";
import { fakeRuntime, GREETING } from "./fake_network_test.ts";
import type { FakeStream } from "./fake_server_test.ts";
import { login, type LoginRequest, loginStraight, ServerRefusal } from "./login.ts";

const tls = (mode: ClusterTls["mode"]): ClusterTls => ({
  mode,
  protocols: ["TLSv1.2", "TLSv1.3"],
  ca_file: null,
  cert_file: null,
  key_file: null,
  ca_pem: null,
  cert_pem: null,
  key_pem: null,
});

const REQUEST: LoginRequest = {
  endpoint: { host: "10.0.0.1", port: 5432 },
  tls: tls("disable"),
  user: "alice",
  database: "app",
  credentials: NO_CREDENTIALS,
  params: new Map([["client_encoding", "UTF8"]]),
  base: "the base",
  timeoutMs: 1000,
};

const refusal = (sqlstate: string, message = "no") =>
  encodeError("FATAL", new PgplexError("internal", message, { sqlstate }));

/** A login to a server that answers each write in turn. */
function rig(...answers: (Uint8Array | ((stream: FakeStream) => void))[]) {
  const runtime = fakeRuntime();
  runtime.network.onConnect = (stream) => {
    stream.onWrite = () => {
      const answer = answers.shift();
      if (typeof answer === "function") answer(stream);
      else if (answer !== undefined) stream.say(answer);
    };
  };
  const { streams } = runtime.network;
  return {
    runtime,
    streams,
    log: (over: Partial<LoginRequest> = {}) => login({ ...REQUEST, ...over }, runtime),
  };
}

Deno.test("login asks for protocol 3.2 as whom it is told, and keeps what the server reports", async () => {
  const { log, streams, runtime } = rig(concat(encodeParameterStatus("server_version", "18.1"), GREETING));
  const connection = await log();
  const sent = streams[0]!.taken();
  deepEqual(decodeStartup(sent, 0, sent.length), {
    kind: "startup",
    startup: {
      minor: 2,
      params: new Map([["user", "alice"], ["database", "app"], ["client_encoding", "UTF8"]]),
      protocolOptions: [],
    },
  });
  const { identity } = connection;
  deepEqual([identity.user, identity.database, identity.base, identity.tls], [
    "alice",
    "app",
    "the base",
    null,
  ]);
  deepEqual([identity.key?.pid, [...identity.key!.secret]], [7, [1, 2, 3, 4]]);
  equal(identity.parameters.values.get("server_version"), "18.1");
  equal(connection.sink, null);
  equal(runtime.clock.pending, 0, "no timer is left");
});

Deno.test("login passes over a notice and an older protocol, and lives without a cancel key", async () => {
  const { log } = rig(concat(
    encodeBack(Back.NegotiateProtocolVersion, new Uint8Array(8)),
    encodeBack(Back.NoticeResponse, Uint8Array.of(0)),
    GREETING.subarray(0, 9),
    GREETING.subarray(-6),
  ));
  equal((await log()).identity.key, null);
});

Deno.test("login gives what the server says behind its greeting to whoever reads next", async () => {
  const { log, streams } = rig(concat(GREETING, encodeParameterStatus("TimeZone", "UTC")));
  const connection = await log();
  const over = connection.start();
  // What was left over is read with what comes next.
  streams[0]!.say(encodeParameterStatus("DateStyle", "ISO"));
  await streams[0]!.drained();
  deepEqual([...connection.reported.values], [["TimeZone", "UTC"], ["DateStyle", "ISO"]]);
  connection.close();
  await over;
});

Deno.test("login answers a password where the server asks for one", async () => {
  const cleartext = encodeBack(Back.Authentication, Uint8Array.of(0, 0, 0, 3));
  const { log, streams } = rig(cleartext, GREETING as Uint8Array);
  await log({ credentials: { ...NO_CREDENTIALS, password: "hunter2" } });
  ok(new TextDecoder().decode(streams[0]!.taken()).endsWith("p\0\0\0\x0chunter2\0"));
});

Deno.test("login tells a refusal in the server's own words, and whether it may pass", async () => {
  const AUTH_OK = GREETING.subarray(0, 9);
  for (
    const [answer, sqlstate, transient, authenticated] of [
      [refusal("28000"), "28000", false, false],
      [refusal("57P03"), "57P03", true, false],
      [concat(AUTH_OK, refusal("53300")), "53300", true, true],
      [concat(AUTH_OK, refusal("3D000")), "3D000", false, true],
    ] as const
  ) {
    const { log, streams, runtime } = rig(answer);
    const thrown: unknown = await log().catch((error) => error);
    ok(thrown instanceof ServerRefusal);
    deepEqual([thrown.code, thrown.message], ["server_login_failed", "no"]);
    deepEqual([thrown.sqlstate, thrown.transient, thrown.authenticated], [
      sqlstate,
      transient,
      authenticated,
    ]);
    deepEqual([streams[0]!.closed, runtime.clock.pending], [true, 0]);
  }
});

Deno.test("login waits for a silent server no longer than it is told", async () => {
  const { log, streams, runtime } = rig();
  const opening = log();
  const failed = rejects(opening, { code: "server_unreachable", message: /in time/ });
  await streams[0]!.drained();
  runtime.clock.advance(999);
  equal(streams[0]!.closed, false);
  runtime.clock.advance(1);
  await failed;
  equal(streams[0]!.closed, true);
});

Deno.test("login: a server that hangs up, talks something else, or says what is not its turn", async () => {
  const hangsUp = rig((stream) => stream.end());
  await rejects(hangsUp.log(), { code: "server_unreachable", message: /closed the connection during login/ });
  const other = rig(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n"));
  await rejects(other.log(), { code: "server_protocol", message: /not answer as a PostgreSQL server/ });
  for (
    const answer of [GREETING.subarray(-6), encodeBack(Back.DataRow, new Uint8Array(2)), GREETING.subarray(9)]
  ) {
    const early = rig(answer);
    await rejects(early.log(), { code: "server_protocol", message: /unexpected message/ });
    equal(early.streams[0]!.closed, true);
  }
  const twice = rig(concat(GREETING.subarray(0, 9), GREETING.subarray(0, 9)));
  await rejects(twice.log(), { code: "server_protocol" });
});

Deno.test("login passes on why no connection could be made", async () => {
  const { log, runtime } = rig();
  runtime.network.refusal = new PgplexError("server_unreachable", "nobody there");
  await rejects(log(), { code: "server_unreachable", message: "nobody there" });
});

Deno.test("login asks for TLS first, and goes on in clear where the server has none and that is allowed", async () => {
  const { log, streams } = rig(Uint8Array.of(0x4e), GREETING as Uint8Array);
  const connection = await log({ tls: tls("prefer") });
  deepEqual([streams.length, connection.identity.tls], [1, null]);
  deepEqual(streams[0]!.taken().subarray(0, 8), encodeSslRequest());

  const required = rig(Uint8Array.of(0x4e));
  await rejects(required.log({ tls: tls("require") }), { code: "server_login_failed", message: /TLS/ });
  equal(required.streams[0]!.closed, true);
  equal(required.streams[0]!.written.length, 8, "no name was told");
});

Deno.test("login does without TLS where no version that is spoken may be", async () => {
  const { log, streams } = rig(GREETING as Uint8Array);
  await log({ tls: { ...tls("allow"), protocols: ["TLSv1", "TLSv1.1"] } });
  const sent = streams[0]!.taken();
  equal(decodeStartup(sent, 0, sent.length).kind, "startup");
});

Deno.test("login takes allow for prefer", async () => {
  const { log, streams } = rig(Uint8Array.of(0x4e), GREETING as Uint8Array);
  await log({ tls: tls("allow") });
  deepEqual(streams[0]!.taken().subarray(0, 8), encodeSslRequest());
});

Deno.test("login does not ask for TLS over a unix socket, whatever the mode", async () => {
  const { log, streams } = rig(GREETING as Uint8Array);
  await log({ tls: tls("verify-full"), endpoint: { host: "/run/postgresql", port: 5432 } });
  const sent = streams[0]!.taken();
  equal(decodeStartup(sent, 0, sent.length).kind, "startup");
});

Deno.test("login passes on what a server says in place of an answer about TLS, unless it has to prove itself", async () => {
  const full = refusal("53300", "sorry, too many clients already");
  const prefers = rig(full);
  await rejects(prefers.log({ tls: tls("prefer") }), { sqlstate: "53300", message: /too many clients/ });
  const old = rig(new TextEncoder().encode("Ecould not fork\n\0"));
  await rejects(old.log({ tls: tls("prefer") }), { code: "server_unreachable", message: "could not fork" });
  const requires = rig(full);
  await rejects(requires.log({ tls: tls("require") }), {
    code: "server_unreachable",
    message: /in place of an answer/,
  });
});

Deno.test("loginStraight gives the stream, and what was read behind the greeting", async () => {
  const { runtime, streams } = rig(concat(GREETING, Uint8Array.of(1, 2, 3)));
  const { stream, identity, rest } = await loginStraight(REQUEST, runtime);
  equal(stream, streams[0]);
  deepEqual([identity.key?.pid, [...rest]], [7, [1, 2, 3]]);
});
