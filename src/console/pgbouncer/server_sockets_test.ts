import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { serverSockets } from "./server_sockets.ts";
import type { ShownSocket } from "./socket_row.ts";

const brief = (shown: readonly ShownSocket[], ...keys: (keyof ShownSocket)[]) =>
  shown.map((one) => keys.map((key) => one[key]));

Deno.test("serverSockets tells idle server connections from those that sessions use or are restored for", () => {
  const fake = new FakeParts();
  const servers = [1, 2, 3].map((id) => ({ connection: fakeServer(id) }));
  const pool = fake.addPool({}, {
    idle: () => [servers[0]],
    resources: () => servers,
    mustEnd: (server: unknown) => server === servers[1] || server === servers[0],
  });
  const { connection } = servers[1]!;
  fake.addSession(8, pool, { server: connection, held: connection, requestMs: 77 });
  deepEqual(
    brief(
      serverSockets(fake.parts),
      "id",
      "state",
      "socketState",
      "link",
      "closeNeeded",
      "requestMs",
      "busy",
    ),
    [
      [1, "idle", "sv_idle", "", false, 0, false],
      [2, "active", "sv_active", "C8", true, 77, true],
      [3, "tested", "sv_tested", "", false, 0, true],
    ],
  );
  deepEqual(brief(serverSockets(fake.parts).slice(0, 1), "addr", "port", "remotePid", "database"), [
    ["ten", 5433, 501, "app"],
  ]);
});

Deno.test("serverSockets has logins under way, with the node they go to", () => {
  const fake = new FakeParts();
  const pool = fake.addPool({ node: 1 }, { paused: true });
  pool.logins.set(4, 100);
  fake.clock.advance(350);
  deepEqual(brief(serverSockets(fake.parts), "id", "state", "addr", "waitMs", "closeNeeded"), [
    [4, "new", "eleven", 250, true],
  ]);
});

Deno.test("serverSockets has shared listeners and replication, in the order of their ids", () => {
  const fake = new FakeParts();
  const { destination } = fake.addPool();
  fake.addReplication(7);
  fake.listeners.push(
    { destination, connection: fakeServer(6), channels: [{}] },
    { destination, connection: fakeServer(5), channels: [] },
    { destination, connection: null, channels: [{}] },
  );
  deepEqual(brief(serverSockets(fake.parts), "id", "type", "state", "link", "replication", "remotePid"), [
    [5, "S", "idle", "", "none", 505],
    [6, "S", "active", "", "none", 506],
    [7, "S", "active", "C7", "physical", 700],
  ]);
});
