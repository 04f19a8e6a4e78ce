import assert from "node:assert/strict";
import { PgplexError } from "../../src/kernel/mod.ts";
import { type AcceptTlsOptions, type ConnectTlsOptions } from "../../src/transport/tls.ts";
import { type CertPair, type Certs, makeCerts, run } from "../harness/mod.ts";
import {
  acceptConn,
  acceptOptions,
  connectConn,
  connectOptions,
  OpensslPeer,
  readText,
  sendText,
  tcpPair,
} from "../harness/tls_peer.ts";

/** The code of the error and its log text, or "ok" and the server's common name. */
async function connecting(conn: Deno.Conn, options: ConnectTlsOptions): Promise<[string, string]> {
  try {
    const client = await connectConn(conn, options);
    client.close();
    return ["ok", client.peerCommonName ?? ""];
  } catch (error) {
    assert(error instanceof PgplexError);
    return [error.code, error.extra.log ?? ""];
  }
}

/** As {@link connecting}, to an `openssl s_server` with `pair`. */
async function connectingTo(pair: CertPair, options: ConnectTlsOptions, ...args: string[]) {
  const [peer, conn] = await OpensslPeer.server(pair, ...args);
  await using _peer = peer;
  return await connecting(conn, options);
}

/** A certificate of X.509 version 1, as `openssl x509 -req` makes them without extensions. */
async function issueVersion1(certs: Certs, name: string): Promise<CertPair> {
  const openssl = (...args: string[]) => run("openssl", { args, cwd: certs.dir });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl("req", "-new", ...newKey, "-keyout", "v1.key", "-out", "v1.csr", "-subj", `/CN=${name}`);
  const authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
  await openssl("x509", "-req", "-in", "v1.csr", "-out", "v1.crt", "-days", "2", ...authority);
  return await pairAt(`${certs.dir}/v1`);
}

async function pairAt(path: string): Promise<CertPair> {
  const [certFile, keyFile] = [`${path}.crt`, `${path}.key`];
  return {
    certFile,
    keyFile,
    cert: await Deno.readTextFile(certFile),
    key: await Deno.readTextFile(keyFile),
  };
}

Deno.test("connectTls verifies what its mode says, as libpq does", async () => {
  await using certs = await makeCerts();
  // Another authority of the same name: a second makeCerts gives its own the same subject.
  await using other = await makeCerts();
  const cases: [Partial<ConnectTlsOptions>, string, RegExp][] = [
    [{ mode: "verify-full" }, "ok", /^localhost$/],
    [{ mode: "verify-full", host: "127.0.0.1" }, "ok", /^localhost$/],
    [{ mode: "verify-full", host: "db.example" }, "server_unreachable", /altnames|ALTNAME/],
    [{ mode: "verify-full", host: "127.0.0.2" }, "server_unreachable", /altnames|ALTNAME|IP/],
    [{ mode: "verify-full", caPem: other.ca }, "server_unreachable", /UNABLE_TO_VERIFY/],
    [{ mode: "verify-full", caPem: null }, "config_invalid", /ca_file/],
    [{ mode: "verify-ca", host: "db.example" }, "ok", /^localhost$/],
    [{ mode: "verify-ca", caPem: other.ca }, "server_unreachable", /UNABLE_TO_VERIFY/],
    [{ mode: "verify-ca", caPem: null }, "config_invalid", /ca_file/],
    [{ mode: "require", caPem: null, host: "db.example" }, "ok", /^$/],
    [{ mode: "require", caPem: other.ca }, "server_unreachable", /UNABLE_TO_VERIFY/],
    [{ mode: "require", host: "db.example" }, "ok", /^localhost$/],
    [{ certPem: certs.server.cert }, "config_invalid", /needs its key/],
    [{ certPem: certs.server.cert, keyPem: other.server.key }, "config_invalid", /not the certificate's/],
  ];
  for (const [options, code, log] of cases) {
    const [server, client] = await tcpPair();
    const accepting = acceptConn(server, acceptOptions(certs)).then((stream) => stream.close(), () => {});
    const got = await connecting(client, connectOptions(certs, options));
    await accepting;
    assert.equal(got[0], code, `${JSON.stringify(options)}: ${got}`);
    assert.match(got[1], log, JSON.stringify(options));
  }
});

for (const flag of ["-tls1_2", "-tls1_3"]) {
  // Deno 2.9.6 takes them for verified where only the issuer's name is right.
  Deno.test(`connectTls refuses certificates of X.509 version 1 when it verifies (${flag})`, async () => {
    await using certs = await makeCerts();
    await using other = await makeCerts();
    const forged = await issueVersion1(other, "localhost");
    for (const mode of ["verify-ca", "verify-full"] as const) {
      const [code, log] = await connectingTo(forged, connectOptions(certs, { mode }), flag);
      assert.equal(code, "server_unreachable");
      assert.match(log, /version 1/);
    }
    const [code] = await connectingTo(forged, connectOptions(certs, { mode: "require", caPem: null }), flag);
    assert.equal(code, "ok");
  });

  Deno.test(`connectTls does not carry trust over from an earlier session (${flag})`, async () => {
    await using certs = await makeCerts();
    await using other = await makeCerts();
    const loose = connectOptions(certs, { mode: "require", caPem: null });
    assert.equal((await connectingTo(other.server, loose, flag))[0], "ok");
    assert.equal((await connectingTo(other.server, connectOptions(certs), flag))[0], "server_unreachable");
  });

  Deno.test(`connectTls shows its certificate to a server that asks (${flag})`, async () => {
    await using certs = await makeCerts();
    const alice = await certs.client("alice");
    const args = [flag, "-Verify", "1", "-verify_return_error", "-CAfile", certs.caFile];
    const [peer, conn] = await OpensslPeer.server(certs.server, ...args);
    await using _peer = peer;
    const client = await connectConn(
      conn,
      connectOptions(certs, { certPem: alice.cert, keyPem: alice.key }),
    );
    await sendText(client, "hello\n");
    assert.equal(await readText(peer, "\n"), "hello\n");
    client.close();
  });

  Deno.test(`connectTls or its first read rejects when the server misses a certificate (${flag})`, async () => {
    await using certs = await makeCerts();
    const [peer, conn] = await OpensslPeer.server(
      certs.server,
      flag,
      "-Verify",
      "1",
      "-CAfile",
      certs.caFile,
    );
    await using _peer = peer;
    await assert.rejects(async () => {
      const client = await connectConn(conn, connectOptions(certs));
      try {
        await client.read(new Uint8Array(1));
      } finally {
        client.close();
      }
    });
  });

  Deno.test(`acceptTls refuses client certificates that its authority did not issue (${flag})`, async () => {
    await using certs = await makeCerts();
    await using other = await makeCerts();
    const alice = await certs.client("alice");
    const cases: [CertPair | null, string | null, string | null][] = [
      [alice, certs.ca, "alice"],
      [null, certs.ca, null],
      [alice, null, null],
      [await other.client("alice"), certs.ca, "invalid_authorization"],
      [await issueVersion1(other, "alice"), certs.ca, "invalid_authorization"],
      [await issueVersion1(certs, "alice"), certs.ca, "invalid_authorization"],
      [certs.server, certs.ca, "localhost"],
    ];
    for (const [pair, clientCaPem, expected] of cases) {
      assert.equal(await acceptingFrom(certs, { clientCaPem }, pair, flag), expected);
    }
  });
}

/** The common name of a client with `pair`, or the code of the error. */
async function acceptingFrom(
  certs: Certs,
  options: Partial<AcceptTlsOptions>,
  pair: CertPair | null,
  ...args: string[]
): Promise<string | null> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const keys = pair === null ? [] : ["-cert", pair.certFile, "-key", pair.keyFile];
  await using peer = OpensslPeer.client(listener.addr.port, ...keys, ...args);
  try {
    const server = await acceptConn(await listener.accept(), acceptOptions(certs, options));
    assert.equal(server.peerCertificate === null, server.peerCommonName === null);
    await sendText(server, "hello\n");
    assert.equal(await readText(peer, "\n"), "hello\n");
    server.close();
    return server.peerCommonName;
  } catch (error) {
    assert(error instanceof PgplexError, String(error));
    return error.code;
  }
}

Deno.test("acceptTls says config_invalid when its key is not its certificate's", async () => {
  await using certs = await makeCerts();
  await using other = await makeCerts();
  for (const keyPem of [other.server.key, "nothing"]) {
    const [conn, peer] = await tcpPair();
    using _peer = peer;
    await assert.rejects(acceptConn(conn, acceptOptions(certs, { keyPem })), (error) => {
      assert(error instanceof PgplexError);
      assert.equal(error.code, "config_invalid");
      return true;
    });
  }
});

Deno.test("acceptTls and connectTls follow a chain with an authority in between", async () => {
  await using certs = await makeCerts();
  const openssl = (...args: string[]) => run("openssl", { args, cwd: certs.dir });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await Deno.writeTextFile(
    `${certs.dir}/sub.ext`,
    "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n",
  );
  await Deno.writeTextFile(`${certs.dir}/leaf.ext`, "subjectAltName=DNS:localhost\n");
  for (const [file, issuer, subject] of [["sub", "ca", "/CN=Sub CA"], ["leaf", "sub", "/CN=bob"]] as const) {
    await openssl(
      "req",
      "-new",
      ...newKey,
      "-keyout",
      `${file}.key`,
      "-out",
      `${file}.csr`,
      "-subj",
      subject,
    );
    const authority = ["-CA", `${issuer}.crt`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
    const request = ["-in", `${file}.csr`, "-out", `${file}.crt`, "-extfile", `${file}.ext`, "-days", "2"];
    await openssl("x509", "-req", ...authority, ...request);
  }
  const leaf = await pairAt(`${certs.dir}/leaf`);
  const chainPem = leaf.cert + await Deno.readTextFile(`${certs.dir}/sub.crt`);
  const [server, client] = await tcpPair();
  const [accepted, connected] = await Promise.all([
    acceptConn(server, acceptOptions(certs, { certPem: chainPem, keyPem: leaf.key, clientCaPem: certs.ca })),
    connectConn(client, connectOptions(certs, { certPem: chainPem, keyPem: leaf.key })),
  ]);
  assert.equal(accepted.peerCommonName, "bob");
  assert.equal(connected.peerCommonName, "bob");
  accepted.close();
  connected.close();
});
