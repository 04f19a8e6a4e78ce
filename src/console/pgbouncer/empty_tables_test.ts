import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { EMPTY_TABLES, emptyTable } from "./empty_tables.ts";

Deno.test("emptyTable has PgBouncer's columns and no rows", () => {
  deepEqual(EMPTY_TABLES, ["PEERS", "PEER_POOLS", "DNS_HOSTS", "DNS_ZONES"]);
  for (const name of EMPTY_TABLES) deepEqual(emptyTable(name).rows, []);
  deepEqual(emptyTable("DNS_ZONES").columns.map(({ name, type }) => [name, type]), [
    ["zonename", "text"],
    ["serial", "int8"],
    ["count", "int4"],
  ]);
});
