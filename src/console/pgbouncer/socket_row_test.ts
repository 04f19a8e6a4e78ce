import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { pointer, type ShownSocket, SOCKET_COLUMNS, socketRow } from "./socket_row.ts";

const SHOWN: ShownSocket = {
  type: "C",
  user: "u",
  database: "d",
  replication: "none",
  state: "waiting",
  socketState: "cl_waiting",
  addr: "client",
  port: 1,
  localAddr: null,
  localPort: 2,
  connectMs: 1000,
  requestMs: 61_000,
  waitMs: 1250,
  closeNeeded: true,
  ptr: "C1",
  link: "S2",
  remotePid: 3,
  tls: "",
  applicationName: "psql",
  preparedStatements: 4,
  id: 5,
  busy: true,
  node: "main-1",
  tag: "t",
};

Deno.test("socketRow has a cell for each of SOCKET_COLUMNS, times as PgBouncer writes them", () => {
  const row = socketRow(new FakeParts().parts, SHOWN);
  equal(row.length, SOCKET_COLUMNS.length);
  const shown = Object.fromEntries(SOCKET_COLUMNS.map(({ name }, index) => [name, row[index]]));
  deepEqual([shown["state"], shown["wait"], shown["wait_us"], shown["close_needed"]], [
    "waiting",
    1,
    250_000,
    1,
  ]);
  deepEqual(
    [shown["connect_time"], shown["request_time"]],
    ["2023-11-14 22:13:21 UTC", "2023-11-14 22:14:21 UTC"],
  );
  deepEqual([shown["ptr"], shown["link"], shown["remote_pid"], shown["id"]], ["C1", "S2", 3, 5]);
});

Deno.test("pointer tells a client from a server with the same id", () => {
  deepEqual([pointer("C", 1), pointer("S", 1)], ["C1", "S1"]);
});
