import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { encodeCancel } from "../protocol/mod.ts";
import type { PeerAddress } from "../transport/mod.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { FakeWorker, PEER, TRUST, UNIX } from "./fake_worker_test.ts";
import { loginTimeoutMs, open, type Opened, tlsName } from "./opening.ts";
import { configOf } from "../servers/fake_cluster_test.ts";
import type { TlsStream } from "../transport/mod.ts";

const TLS = `${TRUST}listen: { tls: { mode: MODE, cert_file: c.pem, key_file: k.pem } }\n`;
const STARTUP = frontend.startup({ user: "alice", database: "app" });
const N = Uint8Array.of(0x4e);

/** What becomes of a connection on which the client says this, and then ends its side. */
async function opened(
  said: readonly Uint8Array[],
  { yaml = TRUST, peer = PEER as PeerAddress, ends = false } = {},
): Promise<{ worker: FakeWorker; opened: Opened | null; answered: Uint8Array }> {
  const worker = new FakeWorker(yaml);
  const { stream } = new FakeClient();
  stream.say(...said);
  if (ends) stream.end();
  const result = await open(worker, stream, peer, () => {});
  return { worker, opened: result, answered: stream.taken() };
}

Deno.test("open reads the startup packet, in any pieces, and leaves what comes behind it", async () => {
  const pieces = [...STARTUP].map((byte) => Uint8Array.of(byte));
  const { opened: result, answered } = await opened([...pieces, frontend.query("SELECT 1")]);
  deepEqual([...result!.startup.params], [["user", "alice"], ["database", "app"]]);
  deepEqual([result!.tls, answered.length], [null, 0]);
  equal((await result!.reader.peek(1))?.[0], 0x51);
});

Deno.test("open says N to SSLRequest and to GSSENCRequest where there is no TLS, in either order", async () => {
  for (
    const requests of [
      [frontend.sslRequest()],
      [frontend.gssEncRequest()],
      [frontend.sslRequest(), frontend.gssEncRequest()],
      [frontend.gssEncRequest(), frontend.sslRequest()],
    ]
  ) {
    const { opened: result, answered } = await opened([...requests, STARTUP]);
    deepEqual([answered, result?.startup.minor], [Uint8Array.from(requests, () => N[0]!), 0]);
  }
});

Deno.test("open refuses a second request of the same kind, in PostgreSQL's words", async () => {
  for (const [request, minor] of [[frontend.sslRequest(), 5679], [frontend.gssEncRequest(), 5680]] as const) {
    await rejects(opened([request, request, STARTUP]), {
      code: "unsupported_version",
      message: `unsupported frontend protocol 1234.${minor}: server supports 3.0 to 3.2`,
    });
  }
});

Deno.test("open offers no TLS on a unix socket, and takes a client there that comes without", async () => {
  const yaml = TLS.replace("MODE", "require");
  const { opened: result, answered } = await opened([frontend.sslRequest(), STARTUP], { yaml, peer: UNIX });
  deepEqual([answered, result?.startup.params.get("user")], [N, "alice"]);
  const direct = await opened([Uint8Array.of(0x16, 3, 1, 0, 0)], { yaml, peer: UNIX });
  deepEqual([direct.opened, direct.answered.length], [null, 0]);
});

Deno.test("open closes on a TLS handshake without a word where there is no TLS", async () => {
  const { opened: result, answered } = await opened([Uint8Array.of(0x16, 3, 1, 0, 0)]);
  deepEqual([result, answered.length], [null, 0]);
});

Deno.test("open refuses bytes in clear behind SSLRequest where TLS would begin, and says nothing before", async () => {
  const worker = new FakeWorker(TLS.replace("MODE", "allow"));
  const { stream } = new FakeClient();
  const heard: (TlsStream | null)[] = [];
  stream.say(frontend.concat([frontend.sslRequest(), STARTUP]));
  await rejects(open(worker, stream, PEER, (tls) => heard.push(tls)), {
    code: "protocol_violation",
    message: "received unencrypted data after SSL request",
  });
  deepEqual([stream.taken().length, heard], [0, []]);
});

Deno.test("open refuses a client without TLS where listen.tls.mode is require, and takes it where it is allow", async () => {
  await rejects(opened([STARTUP], { yaml: TLS.replace("MODE", "require") }), {
    code: "tls_required",
    sqlstate: "28000",
  });
  const { opened: result } = await opened([STARTUP], { yaml: TLS.replace("MODE", "allow") });
  equal(result?.tls, null);
});

Deno.test("open gives a cancel request to whoever has that key, waits for it, and ends the connection", async () => {
  const worker = new FakeWorker();
  const cancelled: string[] = [];
  const [mine, other] = ["mine", "other"].map((name) => ({
    cancel: () => Promise.resolve().then(() => void cancelled.push(name)),
  }));
  const { pid, secret } = worker.cancelKeys.issue(mine!, 0);
  worker.cancelKeys.issue(other!, 0);
  const ask = async (secret: Uint8Array) => {
    const { stream } = new FakeClient();
    stream.say(frontend.cancelRequest(pid, secret));
    equal(await open(worker, stream, PEER, () => {}), null);
    equal(stream.taken().length, 0);
  };
  await ask(secret);
  deepEqual(cancelled, ["mine"]);
  await ask(secret.map((byte) => byte ^ 1));
  deepEqual([cancelled, worker.counters.cancels], [["mine"], 2]);
});

Deno.test("open passes a cancel request on whose key nobody here has, unless another instance has passed it on", async () => {
  const worker = new FakeWorker();
  const passed: number[] = [];
  worker.cancelRelay = { pass: (pid) => Promise.resolve(void passed.push(pid)) };
  const mine = { cancel: () => Promise.resolve() };
  const { pid, secret } = worker.cancelKeys.issue(mine, 0);
  const ask = async (packet: Uint8Array) => {
    const { stream } = new FakeClient();
    stream.say(packet);
    equal(await open(worker, stream, PEER, () => {}), null);
  };
  await ask(frontend.cancelRequest(pid, secret));
  await ask(encodeCancel(4711, secret, true));
  deepEqual(passed, []);
  await ask(encodeCancel(4711, secret));
  deepEqual(passed, [4711]);
});

Deno.test("open closes without a word on a packet of impossible length, and counts it", async () => {
  for (const length of [0, 7, 10_005, -1, 0x47455420 /* "GET " */]) {
    const { worker, opened: result, answered } = await opened([frontend.int32(length), STARTUP]);
    deepEqual([result, answered.length, worker.counters.protocolViolations], [null, 0, 1]);
  }
});

Deno.test("open takes a packet that is as long as may be", async () => {
  const empty = frontend.startup({ user: "alice", options: "" }).length;
  const longest = frontend.startup({ user: "alice", options: "x".repeat(10_004 - empty) });
  const { opened: result } = await opened([longest]);
  equal(result?.startup.params.get("options")?.length, 10_004 - empty);
});

Deno.test("open is quiet about a client that leaves before, in or behind its first packet", async () => {
  for (const said of [[], [STARTUP.subarray(0, 3)], [STARTUP.subarray(0, 20)], [frontend.sslRequest()]]) {
    const { worker, opened: result } = await opened(said, { ends: true });
    deepEqual([result, worker.counters.protocolViolations], [null, 0]);
  }
});

Deno.test("open refuses another protocol, the old one too", async () => {
  for (const version of [0x0002_0000, 0x0004_0000]) {
    await rejects(opened([frontend.startup({ user: "alice" }, version)]), { code: "unsupported_version" });
  }
});

Deno.test("tlsName is what the console shows of TLS, and null without it", () => {
  const opened = { tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" } } as unknown as Opened;
  equal(tlsName(opened), "TLSv1.3/TLS_AES_256_GCM_SHA384");
  equal(tlsName({ ...opened, tls: null }), null);
});

Deno.test("loginTimeoutMs is client_login_timeout, and for 0 the longest that there is", () => {
  equal(loginTimeoutMs(configOf(`${TRUST}listen: { client_login_timeout: 5s }\n`)), 5000);
  equal(loginTimeoutMs(configOf(`${TRUST}listen: { client_login_timeout: 0s }\n`)), 2_147_483_647);
});
