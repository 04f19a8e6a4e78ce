import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { showPools } from "./show_pools.ts";

/** Rows of SHOW POOLS as objects without what is 0, null or empty. */
function shown(fake: FakeParts): Record<string, unknown>[] {
  const { columns, rows } = showPools(fake.parts);
  return rows.map((row) =>
    Object.fromEntries(columns.map(({ name }, index) => [name, row[index]]).filter(([, value]) => value))
  );
}

Deno.test("showPools has one row for the pools of a database and user at all nodes", () => {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { leasedCount: 3, idleCount: 1, openingCount: 1 });
  fake.addPool({ node: 1 }, { leasedCount: 1, idleCount: 2 });
  Object.assign(pool.destination, { waitedMs: () => 2345, paused: true });
  fake.addSession(1, pool, { server: fakeServer(1) });
  fake.addSession(2, pool, { waiting: true });
  fake.addSession(3, pool, { pins: ["temp"] });
  deepEqual(shown(fake)[0], {
    database: "app",
    user: "alice",
    cl_active: 2,
    cl_waiting: 1,
    sv_active: 1,
    sv_idle: 3,
    sv_tested: 3,
    sv_login: 1,
    maxwait: 2,
    maxwait_us: 345_000,
    pool_mode: "transaction",
    cl_pinned: 1,
    cluster: "main",
    paused: 1,
  });
});

Deno.test("showPools tells a server that is being canceled from one that is asked to", () => {
  const fake = new FakeParts();
  const pool = fake.addPool();
  fake.addSession(1, pool, { server: fakeServer(1), cancelCount: 2 });
  fake.addSession(2, pool, { server: fakeServer(2, { owed: { settled: false } }), cancelCount: 1 });
  const [row] = shown(fake);
  deepEqual([row!["cl_active_cancel_req"], row!["sv_active_cancel"], row!["sv_being_canceled"]], [3, 3, 1]);
});

Deno.test("showPools is in the order of databases, then users, and ends with the console", () => {
  const fake = new FakeParts();
  fake.addPool({ cluster: "other", database: "sales", alias: "reports" });
  fake.addPool({ user: "bob" });
  fake.addPool({ user: "alice" });
  fake.addClient(1);
  const console = fake.live.config.console.database;
  const rows = shown(fake);
  deepEqual(rows.map(({ database, user }) => [database, user]), [
    ["app", "alice"],
    ["app", "bob"],
    ["reports", "alice"],
    [console, console],
  ]);
  deepEqual(rows.at(-1)!["cl_active"], 1);
});

Deno.test("showPools counts replication connections, and those that wait for their place", () => {
  const fake = new FakeParts();
  fake.addPool({ user: "replicator" });
  fake.addReplication(1);
  fake.addReplication(2, { waits: true });
  const [row] = shown(fake);
  deepEqual([row!["cl_active"], row!["cl_waiting"], row!["sv_active"], row!["sv_tested"]], [
    1,
    1,
    1,
    undefined,
  ]);
});
