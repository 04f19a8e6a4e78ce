import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showPins } from "./show_pins.ts";

Deno.test("showPins has the sessions that are pinned, why, since when and by which statement", () => {
  const fake = new FakeParts();
  const pool = fake.addPool();
  fake.addSession(2, pool, {
    pins: ["temp table", "cursor"],
    pinned: { sinceMs: 60_000, statement: "create temp table \xc3\xa9" },
  });
  fake.addSession(3, pool);
  fake.addSession(1, pool, { pins: ["LISTEN"], pinned: { sinceMs: 0, statement: null } });
  deepEqual(showPins(fake.parts).rows, [
    [1, "alice", "app", "LISTEN", "2023-11-14 22:13:20 UTC", null],
    [2, "alice", "app", "temp table, cursor", "2023-11-14 22:14:20 UTC", "create temp table é"],
  ]);
});
