import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { showLists } from "./show_lists.ts";

Deno.test("showLists counts databases, users, pools, clients and servers", () => {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { total: 4 });
  fake.addPool({ node: 1 }, { total: 1 });
  fake.addSession(1, pool);
  fake.addReplication(2);
  fake.addClient(3);
  fake.listeners.push({ connection: fakeServer(1) }, { connection: null });
  const lists = Object.fromEntries(
    (showLists(fake.parts).rows as [string, number][]).filter(([, items]) => items > 0),
  );
  deepEqual(lists, {
    databases: 3, // app, reports and the console
    users: 3, // alice, replicator, admin
    pools: 2,
    used_clients: 3,
    used_servers: 7,
  });
});
