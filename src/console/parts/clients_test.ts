import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { clientsByDatabase, clientState, databaseOf } from "./clients.ts";
import { FakeParts, fakeServer } from "./fake_parts_test.ts";

Deno.test("clientsByDatabase counts sessions and replication under the console's name of the database", () => {
  const fake = new FakeParts();
  const app = fake.addPool();
  const reports = fake.addPool({ cluster: "other", database: "sales", alias: "reports" });
  fake.addSession(1, app);
  fake.addSession(2, app);
  const third = fake.addSession(3, reports);
  fake.addReplication(4, { name: "app" });
  deepEqual([...clientsByDatabase(fake.parts)], [["app", 3], ["reports", 1]]);
  equal(databaseOf(fake.parts, third), "reports");
});

Deno.test("clientState is PgBouncer's word for what a session does", () => {
  const fake = new FakeParts();
  const pool = fake.addPool();
  equal(clientState(fake.addSession(1, pool)), "idle");
  equal(clientState(fake.addSession(2, pool, { server: fakeServer(9) })), "active");
  equal(clientState(fake.addSession(3, pool, { waiting: true })), "waiting");
});
