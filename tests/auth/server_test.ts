import assert from "node:assert/strict";
import {
  type CertPair,
  errorOf,
  makeCerts,
  type PgplexProcess,
  type PostgresNode,
  rowsOf,
  startPgplex,
  startPostgres,
  WireClient,
  WireError,
} from "../harness/mod.ts";

/** One role for each way to prove who one is; on the server the password of each is `NAME-word`. */
const HBA = ["scram-sha-256", "md5", "password", "trust"].map((method) =>
  `host all by_${method.replaceAll("-", "_")} 127.0.0.1/32 ${method}`
);

/** Logs in through pgplex and returns the answer to `sql`, or SQLSTATE and text of the refusal. */
async function ask(
  pgplex: PgplexProcess,
  login: { user: string; password: string; database: string },
  sql = "SELECT session_user",
): Promise<string> {
  try {
    await using client = await WireClient.connect(pgplex, login);
    const messages = await client.query(sql);
    const error = errorOf(messages);
    return error ? `${error["C"]} ${error["M"]}` : rowsOf(messages).join("; ");
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown;
    return `${thrown.fields["C"]} ${thrown.fields["M"]}`;
  }
}

for (const major of [14, 18] as const) {
  Deno.test(`pgplex proves to PostgreSQL ${major} who a client is, by what it knows of it`, async (t) => {
    await using node = await startPostgres({ major, hba: HBA });
    await node.sql(`
      SET password_encryption = 'scram-sha-256';
      CREATE ROLE by_scram_sha_256 LOGIN PASSWORD 'by_scram_sha_256-word';
      CREATE ROLE by_password LOGIN PASSWORD 'by_password-word';
      CREATE ROLE by_trust LOGIN;
      SET password_encryption = 'md5';
      CREATE ROLE by_md5 LOGIN PASSWORD 'by_md5-word'`);
    const secrets = Object.fromEntries(
      (await node.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"))
        .map(({ rolname, rolpassword }) => [rolname as string, rolpassword as string]),
    );
    const names = ["by_scram_sha_256", "by_password", "by_trust", "by_md5"];
    const start = (type: string, users: Record<string, string>, pool_mode: string) =>
      startPgplex({
        config: {
          auth: { type, users },
          pool: { pool_mode, server_login_retry: "100ms", query_wait_timeout: "1s" },
          clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }] } },
        },
      });

    for (const pool_mode of ["session", "transaction"]) {
      await t.step(
        `with the password, by SCRAM, md5, cleartext and trust, ${pool_mode} pooling`,
        async () => {
          const words = Object.fromEntries(names.map((name) => [name, `${name}-word`]));
          await using pgplex = await start("scram-sha-256", words, pool_mode);
          for (const user of names) {
            const login = { user, password: `${user}-word`, database: "postgres@main" };
            assert.equal(await ask(pgplex, login), user);
          }
        },
      );

      await t.step(`with nothing but a SCRAM secret, passed through, ${pool_mode} pooling`, async () => {
        const user = "by_scram_sha_256";
        await using pgplex = await start("scram-sha-256", { [user]: secrets[user]! }, pool_mode);
        const login = { user, password: `${user}-word`, database: "postgres@main" };
        const clients = await Promise.all(Array.from({ length: 5 }, () => WireClient.connect(pgplex, login)));
        // More server connections than logins in flight: the client's key is kept.
        await Promise.all(clients.map((client) => client.query("SELECT pg_sleep(0.05)")));
        for (const client of clients) await client.close();
        assert.equal(
          await ask(pgplex, { ...login, password: "wrong" }),
          `28P01 password authentication failed for user "${user}"`,
        );
        assert.equal(await ask(pgplex, login), user);
      });

      await t.step(`with nothing but an md5 secret, ${pool_mode} pooling`, async () => {
        await using pgplex = await start("md5", { by_md5: secrets["by_md5"]! }, pool_mode);
        assert.equal(
          await ask(pgplex, { user: "by_md5", password: "by_md5-word", database: "postgres@main" }),
          "by_md5",
        );
      });

      await t.step(
        `a password that the server does not take is its own refusal, ${pool_mode} pooling`,
        async () => {
          await using pgplex = await start("scram-sha-256", { by_scram_sha_256: "old word" }, pool_mode);
          const answer = await ask(pgplex, {
            user: "by_scram_sha_256",
            password: "old word",
            database: "postgres@main",
          });
          assert.equal(answer, '28P01 password authentication failed for user "by_scram_sha_256"');
        },
      );
    }

    await t.step("a secret that cannot prove it is named to the client, and no secret is", async () => {
      const user = "by_password";
      await using pgplex = await start("scram-sha-256", { [user]: secrets[user]! }, "transaction");
      const answer = await ask(pgplex, { user, password: `${user}-word`, database: "postgres@main" });
      assert.equal(answer, "08004 the server asks for cleartext authentication: the password is not known");
      for (const secret of [`${user}-word`, secrets[user]!]) assert.ok(!pgplex.log.includes(secret));
    });
  });
}

Deno.test("TLS to servers keeps what each mode of libpq promises", async (t) => {
  await using certs = await makeCerts();
  await using others = await makeCerts();
  await using plain = await startPostgres({ major: 18 });
  await using secured = await startPostgres({ major: 14, tls: { ...certs.server, caFile: certs.caFile } });
  await using hbaOnly = await startPostgres({
    major: 18,
    tls: { ...certs.server, caFile: certs.caFile },
    hba: [
      "hostssl all bob 127.0.0.1/32 reject",
      "hostnossl all bob 127.0.0.1/32 scram-sha-256",
      "host all eve 127.0.0.1/32 reject",
    ],
  });
  const asked = "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)";
  const login = { user: "postgres", password: "postgres" };
  const cluster = (node: PostgresNode, tls: Record<string, string>, host: string) => ({
    nodes: [{ name: "node-1", host, port: node.port }],
    tls,
  });
  const [mine, foreign] = [{ ca_file: certs.caFile }, { ca_file: others.caFile }];
  const failed = "08001 no secure connection to the server could be made";
  const refused = "08004 the server does not support TLS, but the configuration requires it";
  const [inClear, inTls] = ["f", "t"];
  const rows: [PostgresNode, Record<string, string>, string, string][] = [
    [plain, { mode: "disable" }, "127.0.0.1", inClear],
    [plain, { mode: "prefer" }, "127.0.0.1", inClear],
    [plain, { mode: "require" }, "127.0.0.1", refused],
    [plain, { mode: "verify-ca", ...mine }, "127.0.0.1", refused],
    [plain, { mode: "verify-full", ...mine }, "127.0.0.1", refused],
    [secured, { mode: "disable" }, "127.0.0.1", inClear],
    [secured, { mode: "prefer" }, "127.0.0.1", inTls],
    [secured, { mode: "prefer", ...foreign }, "127.0.0.1", inTls],
    [secured, { mode: "require" }, "127.0.0.1", inTls],
    [secured, { mode: "require", ...mine }, "127.0.0.1", inTls],
    [secured, { mode: "require", ...foreign }, "127.0.0.1", failed], // as libpq: an authority given is looked at
    [secured, { mode: "verify-ca", ...mine }, "127.0.0.1", inTls],
    [secured, { mode: "verify-ca", ...mine }, "127.0.0.2", inTls], // whatever the name
    [secured, { mode: "verify-ca", ...foreign }, "127.0.0.1", failed],
    [secured, { mode: "verify-full", ...mine }, "127.0.0.1", inTls],
    [secured, { mode: "verify-full", ...mine }, "localhost", inTls],
    [secured, { mode: "verify-full", ...mine }, "127.0.0.2", failed], // not in the certificate
    [secured, { mode: "verify-full", ...foreign }, "127.0.0.1", failed],
  ];
  await using other = relay("127.0.0.2", secured.port);
  await using pgplex = await startPgplex({
    config: {
      auth: { users: { postgres: "postgres" } },
      pool: { query_wait_timeout: "1s", server_login_retry: "10s" },
      clusters: Object.fromEntries(rows.map(([node, tls, host], i) => [
        `c${i}`,
        cluster({ ...node, port: host === "127.0.0.2" ? other.port : node.port } as PostgresNode, tls, host),
      ])),
    },
  });
  for (const [i, [node, tls, host, expected]] of rows.entries()) {
    const authority = tls["ca_file"] === undefined
      ? ""
      : tls["ca_file"] === certs.caFile
      ? ", its CA"
      : ", another CA";
    const server = node === plain ? "without" : "with";
    await t.step(`${tls["mode"]}${authority}, at ${host}, a server ${server} TLS: ${expected}`, async () => {
      assert.equal(await ask(pgplex, { ...login, database: `postgres@c${i}` }, asked), expected);
    });
  }

  await t.step(
    "prefer goes on without TLS where pg_hba.conf takes nobody over TLS, and require does not",
    async () => {
      const { host, port } = hbaOnly;
      await hbaOnly.sql("CREATE ROLE bob LOGIN PASSWORD 'word'; CREATE ROLE eve LOGIN PASSWORD 'word'");
      const clusterOf = (mode: string) => ({ nodes: [{ name: mode, host, port }], tls: { mode } });
      await using own = await startPgplex({
        config: {
          auth: { users: { bob: "word", eve: "word" } },
          clusters: { prefer: clusterOf("prefer"), require: clusterOf("require") },
        },
      });
      const asks = (user: string, mode: string) =>
        ask(own, { user, password: "word", database: `postgres@${mode}` }, asked);
      assert.equal(await asks("bob", "prefer"), inClear);
      assert.match(await asks("bob", "require"), /^28000 pg_hba.conf rejects connection .* SSL encryption$/);
      assert.match(await asks("eve", "prefer"), /^28000 pg_hba.conf rejects connection .* SSL encryption$/);
    },
  );

  await t.step("a certificate of pgplex's own proves its user to the server", async () => {
    const pair: CertPair = await certs.client("by_cert");
    await using strict = await startPostgres({
      major: 18,
      tls: { ...certs.server, caFile: certs.caFile },
      hba: ["hostssl all by_cert 127.0.0.1/32 cert"],
    });
    await strict.sql("CREATE ROLE by_cert LOGIN");
    await using own = await startPgplex({
      config: {
        auth: { users: { by_cert: "any word" } },
        clusters: {
          main: cluster(strict, {
            mode: "verify-full",
            ca_file: certs.caFile,
            cert_file: pair.certFile,
            key_file: pair.keyFile,
          }, "127.0.0.1"),
        },
      },
    });
    assert.equal(
      await ask(own, { user: "by_cert", password: "any word", database: "postgres@main" }),
      "by_cert",
    );
  });
});

/** The same server under another address: what comes to `address` goes to `port` of 127.0.0.1. */
function relay(address: string, port: number): AsyncDisposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: address, port: 0 });
  const open = new Set<Deno.Conn>();
  const serve = (async () => {
    for await (const near of listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port });
      open.add(near).add(far);
      void near.readable.pipeTo(far.writable).catch(() => {});
      void far.readable.pipeTo(near.writable).catch(() => {});
    }
  })().catch(() => {});
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of open) {
        try {
          conn.close();
        } catch {
          // It ended by itself.
        }
      }
      await serve;
    },
  };
}
