import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { clientSockets } from "./client_sockets.ts";
import type { ShownSocket } from "./socket_row.ts";

const brief = (shown: readonly ShownSocket[], ...keys: (keyof ShownSocket)[]) =>
  shown.map((one) => keys.map((key) => one[key]));

Deno.test("clientSockets has sessions, replication and clients of the console, in the order of their ids", () => {
  const fake = new FakeParts();
  fake.addClient(3);
  fake.addReplication(2);
  fake.addSession(1, fake.addPool({ cluster: "other", database: "sales", alias: "reports" }));
  deepEqual(brief(clientSockets(fake.parts), "id", "user", "database", "replication", "addr", "port"), [
    [1, "alice", "reports", "none", "client", 1001],
    [2, "replicator", "app", "physical", "standby", 2000],
    [3, "admin", fake.live.config.console.database, "none", "desk", 3000],
  ]);
});

Deno.test("clientSockets says what a session does, for how long, and which server it has", () => {
  const fake = new FakeParts();
  const pool = fake.addPool();
  const server = fakeServer(9);
  fake.clock.advance(5000);
  fake.addSession(1, pool, { waiting: true, waitingSinceMs: 3000 });
  fake.addSession(2, pool, { server, held: server });
  fake.addSession(3, pool, { held: server });
  fake.addSession(4, pool);
  deepEqual(brief(clientSockets(fake.parts), "state", "socketState", "waitMs", "link", "busy"), [
    ["waiting", "cl_waiting", 2000, "", true],
    ["active", "cl_active", 0, "S9", false],
    ["idle", "cl_active", 0, "S9", false],
    ["idle", "cl_active", 0, "", false],
  ]);
});

Deno.test("clientSockets shows a command of the console that waits", () => {
  const fake = new FakeParts();
  fake.clock.advance(700);
  const peer = { host: "desk", port: 1, localHost: "here", localPort: 6432 };
  fake.addClient(1, { command: "PAUSE", requestMs: 200, tag: "ops", peer });
  fake.addClient(2);
  deepEqual(brief(clientSockets(fake.parts), "state", "waitMs", "busy", "tag", "localAddr", "localPort"), [
    ["active", 500, true, "ops", "here", 6432],
    ["idle", 0, false, "", null, 0],
  ]);
});

Deno.test("clientSockets shows a replication client that waits for its place", () => {
  const fake = new FakeParts();
  fake.clock.advance(700);
  fake.addReplication(1, { waits: true });
  const keys = ["state", "socketState", "waitMs", "link", "applicationName", "node"] as const;
  deepEqual(brief(clientSockets(fake.parts), ...keys), [["waiting", "cl_waiting", 695, "", "", null]]);
});
