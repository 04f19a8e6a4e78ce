import { doesNotThrow, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Session } from "../session/mod.ts";
import { checkConsoleShare, checkEnabled, checkRoom, checkShare, inTurn } from "./admission.ts";
import { FakeDoor, FakeWorker, TRUST } from "./fake_worker_test.ts";
import type { ReplicationClient } from "./replication_client.ts";

Deno.test("checkRoom counts sessions and replication connections against max_client_conn", () => {
  const worker = new FakeWorker(`${TRUST}listen: { max_client_conn: 2 }\n`);
  checkRoom(worker);
  worker.sessions.add({} as Session);
  doesNotThrow(() => checkRoom(worker));
  worker.replications.add({} as ReplicationClient);
  throws(() => checkRoom(worker), {
    code: "too_many_clients",
    sqlstate: "53300",
    message: "sorry, too many clients already",
  });
  worker.sessions.clear();
  doesNotThrow(() => checkRoom(worker));
});

Deno.test("checkEnabled refuses a disabled database under each of its names, by the name that was given", () => {
  const worker = new FakeWorker(
    TRUST.replace("default_cluster: main", "default_cluster: main, databases: { shop: { cluster: main } }"),
  );
  const app = { cluster: "main", database: "app", alias: null };
  const shop = { cluster: "main", database: "shop", alias: "shop" };
  worker.pools.control.setDisabled("app", true);
  for (const asked of ["app", "app@main"]) {
    throws(() => checkEnabled(worker, app, asked), {
      code: "database_disabled",
      message: `database "${asked}" is not currently accepting connections`,
    });
  }
  doesNotThrow(() => checkEnabled(worker, shop, "shop"));
  worker.pools.control.setDisabled("shop", true);
  throws(() => checkEnabled(worker, shop, "shop"), { code: "database_disabled" });
  doesNotThrow(() => checkEnabled(worker, { ...shop, alias: null }, "shop@main"));
});

Deno.test("checkShare counts the clients of a database and of a user against their limits", () => {
  const worker = new FakeWorker(`${TRUST}pool: { max_db_client_connections: 2 }
users: { alice: { max_user_client_connections: 1 } }
`);
  const route = { cluster: "main", database: "app", alias: null };
  const enter = (user: string, database = "app") => {
    const key = { cluster: "main", database, user, alias: null, purpose: "clients" };
    worker.sessions.add({ destination: { key }, facts: { user } } as unknown as Session);
  };
  checkShare(worker, route, "alice");
  enter("alice");
  throws(() => checkShare(worker, { ...route, database: "other" }, "alice"), {
    code: "too_many_clients",
    message: 'too many connections for role "alice" (max_user_client_connections)',
  });
  checkShare(worker, route, "bob");
  enter("bob");
  throws(() => checkShare(worker, route, "carol"), {
    code: "too_many_clients",
    message: 'too many connections for database "app" (max_db_client_connections)',
  });
  checkShare(worker, { ...route, database: "other" }, "carol");
});

Deno.test("checkConsoleShare and checkShare count a user's clients of the console and of databases together", () => {
  const worker = new FakeWorker(
    `${TRUST}pool: { max_db_client_connections: 3, max_user_client_connections: 2 }\n`,
  );
  const key = { cluster: "main", database: "app", user: "alice", alias: null, purpose: "clients" };
  worker.sessions.add({ destination: { key }, facts: { user: "alice" } } as unknown as Session);
  const enter = (inDatabase: number, asUser: number) =>
    checkConsoleShare(worker, { database: "pgplex", user: "alice", inDatabase, asUser });
  enter(2, 0);
  throws(() => enter(3, 0), {
    message: 'too many connections for database "pgplex" (max_db_client_connections)',
  });
  throws(() => enter(2, 1), {
    message: 'too many connections for role "alice" (max_user_client_connections)',
  });
  const door = new FakeDoor();
  worker.console = door;
  const route = { cluster: "main", database: "app", alias: null };
  checkShare(worker, route, "alice");
  door.clientsOf = () => 1;
  throws(() => checkShare(worker, route, "alice"), { code: "too_many_clients" });
});

Deno.test("checkRoom and checkShare count nobody whose client has left, though it gives its server connection back yet", () => {
  const worker = new FakeWorker(
    `${TRUST}listen: { max_client_conn: 1 }\npool: { max_db_client_connections: 1, max_user_client_connections: 1 }\n`,
  );
  const destination = worker.pools.get(
    { cluster: "main", database: "app", alias: null, user: "alice", purpose: "clients" },
    NO_CREDENTIALS,
  );
  const session = { destination, facts: { user: "alice" }, ending: false };
  worker.sessions.add(session as unknown as Session);
  const check = [
    () => checkRoom(worker),
    () => checkShare(worker, { cluster: "main", database: "app", alias: null }, "bob"),
    () => checkShare(worker, { cluster: "main", database: "other", alias: null }, "alice"),
  ];
  for (const each of check) throws(each, { code: "too_many_clients" });
  session.ending = true;
  worker.counters.sessionsLeft++;
  for (const each of check) doesNotThrow(each);
});

Deno.test("inTurn looks again in the next turns where there is no room, and a few times only", async () => {
  const worker = new FakeWorker();
  const full = new PgplexError("too_many_clients", "full");
  let asked = 0;
  const admit = (freeAt: number, error = full) => () => {
    if (++asked < freeAt) throw error;
    return asked;
  };
  equal(await inTurn(worker, admit(3)), 3);
  asked = 0;
  await rejects(inTurn(worker, admit(Infinity)), { message: "full" });
  equal(asked, 5);
  asked = 0;
  const other = new PgplexError("database_disabled", "no");
  await rejects(inTurn(worker, admit(2, other)), { message: "no" });
  equal(asked, 1);
});
