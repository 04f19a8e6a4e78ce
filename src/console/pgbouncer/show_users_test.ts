import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showUsers, userNames } from "./show_users.ts";

Deno.test("userNames has those of the configuration, and whoever has a pool or a client", () => {
  const fake = new FakeParts();
  deepEqual(userNames(fake.parts), ["alice"]);
  const pool = fake.addPool({ user: "zoe" });
  fake.addSession(1, pool, { facts: { user: "bob" } });
  fake.addReplication(2);
  fake.addClient(3);
  deepEqual(userNames(fake.parts), ["admin", "alice", "bob", "replicator", "zoe"]);
});

Deno.test("showUsers counts each user's connections on both sides", () => {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { total: 2 });
  fake.addPool({ database: "other" }, { total: 1 });
  fake.addSession(1, pool);
  fake.addReplication(2, { user: "alice" });
  const { columns, rows } = showUsers(fake.parts);
  const of = (column: string) => rows[0]![columns.findIndex(({ name }) => name === column)];
  deepEqual([of("name"), of("current_connections"), of("current_client_connections")], ["alice", 4, 2]);
});

Deno.test("showUsers has what the configuration says of single users, and is empty where it says nothing", () => {
  const fake = new FakeParts(`clusters: { main: { nodes: [{ name: n1, host: h1 }] } }
users: { one: { default_pool_size: 3, pool_mode: session, max_user_client_connections: 2 }, two: {} }
`);
  const { columns, rows } = showUsers(fake.parts);
  const of = (row: number, column: string) => rows[row]![columns.findIndex(({ name }) => name === column)];
  const shown = ["name", "pool_size", "pool_mode", "max_user_client_connections"];
  deepEqual(shown.map((column) => of(0, column)), ["one", "3", "session", 2]);
  deepEqual(shown.map((column) => of(1, column)), ["two", "", null, 0]);
});
