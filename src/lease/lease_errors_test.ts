import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { lostBy, sessionOver, settingsLost, stateLost } from "./lease_errors.ts";

Deno.test("settingsLost names each setting, and keeps the server's SQLSTATE and text", () => {
  const error = new PgplexError("internal", 'role "r" does not exist', { sqlstate: "22023" });
  const { message, sqlstate, extra } = settingsLost([{ name: "role", error }, {
    name: "my.r\xc3\xb4le",
    error,
  }]);
  equal(message, `the session's role, my.r\u00f4le cannot be restored: role "r" does not exist`);
  deepEqual([sqlstate, extra.detail], ["22023", "The session goes on without role, my.r\u00f4le."]);
  const kept = settingsLost([{ name: "role", error }, { name: "ext.limit", error }], ["ext.limit"]);
  equal(kept.extra.detail, "The session goes on without role, and with what ext.limit was before.");
  const alone = settingsLost([{ name: "ext.limit", error }], ["ext.limit"]);
  equal(alone.extra.detail, "The session goes on with what ext.limit was before.");
});

Deno.test("stateLost is a failure of the connection to drivers, and sessionOver ends who waits", () => {
  const lost = stateLost(lostBy({ lastError: null }));
  deepEqual([lost.sqlstate, lost.code, sessionOver().code], [
    "08006",
    "state_lost",
    "shutting_down",
  ]);
});

Deno.test("lostBy says what the server said, or that the connection was lost", () => {
  const said = new PgplexError("server_lost", "terminating connection", { sqlstate: "57P01" });
  equal(lostBy({ lastError: said }), said);
  equal(lostBy({ lastError: null }).sqlstate, "08006");
});
