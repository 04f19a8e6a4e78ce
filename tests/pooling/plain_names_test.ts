import assert from "node:assert/strict";
import {
  makeCerts,
  type PgplexProcess,
  type PostgresNode,
  psql,
  requireProgram,
  run,
  startPgplex,
  startPostgres,
  tempDir,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { one } from "../harness/served.ts";

const OPTION = "-c pgplex.cluster=sub";

/** Cluster main, which plain names mean unless a client says otherwise, and cluster sub; certificates for TLS. */
let main: PostgresNode;
let sub: PostgresNode;
let pgplex: PgplexProcess;
let ended: AsyncDisposableStack;

Deno.test.beforeAll(async () => {
  for (const program of ["pg_dump", "pg_restore", "vacuumdb"]) {
    await requireProgram(program, "PostgreSQL's client programs (Debian and Ubuntu: postgresql-client)");
  }
  await using stack = new AsyncDisposableStack();
  const certs = stack.use(await makeCerts());
  // Of the same major as Debian's pg_dump, which refuses newer servers.
  main = stack.use(await startPostgres({ major: 15, auth: "trust" }));
  sub = stack.use(await startPostgres({ major: 15, auth: "trust" }));
  pgplex = stack.use(
    await startPgplex({
      config: {
        listen: { tls: { cert_file: certs.server.certFile, key_file: certs.server.keyFile } },
        auth: { type: "trust" },
        routing: {
          default_cluster: "main",
          databases: { shop: { cluster: "main", database: "postgres" } },
        },
        clusters: {
          main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: main.port }] },
          sub: {
            nodes: [{ name: "sub-1", host: "127.0.0.1", port: sub.port }],
            server_names: ["LOCALHOST"],
          },
        },
      },
    }),
  );
  ended = stack.move();
});
Deno.test.afterAll(() => ended.disposeAsync());

/** Runs a program of PostgreSQL's against pgplex, with what stands in the environment. */
function tool(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  return run(program, {
    args,
    env: { PGHOST: "127.0.0.1", PGPORT: String(pgplex.port), PGUSER: "postgres", ...env },
  });
}

async function databasesOf(node: PostgresNode): Promise<string[]> {
  const rows = await node.sql(
    "SELECT datname FROM pg_database WHERE datname NOT LIKE 'template%' ORDER BY datname",
  );
  return rows.map(({ datname }) => datname);
}

/** The rows of table `t` of a database, in text. */
async function rowsOfTable(node: PostgresNode, database: string): Promise<string> {
  const [row] = await node.sql("SELECT string_agg(v, ',' ORDER BY v) AS rows FROM t", database);
  return row!.rows;
}

/** Makes database `name` on cluster main, with a row, and dumps it. @returns the dump's name */
async function dumped(dir: string, name: string, ...format: string[]): Promise<string> {
  await main.sql(`CREATE DATABASE ${name}`);
  await main.sql("CREATE TABLE t (v text); INSERT INTO t VALUES ('dumped')", name);
  await tool("pg_dump", [...format, "-C", "-f", `${dir}/${name}`, `${name}@main`]);
  return `${dir}/${name}`;
}

Deno.test("pg_restore -C with PGOPTIONS restores the whole database on the cluster that the option names", async () => {
  await using dir = await tempDir();
  const dump = await dumped(dir.path, "restored", "-Fc");
  await tool("pg_restore", ["-C", "-d", "postgres@sub", dump], { PGOPTIONS: OPTION });
  assert.equal(await rowsOfTable(sub, "restored"), "dumped");
  assert.equal(await rowsOfTable(main, "restored"), "dumped", "once, as it was");
});

Deno.test("pg_restore -C keeps the option of a connection string, and several jobs do", async () => {
  await using dir = await tempDir();
  const dump = await dumped(dir.path, "by_string", "-Fc");
  await tool("pg_restore", ["-C", "-j", "2", "-d", `dbname=postgres options='${OPTION}'`, dump]);
  assert.equal(await rowsOfTable(sub, "by_string"), "dumped");
  assert.equal(await rowsOfTable(main, "by_string"), "dumped");
});

Deno.test("psql -f of a dump with \\connect stays on the cluster, past an alias of the database's name", async () => {
  await using dir = await tempDir();
  // The alias shop leads to another database of cluster main.
  await dumped(dir.path, "shop_of_main");
  const text = (await Deno.readTextFile(`${dir.path}/shop_of_main`)).replaceAll("shop_of_main", "shop");
  assert.match(text, /\\connect shop/);
  await Deno.writeTextFile(`${dir.path}/shop`, text);
  for (const database of ["postgres", "postgres@sub"]) {
    const result = await psql(["-v", "ON_ERROR_STOP=1", "-f", `${dir.path}/shop`, "-d", database], {
      env: { PGHOST: "127.0.0.1", PGPORT: String(pgplex.port), PGUSER: "postgres", PGOPTIONS: OPTION },
    });
    assert.equal(result.code, 0, result.stderr);
    assert.equal(await rowsOfTable(sub, "shop"), "dumped");
    await tool("psql", ["-qXc", "DROP DATABASE shop", "-d", "postgres"], { PGOPTIONS: OPTION });
  }
  assert.deepEqual((await databasesOf(main)).filter((name) => name === "shop"), []);
  assert.deepEqual(await main.sql("SELECT 1 FROM pg_class WHERE relname = 't'"), []);
});

Deno.test("vacuumdb -a with the option visits every database of that cluster and none of the default one", async () => {
  await sub.sql("CREATE DATABASE only_sub");
  await main.sql("CREATE DATABASE only_main");
  const env = { PGOPTIONS: OPTION };
  const said = await tool("vacuumdb", ["-a", "--analyze", "--maintenance-db=postgres@sub"], env);
  assert.match(said, /"only_sub"/);
  assert.doesNotMatch(said, /"only_main"/);
  const inString = `--maintenance-db=dbname=postgres options='${OPTION}'`;
  assert.match(await tool("vacuumdb", ["-a", "--analyze", inString]), /"only_sub"/);
});

Deno.test("a cluster is meant by the server name of TLS where it has such a name, and the option stands before it", async () => {
  await main.sql("CREATE TABLE here (v text); INSERT INTO here VALUES ('main')");
  await sub.sql("CREATE TABLE here (v text); INSERT INTO here VALUES ('sub')");
  const here = async (conninfo: string) => {
    const said = await tool("psql", ["-XAtc", "SELECT v FROM here", `port=${pgplex.port} ${conninfo}`]);
    return said.trim();
  };
  // libpq sends the name of host where that is no address.
  assert.equal(await here("host=localhost hostaddr=127.0.0.1 sslmode=require dbname=postgres"), "sub");
  assert.equal(await here("host=localhost hostaddr=127.0.0.1 sslmode=require dbname=postgres@main"), "main");
  assert.equal(
    await here("host=localhost hostaddr=127.0.0.1 sslmode=require sslsni=0 dbname=postgres"),
    "main",
  );
  assert.equal(await here("host=127.0.0.1 sslmode=require dbname=postgres"), "main");
  assert.equal(await here("host=localhost hostaddr=127.0.0.1 sslmode=disable dbname=postgres"), "main");
  const both =
    "host=localhost hostaddr=127.0.0.1 sslmode=require options='-c pgplex.cluster=main' dbname=postgres";
  assert.equal(await here(both), "main");
});

Deno.test("pgplex.cluster is shown, is fixed for the session, and a cluster that there is not is refused", async () => {
  await using client = await WireClient.connect(pgplex, {
    user: "postgres",
    database: "postgres",
    params: { options: OPTION },
  });
  const refusedWith = async (sql: string) => {
    const error = (await client.query(sql)).find(({ type }) => type === "E");
    return [error?.fields?.["C"], error?.fields?.["M"]];
  };
  assert.equal(await one(client, "SHOW pgplex.cluster"), "sub");
  const fixed = ["55P02", 'parameter "pgplex.cluster" cannot be set after connection start'];
  for (const sql of ["SET pgplex.cluster = 'main'", "SET LOCAL pgplex.cluster TO main"]) {
    assert.deepEqual(await refusedWith(sql), fixed);
  }
  await one(client, "RESET pgplex.cluster");
  assert.equal(await one(client, "SHOW pgplex.cluster"), "sub");
  for (const scope of ["", "session ", "transaction "]) {
    const warned = await client.query(`/*!pgplex ${scope}cluster=main */ SELECT 1`);
    const notice = warned.find(({ type }) => type === "N");
    assert.match(notice?.fields?.["M"] ?? "", /option "cluster" cannot be set after connection start/);
  }
  const refused = await WireClient.connect(pgplex, {
    user: "postgres",
    database: "postgres",
    params: { options: "-c pgplex.cluster=sup" },
  }).then((client) => client.close(), (error) => error);
  assert.ok(refused instanceof WireError);
  assert.deepEqual([refused.fields["C"], refused.fields["M"]], ["3D000", 'cluster "sup" does not exist']);
});
