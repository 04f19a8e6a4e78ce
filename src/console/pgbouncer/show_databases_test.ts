import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { showDatabases } from "./show_databases.ts";

/** Rows of SHOW DATABASES as objects. */
function shown(fake: FakeParts): Record<string, unknown>[] {
  const { columns, rows } = showDatabases(fake.parts);
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])));
}

Deno.test("showDatabases shows where a database is, its limits, and how much of them is used", () => {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { total: 3 });
  fake.addPool({ user: "bob" }, { total: 2 });
  fake.addSession(1, pool);
  fake.addReplication(2, { name: "app" });
  fake.listeners.push({ destination: pool.destination, connection: fakeServer(1) });
  fake.listeners.push({ destination: pool.destination, connection: null });
  fake.live.set(["pool", "default_pool_size"], 7);
  fake.control.setDisabled("app", true);
  const [app] = shown(fake);
  deepEqual(
    [app!["name"], app!["host"], app!["port"], app!["database"], app!["cluster"]],
    ["app", "ten", 5433, "app", "main"],
  );
  deepEqual([app!["pool_size"], app!["current_connections"], app!["current_client_connections"]], [7, 6, 2]);
  deepEqual([app!["paused"], app!["disabled"]], [0, 1]);
});

Deno.test("showDatabases shows an alias that nobody uses, without the directory of a socket", () => {
  const fake = new FakeParts();
  fake.control.setPaused("reports", true);
  const [reports] = shown(fake);
  deepEqual(
    [reports!["name"], reports!["host"], reports!["port"], reports!["database"], reports!["paused"]],
    ["reports", null, 5432, "sales", 1],
  );
});

Deno.test("showDatabases ends with the console itself", () => {
  const fake = new FakeParts();
  fake.addClient(1);
  fake.addClient(2);
  const last = shown(fake).at(-1)!;
  deepEqual(
    [last["name"], last["port"], last["pool_mode"], last["current_client_connections"], last["cluster"]],
    [fake.live.config.console.database, 6432, "statement", 2, null],
  );
});
