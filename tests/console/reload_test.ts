import assert from "node:assert/strict";
import { basename } from "node:path";
import { type Setting, SETTINGS } from "../../src/config/mod.ts";
import {
  errorOf,
  freePort,
  makeCerts,
  type PgplexProcess,
  rowsOf,
  startPgplex,
  tempDir,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { BOSS, consoleConfig, enter } from "../harness/console_served.ts";

/** A configuration as plain objects. */
type Plain = Record<string, unknown>;

const NO_SERVER = 1; // nothing listens there: settings are shown whether a server answers or not

/** The places that the table's `*` and `[]` are tried at. */
const PLACES: readonly [pattern: string, place: string][] = [
  ["auth.users.*", "auth.users.alice"],
  ["users.*", "users.alice"],
  ["routing.databases.*", "routing.databases.reports"],
  ["clusters.*.nodes[]", "clusters.main.nodes.0"],
  ["clusters.*", "clusters.main"],
];

const place = (pattern: string) => {
  const found = PLACES.find(([prefix]) => pattern.startsWith(prefix));
  return found === undefined ? pattern : found[1] + pattern.slice(found[0].length);
};

/** A copy of `config` with another value at a path. */
function withValue(config: unknown, [head, ...rest]: string[], value: unknown): unknown {
  if (head === undefined) return value;
  if (Array.isArray(config)) {
    return config.map((item, at) => String(at) === head ? withValue(item, rest, value) : item);
  }
  const record = typeof config === "object" && config !== null ? config as Plain : {};
  return { ...record, [head]: withValue(record[head], rest, value) };
}

/** Another value than the default one, for types that say what there is; others are in {@link values}. */
function another({ type, default: value }: Setting): unknown {
  switch (type.kind) {
    case "integer":
      return value.kind === "value" ? Number(value.value) + 1 : 7;
    case "duration":
      return "7s";
    case "texts":
      return type.values?.slice(1);
    case "choice":
      return type.values.find((one) => value.kind !== "value" || one !== value.value);
    case "boolean":
      return value.kind === "value" && value.value === false;
    case "size":
      return "7MB";
    default:
      return undefined;
  }
}

/** Counts lines of the log; a reload writes one. */
const reloads = (pgplex: PgplexProcess) => pgplex.log.split("configuration reloaded").length;

async function reload(pgplex: PgplexProcess, config: Plain): Promise<string> {
  const before = reloads(pgplex);
  const from = pgplex.log.length;
  await pgplex.reload(config);
  await waitFor(() => reloads(pgplex) > before, { what: "the configuration to be read again", everyMs: 5 });
  await waitFor(() => pgplex.log.endsWith("\n"), { what: "the whole line", everyMs: 5 });
  return pgplex.log.slice(from);
}

Deno.test("every setting is changed by SIGHUP, and by SET, or reported as one that needs a restart", async (t) => {
  await using dir = await tempDir();
  await using certs = await makeCerts();
  // A key goes with its certificate alone, so what changes is the name of the file.
  const copied = async (file: string) => {
    await Deno.copyFile(file, `${dir.path}/${basename(file)}`);
    return `${dir.path}/${basename(file)}`;
  };
  const [certCopy, keyCopy] = await Promise.all([
    copied(certs.server.certFile),
    copied(certs.server.keyFile),
  ]);
  const [secretFile, usersFile] = [`${dir.path}/secret`, `${dir.path}/users.txt`];
  await Deno.writeTextFile(secretFile, "a-secret-of-a-file\n");
  const [moreFile, hbaFile, identFile] = ["more.yaml", "hba", "ident"].map((name) => `${dir.path}/${name}`);
  await Deno.writeTextFile(moreFile!, "balance: {}\n");
  await Deno.writeTextFile(hbaFile!, "local all all trust\n");
  await Deno.writeTextFile(identFile!, "map name user\n");
  await Deno.writeTextFile(usersFile, '"bob" "a-secret-of-a-list"\n');
  const tls = { cert_file: certs.server.certFile, key_file: certs.server.keyFile };
  const base: Plain = {
    ...consoleConfig(NO_SERVER),
    auth: { type: "trust", users: { alice: { password: "a-secret-of-alice" } } },
    users: { alice: {} },
    routing: { databases: { reports: { cluster: "main", database: "app" } } },
    clusters: {
      main: {
        nodes: [{ name: "main-1", host: "127.0.0.1", port: NO_SERVER }],
        superuser: { user: "postgres", database: "postgres" },
      },
      other: { nodes: [{ name: "other-1", host: "127.0.0.2", port: NO_SERVER }] },
    },
  };
  const withTls = { ...base, listen: { tls } };
  const withHttp = { ...base, http: { port: freePort() } };
  const withHttpTls = { ...base, http: { port: freePort(), tls } };
  const etcd = { endpoints: ["https://127.0.0.1:1"], tls: { ca_file: certs.caFile } };
  const shared = { ...base, coordination: { etcd } };
  const withEtcd = (etcd: Plain) => withValue(shared, ["coordination", "etcd"], etcd) as Plain;
  const asUser = withEtcd({ ...etcd, user: "pgplex", password: "a-secret-of-etcd" });
  const byFile = withEtcd({ ...etcd, user: "pgplex", password_file: usersFile });
  const byEnv = withEtcd({ ...etcd, user: "pgplex", password_env: "HOME" });
  const asClient = withEtcd({ ...etcd, tls: { ...etcd.tls, ...tls } });
  const withoutPassword = withValue(base, ["auth", "users", "alice"], {}) as Plain;
  const clusterTls = { cert_file: certs.server.certFile, key_file: certs.server.keyFile };
  /** What to write, and from which file on, where it is not the base. */
  const values: Record<string, { value: unknown; from?: Plain; at?: string }> = {
    "listen.address": { value: ["127.0.0.1", "127.0.0.2"] },
    "listen.unix_socket_dir": { value: dir.path },
    "listen.tls": { value: tls },
    "listen.tls.mode": { value: "require", from: withTls },
    "listen.tls.cert_file": { value: certCopy, from: withTls },
    "listen.tls.key_file": { value: keyCopy, from: withTls },
    "listen.tls.protocols": { value: ["TLSv1.3"], from: withTls },
    "include": { value: [moreFile] },
    "instance.name": { value: "front" },
    "clusters.*.server_names": { value: ["main.example"], from: withTls },
    "http.address": { value: "127.0.0.2", from: withHttp },
    "http.port": { value: freePort(), from: withHttp },
    "http.tls.cert_file": { value: certCopy, from: withHttpTls },
    "http.tls.key_file": { value: keyCopy, from: withHttpTls },
    "http.public": { value: ["metrics"], from: withHttp },
    "http.optional_clusters": { value: ["other"], from: withHttp },
    "coordination.etcd.endpoints": { value: ["https://127.0.0.1:2"], from: shared },
    "coordination.etcd.prefix": { value: "/other/", from: shared },
    "coordination.etcd.tls.ca_file": { value: certCopy, from: shared },
    "coordination.etcd.tls.cert_file": { value: certCopy, from: asClient },
    "coordination.etcd.tls.key_file": { value: keyCopy, from: asClient },
    "coordination.etcd.user": { value: "somebody", from: asUser },
    "coordination.etcd.password": { value: "another-secret-of-etcd", from: asUser },
    "coordination.etcd.password_file": { value: secretFile, from: byFile },
    "coordination.etcd.password_env": { value: "PGPLEX_TEST_SECRET", from: byEnv },
    "coordination.lease_ttl": { value: "7s", from: shared },
    "coordination.advertise": { value: "10.0.0.1:6432", from: shared },
    "coordination.failsafe": { value: "witness", from: shared },
    "auth.hba_file": { value: hbaFile },
    "auth.ident_file": { value: identFile },
    "users": { value: { alice: {}, bob: {} } },
    "users.*": { value: { bob: {} }, at: "users" },
    "routing.databases.*.user": { value: "somebody" },
    "routing.databases.*.password": { value: "a-secret-of-somebody" },
    "routing.databases.*.auth_query": { value: "SELECT $1, 'y'" },
    "routing.databases.*.auth_database": { value: "template1" },
    "routing.databases.*.lookup_database": { value: "template1@main" },
    "auth.lookup_database": { value: "template1@main" },
    ...Object.fromEntries(
      ["pool", "users.*", "routing.databases.*", "clusters.*.pool"].map((group) => [
        `${group}.connect_query`,
        { value: "SELECT 1" },
      ]),
    ),
    "listen.tls.client_ca_file": { value: certs.caFile, from: withTls },
    "auth.type": { value: "md5" },
    "auth.users": { value: { alice: "a-secret-of-alice", carol: "a-secret-of-carol" } },
    "auth.users.*": { value: { carol: "a-secret-of-carol" }, at: "auth.users" },
    "auth.users.*.password": { value: "a-secret-of-another-kind" },
    "auth.users.*.password_file": { value: secretFile, from: withoutPassword },
    "auth.users.*.password_env": { value: "PGPLEX_TEST_SECRET", from: withoutPassword },
    "auth.users_file": { value: usersFile },
    "auth.query": { value: "SELECT $1, 'x'" },
    "routing.separator": { value: "::" },
    "routing.default_cluster": { value: "main" },
    "routing.databases": {
      value: { reports: { cluster: "main", database: "app" }, more: { cluster: "main" } },
    },
    "routing.databases.*": { value: {}, at: "routing.databases" },
    "routing.databases.*.cluster": { value: "other" },
    "routing.databases.*.database": { value: "elsewhere" },
    "clusters": { value: { ...base["clusters"] as Plain, third: { nodes: [{ name: "c", host: "h" }] } } },
    "clusters.*": { value: { main: (base["clusters"] as Plain)["main"] }, at: "clusters" },
    "clusters.*.nodes": {
      value: [{ name: "main-1", host: "127.0.0.1", port: 1 }, { name: "main-2", host: "h" }],
    },
    "clusters.*.nodes[]": {
      value: [{ name: "main-9", host: "127.0.0.1", port: 1 }],
      at: "clusters.main.nodes",
    },
    "clusters.*.nodes[].name": { value: "main-one" },
    "clusters.*.nodes[].host": { value: "localhost" },
    "clusters.*.failover": { value: "auto", from: { ...base, state_file: `${dir.path}/state` } },
    "state_file": { value: "other.state" },
    "clusters.*.superuser": { value: null },
    "clusters.*.superuser.user": { value: "root" },
    "clusters.*.superuser.password": { value: "a-secret-of-a-superuser" },
    "clusters.*.superuser.password_file": { value: secretFile },
    "clusters.*.superuser.password_env": { value: "PGPLEX_TEST_SECRET" },
    "clusters.*.superuser.database": { value: "template1" },
    "clusters.*.tls.ca_file": { value: certs.caFile },
    "clusters.*.tls.cert_file": {
      value: certCopy,
      from: withValue(base, ["clusters", "main", "tls"], clusterTls) as Plain,
    },
    "clusters.*.tls.key_file": {
      value: keyCopy,
      from: withValue(base, ["clusters", "main", "tls"], clusterTls) as Plain,
    },
    "pool.reserve_pool_size": { value: 3 },
    "console.database": { value: "management" },
    "console.aliases": { value: ["pgbouncer", "admin"] },
    "console.admin_users": { value: [BOSS, "second"] },
    "console.stats_users": { value: ["eye", "ear"] },
  };
  const env = { PGPLEX_TEST_SECRET: "a-secret-of-the-environment" };
  await using alone = await startPgplex({ config: base, env });
  await using aloneConsole = await enter(alone);
  await using other = await startPgplex({ config: shared, env });
  await using otherConsole = await enter(other);

  for (const setting of SETTINGS) {
    const { path: pattern, reload: when, type } = setting;
    const given = values[pattern];
    const value = given === undefined ? another(setting) : given.value;
    if (type.kind === "group" && given === undefined) continue; // its members are tried
    const isShared = pattern.startsWith("coordination.");
    const [pgplex, console] = isShared ? [other, otherConsole] : [alone, aloneConsole];
    const show = async (path: string) => rowsOf(await console.query(`SHOW settings.${path}`))[0]!;
    const sets = async (statement: string) => errorOf(await console.query(statement))?.["C"] ?? "done";
    await t.step(pattern, async () => {
      assert.ok(given !== undefined || value !== undefined, "this test has no value to try");
      const path = given?.at ?? place(pattern);
      const from = given?.from ?? base;
      await reload(pgplex, from);
      const single = !["group", "map", "list"].includes(type.kind);
      const old = single ? (await show(path))[1] : null;
      const said = await reload(pgplex, withValue(from, path.split("."), value) as Plain);
      // Another name makes another node, so the whole list is named.
      const named = pattern === "clusters.*.nodes[].name"
        ? "clusters.main.nodes"
        : path.replace(/\.(\d+)/, "[$1]");
      assert.ok(
        said.includes(named) || said.includes(place(pattern)),
        `the log does not name ${named}: ${said}`,
      );
      if (!single) return;
      const text = type.kind === "secret" ? "***" : Array.isArray(value) ? value.join(", ") : String(value);
      const [, shown, source, changeable, pending] = await show(path);
      if (when === "restart") {
        assert.match(said, /take effect at the next start/);
        assert.deepEqual([shown, changeable, pending], [old, "restart", text]);
        assert.equal(await sets(`SET settings.${path} = 'x'`), "55P02");
        return;
      }
      assert.deepEqual([shown, source, pending], [text, "file", null]);
      await reload(pgplex, from);
      const list = (Array.isArray(value) ? value : [value]).map((one) =>
        `'${String(one).replaceAll("'", "''")}'`
      );
      if (changeable === "file") return assert.equal(await sets(`SET settings.${path} = ${list}`), "55P02");
      assert.equal(changeable, "live");
      assert.equal(await sets(`SET settings.${path} = ${list}`), "done");
      assert.deepEqual((await show(path)).slice(1, 3), [text, "SET"]);
      await reload(pgplex, from); // a SET holds over a reload
      assert.deepEqual((await show(path)).slice(1, 3), [text, "SET"]);
      assert.equal(await sets(`RESET settings.${path}`), "done");
      assert.equal((await show(path))[1], old);
    });
  }
  for (const { log } of [alone, other]) assert.doesNotMatch(log, /internal error|a-secret/);
});

Deno.test("a file that is refused changes nothing, and RELOAD says why", async () => {
  await using pgplex = await startPgplex({ config: consoleConfig(NO_SERVER) });
  await using console = await enter(pgplex);
  const reloaded = async (config: Plain | string) => {
    if (typeof config !== "string") await reload(pgplex, config);
    else await Deno.writeTextFile(pgplex.configPath, config);
    return errorOf(await console.query("RELOAD"));
  };
  const size = async () => rowsOf(await console.query("SHOW default_pool_size"))[0]!.slice(1, 3).join(" ");
  assert.equal(await reloaded({ ...consoleConfig(NO_SERVER), pool: { default_pool_size: 5 } }), null);
  assert.equal(await size(), "5 file");
  const bad = await reloaded(
    "pool:\n  default_pool_size: many\nclusters: { main: { nodes: [{ name: a, host: h }] } }\n",
  );
  assert.equal(bad!["C"], "F0000");
  assert.match(
    bad!["D"]!,
    /pgplex\.yaml:2:22: Cannot use pool\.default_pool_size as it must be a whole number/,
  );
  assert.equal(await size(), "5 file");
  assert.equal(errorOf(await console.query("SET min_pool_size = 5")), null);
  const clash = await reloaded(
    `listen: { port: ${pgplex.port} }\npool: { default_pool_size: 3 }\nclusters: { main: { nodes: [{ name: a, host: h }] } }\n`,
  );
  assert.equal(clash!["C"], "F0000");
  assert.match(clash!["D"]!, /pool\.min_pool_size as it must be at most default_pool_size 3: received 5/);
  assert.match(clash!["H"]!, /RESET pool\.min_pool_size/);
  assert.equal(await size(), "5 file");
  assert.equal(errorOf(await console.query("RESET ALL")), null);
  assert.equal(errorOf(await console.query("SET console.aliases = other")), null);
  await using _other = await WireClient.connect(pgplex, { user: BOSS!, database: "other" });
});
