import assert from "node:assert/strict";
import { PgplexError, VirtualClock } from "../../src/kernel/mod.ts";
import { ConnStream, socketStream } from "../../src/transport/socket_stream.ts";
import {
  acceptTls,
  type AcceptTlsOptions,
  type ConnectTlsOptions,
  type TlsStream,
} from "../../src/transport/tls.ts";
import { type Certs, makeCerts } from "../harness/mod.ts";
import {
  acceptConn,
  acceptOptions,
  connectConn,
  connectOptions,
  expectPattern,
  OpensslPeer,
  readText,
  sendPattern,
  sendText,
  tcpPair,
} from "../harness/tls_peer.ts";

const LARGE_BYTES = 50_000_000;

async function tlsPair(
  certs: Certs,
  accept: Partial<AcceptTlsOptions> = {},
  connect: Partial<ConnectTlsOptions> = {},
): Promise<[TlsStream, TlsStream]> {
  const [server, client] = await tcpPair();
  return await Promise.all([
    acceptConn(server, acceptOptions(certs, accept)),
    connectConn(client, connectOptions(certs, connect)),
  ]);
}

/** Both ways at once. */
async function exchangePattern(a: Pattern, b: Pattern, total: number, piece?: number) {
  await Promise.all([
    sendPattern(a, total, piece),
    sendPattern(b, total, piece),
    expectPattern(a, total),
    expectPattern(b, total),
  ]);
}
type Pattern = Parameters<typeof sendPattern>[0] & Parameters<typeof expectPattern>[0];

Deno.test("acceptTls and connectTls agree on TLS 1.3 and move 50 MB both ways at once", async () => {
  await using certs = await makeCerts();
  const [server, client] = await tlsPair(certs);
  assert.equal(server.protocol, "TLSv1.3");
  assert.equal(client.protocol, "TLSv1.3");
  assert.equal(server.cipher, client.cipher);
  assert.equal(server.peerCertificate, null);
  assert.equal(client.peerCommonName, "localhost");
  await exchangePattern(server, client, LARGE_BYTES);
  client.close();
  assert.equal(await server.read(new Uint8Array(1)), 0);
  server.close();
});

Deno.test("acceptTls and connectTls keep many small writes in order", async () => {
  await using certs = await makeCerts();
  const [server, client] = await tlsPair(certs);
  await exchangePattern(server, client, 100_000, 7);
  server.close();
  client.close();
});

Deno.test("acceptTls serves Deno.connectTls: 50 MB both ways, and a close_notify at the end", async () => {
  await using certs = await makeCerts();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [server, client] = await Promise.all([
    listener.accept().then((conn) => acceptConn(conn, acceptOptions(certs, { alpn: ["postgresql"] }))),
    Deno.connectTls({
      hostname: "localhost",
      port: listener.addr.port,
      caCerts: [certs.ca],
      alpnProtocols: ["postgresql"],
    }),
  ]);
  using _client = client;
  assert.equal((await client.handshake()).alpnProtocol, "postgresql");
  assert.equal(server.alpn, "postgresql");
  await exchangePattern(server, new ConnStream(client), LARGE_BYTES);
  server.close();
  // Rejects with UnexpectedEof if the connection ends without close_notify.
  assert.equal(await client.read(new Uint8Array(1)), null);
});

for (const version of ["TLSv1.2", "TLSv1.3"]) {
  const flag = version === "TLSv1.2" ? "-tls1_2" : "-tls1_3";

  Deno.test(`acceptTls serves openssl s_client over ${version}, both ways`, async () => {
    await using certs = await makeCerts();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using peer = OpensslPeer.client(listener.addr.port, flag, "-alpn", "other,postgresql");
    const server = await acceptConn(await listener.accept(), acceptOptions(certs, { alpn: ["postgresql"] }));
    assert.equal(server.protocol, version);
    assert.equal(server.alpn, "postgresql");
    assert.match(server.cipher, /AES|CHACHA20/);
    await exchangePattern(server, peer, LARGE_BYTES);
    server.close();
    assert.equal(await peer.read(new Uint8Array(1)), 0);
    assert.doesNotMatch(await peer.errors, /unexpected eof/i);
  });

  Deno.test(`connectTls uses openssl s_server over ${version}, both ways`, async () => {
    await using certs = await makeCerts();
    const [peer, conn] = await OpensslPeer.server(certs.server, flag, "-alpn", "postgresql");
    await using _peer = peer;
    const client = await connectConn(conn, connectOptions(certs));
    assert.equal(client.protocol, version);
    assert.equal(client.alpn, "postgresql");
    await exchangePattern(client, peer, LARGE_BYTES);
    peer.close();
    assert.equal(await client.read(new Uint8Array(1)), 0);
    client.close();
  });
}

Deno.test("acceptTls takes the ClientHello of direct TLS from initialBytes", async () => {
  await using certs = await makeCerts();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using peer = OpensslPeer.client(listener.addr.port, "-alpn", "postgresql");
  const conn = await listener.accept();
  const first = new Uint8Array(100);
  const initialBytes = first.subarray(0, (await conn.read(first))!);
  const server = await acceptConn(
    conn,
    acceptOptions(certs, { alpn: ["postgresql"], requireAlpn: true, initialBytes }),
  );
  await sendText(server, "hello\n");
  assert.equal(await readText(peer, "\n"), "hello\n");
  server.close();
});

for (const [offer, name] of [[[], "without ALPN"], [["-alpn", "h2"], "with other protocols only"]] as const) {
  Deno.test(`acceptTls refuses direct TLS ${name}`, async () => {
    await using certs = await makeCerts();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using _peer = OpensslPeer.client(listener.addr.port, ...offer);
    const options = acceptOptions(certs, { alpn: ["postgresql"], requireAlpn: true });
    await rejects(listener.accept().then((conn) => acceptConn(conn, options)), "protocol_violation");
  });
}

Deno.test("acceptTls takes a client without ALPN where it is not required, and names no protocol", async () => {
  await using certs = await makeCerts();
  const [server, client] = await tlsPair(certs, { alpn: ["postgresql"] }, { alpn: null });
  assert.deepEqual([server.alpn, client.alpn], [null, null]);
  server.close();
  client.close();
});

Deno.test("acceptTls speaks with psql sslmode=require", async () => {
  await using certs = await makeCerts();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const args = ["-X", "-At", `host=127.0.0.1 port=${listener.addr.port} user=u dbname=d sslmode=require`];
  const psql = new Deno.Command("psql", { args: [...args, "-c", "select"] }).output();
  const conn = await listener.accept();
  assert.equal(await conn.read(new Uint8Array(8)), 8);
  await sendText(conn, "S");
  const server = await acceptConn(conn, acceptOptions(certs));
  await server.read(new Uint8Array(512)); // StartupMessage
  await sendText(server, "R\0\0\0\x08\0\0\0\0" + "Z\0\0\0\x05I"); // AuthenticationOk, ReadyForQuery
  await server.read(new Uint8Array(512)); // Query
  await sendText(server, "C\0\0\0\x0eSELECT 42\0" + "Z\0\0\0\x05I"); // CommandComplete
  await server.read(new Uint8Array(512)); // Terminate
  server.close();
  const { code, stdout, stderr } = await psql;
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(code, 0);
  assert.equal(new TextDecoder().decode(stdout).trim(), "SELECT 42");
});

Deno.test("TlsStream.write stops being accepted while the peer does not read, and goes on when it does", async () => {
  await using certs = await makeCerts();
  const [server, client] = await tlsPair(certs);
  let sent = 0;
  const sending = (async () => {
    const piece = new Uint8Array(16_384);
    while (sent < LARGE_BYTES) sent += await server.write(piece);
  })();
  // The kernel's buffers on both sides hold some megabytes; the rest has to wait.
  for (let before = -1; before !== sent;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert(sent < LARGE_BYTES / 2, `accepted ${sent} bytes that nobody read`);
  const bytes = new Uint8Array(16_384);
  let got = 0;
  while (got < LARGE_BYTES) got += (await client.read(bytes))!;
  await sending;
  assert.equal(got, sent);
  server.close();
  client.close();
});

Deno.test("TlsStream.close ends a waiting read and a waiting write, and may be called twice", async () => {
  await using certs = await makeCerts();
  const [server, client] = await tlsPair(certs);
  const reading = assert.rejects(server.read(new Uint8Array(1)), Deno.errors.BadResource);
  const writing = assert.rejects(async () => {
    for (;;) await server.write(new Uint8Array(16_384));
  }, Deno.errors.BadResource);
  await client.read(new Uint8Array(1));
  server.close();
  server.close();
  await reading;
  await writing;
  await assert.rejects(server.read(new Uint8Array(1)), Deno.errors.BadResource);
  await assert.rejects(server.write(new Uint8Array(1)), Deno.errors.BadResource);
  client.close();
});

Deno.test("TlsStream.read gives what was sent before a connection that just ends, then null", async () => {
  await using certs = await makeCerts();
  const [serverConn, clientConn] = await tcpPair();
  const [server, client] = await Promise.all([
    acceptConn(serverConn, acceptOptions(certs)),
    connectConn(clientConn, connectOptions(certs)),
  ]);
  await sendText(client, "last words");
  await clientConn.closeWrite();
  assert.equal(await readText(server, "never"), "last words");
  assert.equal(await server.read(new Uint8Array(1)), 0);
  server.close();
  client.close();
});

Deno.test("TlsStream.read gives what was sent before a reset, behind writes that fail, also to who reads already", async () => {
  await using certs = await makeCerts();
  for (let i = 0; i < 20; i++) {
    const [serverConn, clientConn] = await tcpPair();
    const [server, client] = await Promise.all([
      acceptConn(serverConn, acceptOptions(certs)),
      connectConn(clientConn, connectOptions(certs)),
    ]);
    await sendText(client, "never read");
    const reading = i % 2 === 0 ? readText(client, "never") : null;
    await sendText(server, "last words");
    serverConn.close();
    await assert.rejects(async () => {
      for (;;) await sendText(client, "more");
    }, (error) => error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe);
    assert.equal(await (reading ?? readText(client, "never")), "last words");
    client.close();
    server.close();
  }
});

Deno.test("TlsStream.read rejects when the peer sends what is not TLS", async () => {
  await using certs = await makeCerts();
  const [serverConn, clientConn] = await tcpPair();
  const [server, client] = await Promise.all([
    acceptConn(serverConn, acceptOptions(certs)),
    connectConn(clientConn, connectOptions(certs)),
  ]);
  await sendText(clientConn, "this is not a TLS record, by no means");
  await assert.rejects(server.read(new Uint8Array(1)));
  await assert.rejects(server.write(new Uint8Array(1)));
  server.close();
  client.close();
});

Deno.test("TlsStream rejects with the socket's own error when the connection is reset", async () => {
  await using certs = await makeCerts();
  const [serverConn, clientConn] = await tcpPair();
  const reset = Promise.withResolvers<never>();
  const socket = socketStream(serverConn);
  const flaky = {
    read: (into: Uint8Array) => Promise.race([socket.read(into), reset.promise]),
    writeNow: () => 0,
    write: (from: Uint8Array) => socket.write(from),
    close: () => socket.close(),
  };
  const [server, client] = await Promise.all([
    acceptTls(flaky, acceptOptions(certs)),
    connectConn(clientConn, connectOptions(certs)),
  ]);
  const reading = assert.rejects(server.read(new Uint8Array(1)), /reset by the test/);
  reset.reject(new Deno.errors.ConnectionReset("reset by the test"));
  await reading;
  await assert.rejects(server.write(new Uint8Array(1)), /reset by the test/);
  await assert.rejects(server.read(new Uint8Array(1)), /reset by the test/);
  server.close();
  client.close();
});

for (const side of ["acceptTls", "connectTls"] as const) {
  const shake = (
    certs: Certs,
    conn: Deno.Conn,
    more: { handshakeTimeoutMs?: number; clock?: VirtualClock } = {},
  ) =>
    side === "acceptTls"
      ? acceptConn(conn, acceptOptions(certs, more))
      : connectConn(conn, connectOptions(certs, more));
  const broken = side === "acceptTls" ? "protocol_violation" : "server_unreachable";

  Deno.test(`${side} rejects cleanly when the peer sends garbage`, async () => {
    await using certs = await makeCerts();
    const [conn, peer] = await tcpPair();
    using _peer = peer;
    const shaking = rejects(shake(certs, conn), broken);
    await sendText(peer, "GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n");
    await shaking;
  });

  Deno.test(`${side} rejects cleanly when the peer closes in the middle of the handshake`, async () => {
    await using certs = await makeCerts();
    const [conn, peer] = await tcpPair();
    const shaking = rejects(shake(certs, conn), broken);
    await peer.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1));
    await peer.closeWrite();
    await shaking;
    peer.close();
  });

  Deno.test(`${side} rejects cleanly when the peer resets in the middle of the handshake`, async () => {
    await using certs = await makeCerts();
    const [conn, peer] = await tcpPair();
    await conn.write(new Uint8Array(100));
    const shaking = rejects(shake(certs, conn), broken);
    await peer.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1));
    peer.close();
    await shaking;
  });

  Deno.test(`${side} rejects after handshakeTimeoutMs when the peer never finishes`, async () => {
    await using certs = await makeCerts();
    const [conn, peer] = await tcpPair();
    using _peer = peer;
    const clock = new VirtualClock();
    const code = side === "acceptTls" ? "login_timeout" : "server_unreachable";
    const shaking = rejects(shake(certs, conn, { handshakeTimeoutMs: 700, clock }), code, /within 700 ms/);
    clock.advance(699);
    clock.advance(1);
    await shaking;
    assert.equal(clock.pending, 0);
  });
}

async function rejects(promise: Promise<unknown>, code: string, log?: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert(error instanceof PgplexError, String(error));
    assert.equal(error.code, code, error.extra.log);
    if (log !== undefined) assert.match(error.extra.log ?? "", log);
    return true;
  });
}

Deno.test("acceptTls and connectTls speak no version that is not among their protocols", async () => {
  await using certs = await makeCerts();
  const tlsOf = async (server: ("TLSv1.2" | "TLSv1.3")[], client: ("TLSv1.2" | "TLSv1.3")[]) => {
    const [a, b] = await tcpPair();
    const accepting = acceptConn(a, acceptOptions(certs, { protocols: server }));
    const connecting = connectConn(b, connectOptions(certs, { protocols: client }));
    const [accepted, connected] = await Promise.allSettled([accepting, connecting]);
    if (accepted.status === "fulfilled") accepted.value.close();
    if (connected.status === "fulfilled") connected.value.close();
    return connected.status === "fulfilled" ? connected.value.protocol : "refused";
  };
  assert.equal(await tlsOf(["TLSv1.2", "TLSv1.3"], ["TLSv1.2"]), "TLSv1.2");
  assert.equal(await tlsOf(["TLSv1.3"], ["TLSv1.2", "TLSv1.3"]), "TLSv1.3");
  assert.equal(await tlsOf(["TLSv1.3"], ["TLSv1.2"]), "refused");
});
