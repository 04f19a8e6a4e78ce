import assert from "node:assert/strict";
import {
  makeCerts,
  type PgplexProcess,
  psql,
  rowsOf,
  startPgplex,
  startPostgres,
  tempDir,
  waitFor,
  WireClient,
  WireError,
  type WireLogin,
  type WireOpenOptions,
  type WireTarget,
} from "../harness/mod.ts";

/** How the login went: the method that the server asked for, or the SQLSTATE and text of its refusal. */
async function outcome(target: WireTarget, login: WireLogin, options: WireOpenOptions = {}): Promise<string> {
  try {
    await using client = await WireClient.connect(target, { database: "postgres", ...login }, options);
    const rows = rowsOf(await client.query("SELECT session_user"));
    assert.deepEqual(rows, [[login.user]]);
    return client.authMethod!;
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown;
    return `${thrown.fields["C"]} ${thrown.fields["M"]}`;
  }
}

const refused = (user: string) => `28P01 password authentication failed for user "${user}"`;

Deno.test("clients log in by every method, and are refused as PostgreSQL refuses", async (t) => {
  await using dir = await tempDir();
  await using certs = await makeCerts();
  // The server asks for nothing: what these tests see is pgplex's own asking.
  await using node = await startPostgres({ major: 18, auth: "trust" });
  await node.sql(`
    CREATE ROLE plain LOGIN PASSWORD 'plain pass, word'; CREATE ROLE kept LOGIN PASSWORD 'kept-password';
    CREATE ROLE ${
    "u".repeat(63)
  } LOGIN; CREATE ROLE asks LOGIN; CREATE ROLE "odd ""name"" ä" LOGIN; CREATE ROLE "no" NOLOGIN PASSWORD 'no-password';
    CREATE ROLE expired LOGIN PASSWORD 'expired-password' VALID UNTIL '2001-01-01';
    SET password_encryption = md5; CREATE ROLE hashed LOGIN PASSWORD 'hashed-password'`);
  const secrets = Object.fromEntries(
    (await node.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"))
      .map(({ rolname, rolpassword }) => [rolname as string, rolpassword as string]),
  );
  const long = "u".repeat(63);
  const users = { [long]: "long-password", plain: "plain pass, word", kept: secrets["kept"]! };
  const tls = { cert_file: certs.server.certFile, key_file: certs.server.keyFile };
  const start = (auth: Record<string, unknown>, listen: Record<string, unknown> = {}) =>
    startPgplex({
      config: {
        listen,
        auth,
        log: { level: "debug" },
        routing: { default_cluster: "main" },
        clusters: {
          main: {
            nodes: [{ name: "main-1", host: node.host, port: node.port }],
            superuser: { user: "postgres" },
          },
        },
      },
    });

  const words = [
    ...Object.values(secrets),
    "plain pass, word",
    "kept-password",
    "hashed-password",
    "long-password",
  ].concat(
    ["from users", "from the file", "new word", "of the file", "their word", 'quoted " password', "wrong"],
  );
  const keepSecrets = (...processes: PgplexProcess[]) => {
    for (const { log } of processes) {
      assert.match(log, /client logged in|login refused/);
      for (const word of words) assert.ok(!log.includes(word), `${word} stands in the log:\n${log}`);
    }
  };

  await t.step("scram-sha-256 takes plain passwords and SCRAM secrets", async () => {
    await using pgplex = await start({ users });
    assert.equal(await outcome(pgplex, { user: "plain", password: "plain pass, word" }), "scram-sha-256");
    assert.equal(await outcome(pgplex, { user: "kept", password: "kept-password" }), "scram-sha-256");
    assert.equal(await outcome(pgplex, { user: "plain", password: "plain" }), refused("plain"));
    assert.equal(await outcome(pgplex, { user: "kept", password: secrets["kept"]! }), refused("kept"));
    assert.equal(await outcome(pgplex, { user: "nobody", password: "x" }), refused("nobody"));
    const connection = { host: pgplex.host, port: pgplex.port, user: "kept", database: "postgres" };
    const good = await psql(["-Atc", "SELECT user"], {
      connection: { ...connection, password: "kept-password" },
    });
    assert.equal(good.stdout, "kept\n", good.stderr);
    const bad = await psql(["-Atc", "SELECT 1"], { connection: { ...connection, password: "wrong" } });
    assert.match(bad.stderr, /FATAL: {2}password authentication failed for user "kept"/);
    keepSecrets(pgplex);
  });

  await t.step("a user's name is cut at 63 bytes, as PostgreSQL cuts it", async () => {
    await using pgplex = await start({ users });
    for (const target of [node, pgplex]) {
      const login = { user: `${long}EXTRA`, password: "long-password", database: "postgres" };
      await using client = await WireClient.connect(target, login);
      assert.deepEqual(rowsOf(await client.query("SELECT session_user")), [[long]]);
    }
    const [given, cut] = ["x".repeat(70), "x".repeat(63)];
    assert.equal(await outcome(pgplex, { user: given, password: "x" }), refused(cut));
  });

  await t.step("SCRAM-SHA-256-PLUS binds to the TLS channel, and psql may require it", async () => {
    await using pgplex = await start({ users }, { tls });
    for (const [user, password] of [["plain", "plain pass, word"], ["kept", "kept-password"]] as const) {
      const connection = { host: pgplex.host, port: pgplex.port, user, password, database: "postgres" };
      const run = (env: Record<string, string>) => psql(["-Atc", "SELECT user"], { connection, env });
      const bound = await run({ PGSSLMODE: "require", PGCHANNELBINDING: "require" });
      assert.equal(bound.stdout, `${user}\n`, bound.stderr);
      const unbound = await run({ PGSSLMODE: "require", PGCHANNELBINDING: "disable" });
      assert.equal(unbound.stdout, `${user}\n`, unbound.stderr);
      const inClear = await run({ PGSSLMODE: "disable", PGCHANNELBINDING: "require" });
      assert.match(inClear.stderr, /channel binding/);
    }
    keepSecrets(pgplex);
  });

  await t.step("md5 takes plain passwords and md5 secrets, and asks by SCRAM for SCRAM secrets", async () => {
    await using pgplex = await start({ type: "md5", users: { ...users, hashed: secrets["hashed"]! } });
    assert.equal(await outcome(pgplex, { user: "plain", password: "plain pass, word" }), "md5");
    assert.equal(await outcome(pgplex, { user: "hashed", password: "hashed-password" }), "md5");
    assert.equal(await outcome(pgplex, { user: "kept", password: "kept-password" }), "scram-sha-256");
    for (const user of ["plain", "hashed", "kept", "nobody"]) {
      assert.equal(await outcome(pgplex, { user, password: "wrong" }), refused(user));
    }
    keepSecrets(pgplex);
  });

  await t.step("trust asks for nothing, and the server still knows its own roles", async () => {
    await using pgplex = await start({ type: "trust" });
    assert.equal(await outcome(pgplex, { user: "asks" }), "trust");
    assert.equal(await outcome(pgplex, { user: 'odd "name" ä' }), "trust");
    assert.equal(await outcome(pgplex, { user: "nobody" }), '28000 role "nobody" does not exist');
    keepSecrets(pgplex);
  });

  await t.step("cert takes the common name of a certificate that our authority signed", async () => {
    await using pgplex = await start({ type: "cert" }, { tls: { ...tls, client_ca_file: certs.caFile } });
    await using others = await makeCerts();
    const [own, foreign] = [await certs.client("asks"), await others.client("asks")];
    const by = (pair?: { cert: string; key: string }) => ({ tls: { ca: certs.ca, ...pair } });
    const failed = (user: string) => `28000 certificate authentication failed for user "${user}"`;
    assert.equal(await outcome(pgplex, { user: "asks" }, by(own)), "trust");
    assert.equal(await outcome(pgplex, { user: "plain" }, by(own)), failed("plain"));
    const without = "28000 connection requires a valid client certificate";
    assert.equal(await outcome(pgplex, { user: "asks" }, by()), without);
    assert.equal(await outcome(pgplex, { user: "asks" }), without);
    // As in PostgreSQL, the first of several names counts.
    const twice = await certs.client("asks/CN=plain");
    assert.equal(await outcome(pgplex, { user: "asks" }, by(twice)), "trust");
    assert.equal(await outcome(pgplex, { user: "plain" }, by(twice)), failed("plain"));
    await assert.rejects(
      outcome(pgplex, { user: "asks" }, by(foreign)),
      (thrown) => !(thrown instanceof WireError),
    );
    const connection = { host: "localhost", port: pgplex.port, user: "asks", database: "postgres" };
    const env = {
      PGSSLMODE: "verify-full",
      PGSSLROOTCERT: certs.caFile,
      PGSSLCERT: own.certFile,
      PGSSLKEY: own.keyFile,
    };
    await Deno.chmod(own.keyFile, 0o600);
    const { stdout, stderr } = await psql(["-Atc", "SELECT user"], { connection, env });
    assert.equal(stdout, "asks\n", stderr);
    keepSecrets(pgplex);
  });

  await t.step("users_file takes all three kinds of secret, and users of the configuration win", async () => {
    const file = `${dir.path}/userlist.txt`;
    const lines = [
      "; a comment",
      '"plain" "plain pass, word"',
      `"kept" "${secrets["kept"]}" "ignored"`,
      `"hashed" "${secrets["hashed"]}"`,
      '"odd ""name"" ä" "quoted "" password"',
      '"asks" "from the file"',
    ];
    await Deno.writeTextFile(file, lines.join("\n") + "\n");
    await using pgplex = await start({ type: "md5", users_file: file, users: { asks: "from users" } });
    assert.equal(await outcome(pgplex, { user: "plain", password: "plain pass, word" }), "md5");
    assert.equal(await outcome(pgplex, { user: "hashed", password: "hashed-password" }), "md5");
    assert.equal(await outcome(pgplex, { user: "kept", password: "kept-password" }), "scram-sha-256");
    assert.equal(await outcome(pgplex, { user: 'odd "name" ä', password: 'quoted " password' }), "md5");
    assert.equal(await outcome(pgplex, { user: "asks", password: "from users" }), "md5");
    assert.equal(await outcome(pgplex, { user: "asks", password: "from the file" }), refused("asks"));
    await Deno.writeTextFile(file, '"asks" "from the file"\n"plain" "new word"\n');
    await pgplex.reload();
    await waitFor(() => /configuration reloaded/.test(pgplex.log), { what: "the reload" });
    assert.equal(await outcome(pgplex, { user: "plain", password: "new word" }), "md5");
    assert.equal(await outcome(pgplex, { user: "hashed", password: "hashed-password" }), refused("hashed"));
    keepSecrets(pgplex);
  });

  await t.step("auth.query: true looks secrets up in the cluster's catalogue, as they are now", async () => {
    await using pgplex = await start({ query: true, users: { asks: "of the file" } });
    assert.equal(await outcome(pgplex, { user: "kept", password: "kept-password" }), "scram-sha-256");
    assert.equal(await outcome(pgplex, { user: "asks", password: "of the file" }), "scram-sha-256");
    for (const user of ["no", "expired", "hashed", 'odd "name" ä', "nobody"]) {
      assert.equal(await outcome(pgplex, { user, password: `${user}-password` }), refused(user));
    }
    await node.sql("SET password_encryption = 'scram-sha-256'; ALTER ROLE kept PASSWORD 'another'");
    assert.equal(await outcome(pgplex, { user: "kept", password: "kept-password" }), refused("kept"));
    assert.equal(await outcome(pgplex, { user: "kept", password: "another" }), "scram-sha-256");
    await node.sql("ALTER ROLE kept PASSWORD 'kept-password'");
    assert.equal(
      await outcome(pgplex, { user: "kept", password: "kept-password", database: "x@none" }),
      '3D000 cluster "none" does not exist',
    );
    keepSecrets(pgplex);
  });

  await t.step(
    "where auth.query cannot be asked, known and unknown users hear so, and no word of a password",
    async () => {
      const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = free.addr as Deno.NetAddr;
      free.close();
      const cluster = (name: string, at: number, superuser: unknown) => ({
        nodes: [{ name, host: node.host, port: at }],
        superuser,
      });
      await using pgplex = await startPgplex({
        config: {
          auth: { query: true, users: { plain: "plain pass, word" } },
          pool: { query_wait_timeout: "300ms", server_login_retry: "100ms" },
          routing: { default_cluster: "misnamed" },
          clusters: {
            down: cluster("down", port, { user: "postgres" }),
            misnamed: cluster("misnamed", node.port, { user: "no_such_role" }),
            none: cluster("none", node.port, null),
          },
        },
      });
      for (const name of ["down", "misnamed", "none"]) {
        for (const user of ["kept", "nobody"]) {
          const login = { user, password: "kept-password", database: `postgres@${name}` };
          assert.equal(await outcome(pgplex, login), "08001 the server cannot be asked who may log in");
        }
      }
      // Who is in the file needs no cluster to be known, and is refused as ever.
      assert.equal(await outcome(pgplex, { user: "plain", password: "wrong" }), refused("plain"));
      keepSecrets(pgplex);
    },
  );

  await t.step("auth.query may be SQL of one's own, and a broken one refuses everybody", async () => {
    await node.sql(`
      CREATE TABLE logins (name text, secret text, active bool);
      INSERT INTO logins VALUES ('asks', 'their word', true), ('plain', 'their word', false)`);
    await using own = await start({ query: "SELECT name, secret FROM logins WHERE name = $1 AND active" });
    assert.equal(await outcome(own, { user: "asks", password: "their word" }), "scram-sha-256");
    assert.equal(await outcome(own, { user: "plain", password: "their word" }), refused("plain"));
    await using single = await start({ type: "md5", query: "SELECT secret FROM logins WHERE name = $1" });
    assert.equal(await outcome(single, { user: "plain", password: "their word" }), "md5");
    await using broken = await start({ query: "SELECT secret FROM no_such_table WHERE name = $1" });
    assert.equal(await outcome(broken, { user: "asks", password: "their word" }), refused("asks"));
    assert.match(broken.log, /auth\.query failed .*no_such_table/);
    keepSecrets(own, single, broken);
  });
});
