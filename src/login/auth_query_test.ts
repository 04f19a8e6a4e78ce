import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { md5Secret, parseSecret } from "../auth/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Back, encodeBack, encodeError } from "../protocol/mod.ts";
import { until } from "../servers/fake_cluster_test.ts";
import { lookUpSecret } from "./auth_query.ts";
import { FakeDoor, FakeWorker, TRUST } from "./fake_worker_test.ts";

const MD5 = `md5${md5Secret("alice", "hunter2").hex}`;

/** A DataRow of these values. */
function row(...values: (string | null)[]): Uint8Array {
  const body: number[] = [0, values.length];
  for (const value of values) {
    if (value === null) body.push(255, 255, 255, 255);
    else body.push(0, 0, 0, value.length, ...new TextEncoder().encode(value));
  }
  return encodeBack(Back.DataRow, Uint8Array.from(body));
}

/** A worker with this `auth.query`, whose servers answer it so. */
function rig({ query = "true", type = "scram-sha-256", rest = "", rows = [row("alice", MD5)] } = {}) {
  const worker = new FakeWorker(`${TRUST}auth: { type: ${type}, query: ${query} }\n${rest}`);
  const { cluster } = worker;
  cluster.answer = () => rows.length === 0 ? new Uint8Array(0) : rows[0]!;
  return {
    worker,
    cluster,
    look: (user = "alice", database = "app") => lookUpSecret(worker, user, database),
  };
}

Deno.test("lookUpSecret asks PostgreSQL's catalogue as the superuser, with the user's name as a parameter", async () => {
  const { worker, cluster, look } = rig();
  deepEqual(await look(), parseSecret(MD5));
  const [{ host, params, asked, stream }] = cluster.servers as [typeof cluster.servers[0]];
  deepEqual([host, [...params]], ["h1", [["user", "postgres"], ["database", "postgres"]]]);
  ok(asked[0]!.includes("pg_catalog.pg_authid WHERE rolname = $1"));
  ok(new TextDecoder().decode(stream.taken()).includes("\0\0\0\x05alice"));
  deepEqual(await look(), parseSecret(MD5));
  equal(cluster.servers.length, 1, "the connection is kept");
  await worker.end();
});

Deno.test("lookUpSecret takes the only column of SQL of one's own, or the second of several", async () => {
  for (const values of [[MD5], ["alice", MD5], ["alice", MD5, "more"]]) {
    const { worker, cluster, look } = rig({
      query: '"SELECT secret FROM users WHERE name = $1"',
      rows: [row(...values)],
    });
    deepEqual(await look(), parseSecret(MD5));
    deepEqual(cluster.servers[0]!.asked, ["SELECT secret FROM users WHERE name = $1"]);
    await worker.end();
  }
});

Deno.test("lookUpSecret knows no user without a row, and one without a password by an empty one, which opens nothing", async () => {
  for (const rows of [[], [row("alice", null)], [row(null)]]) {
    const { worker, look } = rig({ rows });
    deepEqual(await look(), rows.length === 0 ? null : parseSecret(""));
    await worker.end();
  }
});

Deno.test("lookUpSecret asks nobody where auth.query is off", async () => {
  const { worker, cluster, look } = rig({ query: "null" });
  equal(await look(), null);
  deepEqual(cluster.logins, []);
  await worker.end();
});

Deno.test("lookUpSecret asks the cluster of the database, and the first one for a name that leads nowhere", async () => {
  const { worker, cluster, look } = rig();
  await look("alice", "app@other");
  await look("alice", "app@nowhere");
  deepEqual(cluster.logins.map(({ host }) => host), ["h2", "h1"]);
  await worker.end();
});

Deno.test("lookUpSecret cannot ask a cluster on which pgplex has no superuser", async () => {
  const worker = new FakeWorker(
    `${
      TRUST.replace("host: h2 }]", "host: h2 }], superuser: null")
    }auth: { type: scram-sha-256, query: true }\n`,
  );
  await rejects(lookUpSecret(worker, "alice", "app@other"), { code: "server_unreachable" });
  deepEqual(worker.log.of("warning"), ["auth.query needs clusters.*.superuser"]);
  deepEqual(worker.cluster.logins, []);
});

Deno.test("lookUpSecret asks for the console's users on the default cluster, and nowhere without one", async () => {
  const { worker, cluster, look } = rig();
  worker.console = new FakeDoor();
  deepEqual(await look("alice", "pgplex"), parseSecret(MD5));
  const without = TRUST.replace("routing: { default_cluster: main }", "");
  const none = new FakeWorker(
    `${without}auth: { type: scram-sha-256, query: true }\nconsole: { admin_users: [boss] }\n`,
  );
  none.console = new FakeDoor();
  equal(await lookUpSecret(none, "alice", "pgplex"), null);
  await rejects(lookUpSecret(none, "boss", "pgplex"), { code: "server_unreachable" });
  deepEqual([cluster.logins.length, none.cluster.logins.length], [1, 0]);
  await worker.end();
});

Deno.test("lookUpSecret asks in the database that lookup_database names, for the console's users too", async () => {
  const databases =
    "routing: { databases: { app: { cluster: main, lookup_database: users@other }, own: { cluster: main, auth_database: here }";
  const worker = new FakeWorker(
    `${
      TRUST.replace("routing: { default_cluster: main }", `${databases}, plain: { cluster: main } } }`)
    }auth: { type: scram-sha-256, query: true, lookup_database: all@main }\n`,
  );
  worker.cluster.answer = () => row("alice", MD5);
  worker.console = new FakeDoor();
  for (const name of ["app", "own", "plain", "x@other", "pgplex"]) {
    deepEqual(await lookUpSecret(worker, "alice", name), parseSecret(MD5), name);
  }
  const asked = worker.cluster.servers.map(({ host, params }) => [host, params.get("database")]);
  deepEqual(asked, [["h2", "users"], ["h1", "here"], ["h1", "all"]]);
  await worker.end();
});

Deno.test("lookUpSecret refuses everybody whose lookup_database leads nowhere, is the console, or is disabled", async () => {
  for (
    const [name, reason] of [["nowhere", "it leads nowhere"], ["pgplex", "it is the console"], [
      "users@main",
      "it is disabled",
    ]] as const
  ) {
    const routing = "routing: { databases: { app: { cluster: main } } }";
    const worker = new FakeWorker(
      `${
        TRUST.replace("routing: { default_cluster: main }", routing)
      }auth: { type: scram-sha-256, query: true, lookup_database: ${name} }\n`,
    );
    worker.console = new FakeDoor();
    worker.pools.control.setDisabled("users@main", true);
    for (const database of ["app", "pgplex"]) {
      await rejects(lookUpSecret(worker, "alice", database), { code: "server_unreachable" });
    }
    deepEqual(worker.log.lines.at(-1), {
      level: "error",
      message: "auth.query cannot be asked",
      fields: { lookup_database: name, reason },
    });
    deepEqual(worker.cluster.logins, []);
    await worker.end();
  }
});

Deno.test("lookUpSecret takes a query that fails for an unknown user, and tells the log alone", async () => {
  const { worker, cluster, look } = rig();
  cluster.answer = () => encodeError("ERROR", new PgplexError("internal", "permission denied"));
  equal(await look(), null);
  deepEqual(worker.log.lines.filter(({ level }) => level === "error"), [{
    level: "error",
    message: "auth.query failed",
    fields: { cluster: "main", error: "permission denied" },
  }]);
  await worker.end();
});

Deno.test("lookUpSecret refuses everybody alike where the cluster takes no login", async () => {
  const { worker, cluster, look } = rig();
  cluster.login = { sqlstate: "28P01" };
  for (const user of ["alice", "nobody"]) {
    await rejects(look(user), {
      code: "server_unreachable",
      message: "the server cannot be asked who may log in",
    });
  }
  await worker.end();
});

Deno.test("lookUpSecret refuses where no connection is free within query_wait_timeout", async () => {
  const { worker, cluster, look } = rig({ rest: "pool: { query_wait_timeout: 1s }\n" });
  cluster.login = "says nothing";
  const looked = look();
  await until(() => cluster.logins.length === 1);
  worker.pools.tick(1000);
  await rejects(looked, { code: "server_unreachable" });
  await worker.end();
});

Deno.test("lookUpSecret asks another connection where an idle one has ended unseen, and gives up on a new one", async () => {
  const { worker, cluster, look } = rig();
  await look();
  let lost = 0;
  cluster.answer = () => {
    if (lost > 0) return row("alice", MD5);
    cluster.servers[lost++]!.stream.end();
    return new Uint8Array(0);
  };
  deepEqual(await look(), parseSecret(MD5));
  equal(cluster.servers.length, 2);
  const fresh = rig();
  fresh.cluster.answer = () => {
    fresh.cluster.servers.at(-1)!.stream.end();
    return new Uint8Array(0);
  };
  await rejects(fresh.look(), { code: "server_unreachable" });
  equal(fresh.cluster.servers.length, 1);
  await worker.end();
  await fresh.worker.end();
});
