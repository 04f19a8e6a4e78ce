import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { pgbouncerKey } from "./pgbouncer_keys.ts";

Deno.test("pgbouncerKey knows keys of PgBouncer that have no setting of their name", () => {
  deepEqual(pgbouncerKey("Verbose", "2"), { kind: "setting", path: ["log", "level"], value: "debug" });
  deepEqual(pgbouncerKey("verbose", "0"), { kind: "setting", path: ["log", "level"], value: "info" });
  deepEqual(pgbouncerKey("server_check_delay", "10"), {
    kind: "none",
    why: "not needed, as server_check_query",
  });
  equal(pgbouncerKey("auth_user", "x"), null);
  equal(pgbouncerKey("nonsense", "1"), null);
});
