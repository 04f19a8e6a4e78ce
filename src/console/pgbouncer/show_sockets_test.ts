import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { Table } from "../answer/mod.ts";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { showClients, showServers, showSockets } from "./show_sockets.ts";

const cells = ({ columns, rows }: Table, ...names: string[]) =>
  rows.map((row) => names.map((name) => row[columns.findIndex((column) => column.name === name)]));

function connected(): FakeParts {
  const fake = new FakeParts();
  const idle = { connection: fakeServer(2) };
  const pool = fake.addPool({}, { idle: () => [idle], resources: () => [idle] });
  fake.addSession(1, pool, { waiting: true });
  fake.addClient(3, { tag: "ops" });
  return fake;
}

Deno.test("showClients has the clients and their tags, showServers the servers", () => {
  const { parts } = connected();
  deepEqual(cells(showClients(parts), "type", "id", "state", "tag"), [
    ["C", 1, "waiting", ""],
    ["C", 3, "idle", "ops"],
  ]);
  deepEqual(cells(showServers(parts), "type", "id", "state"), [["S", 2, "idle"]]);
  equal(showServers(parts).columns.some(({ name }) => name === "tag"), false);
});

Deno.test("showSockets has both, with the states of sockets and positions that are 0", () => {
  const { parts } = connected();
  const all = showSockets(parts, false);
  deepEqual(cells(all, "id", "state", "recv_pos", "send_avail"), [
    [1, "cl_waiting", 0, 0],
    [3, "cl_active", 0, 0],
    [2, "sv_idle", 0, 0],
  ]);
  const numbers = all.columns.filter(({ type }) => type === "int4").map(({ name }) => name);
  deepEqual(
    numbers.slice(0, 8).join(),
    "port,local_port,wait,wait_us,close_needed,remote_pid,prepared_statements,id",
  );
  equal(numbers.length, 8 + 7); // with the positions
  for (const row of all.rows) equal(row.length, all.columns.length);
  deepEqual(cells(showSockets(parts, true), "id"), [[1]]);
});
