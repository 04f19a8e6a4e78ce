import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer, sqlStatement } from "../backend/fake_server_test.ts";
import { Settings, type SqlStatement } from "../backend/mod.ts";
import type { LeaseHolder } from "./lease_holder.ts";
import { changesAhead, tryRestoreAhead } from "./restore_ahead.ts";

const LOGIN: readonly [string, string][] = [
  ["TimeZone", "UTC"],
  ["application_name", ""],
  ["session_authorization", "postgres"],
];

/** A connection that was used before, and has these beside what it was opened with. */
function connection(set: Record<string, string> = {}) {
  const { server } = fakeServer({ settings: Settings.from(LOGIN) });
  server.tenancy.begins();
  server.state.found(settings(set), false);
  return server;
}

const settings = (set: Record<string, string>) => Settings.from([...LOGIN, ...Object.entries(set)]);

const wish = (set: Record<string, string>, more: Partial<LeaseHolder> = {}) => ({
  settings: settings(set),
  sqlStatements: new Map<string, SqlStatement>(),
  ...more,
});

/** The statements that make the one the other; null where that takes a round trip. */
function statements(has: Record<string, string>, wants: Record<string, string>): string[] | null {
  return changesAhead(connection(has), wish(wants))?.map(({ sql }) => sql) ?? null;
}

Deno.test("changesAhead sets and resets custom settings", () => {
  deepEqual(statements({ "app.a": "1" }, { "app.a": "it's" }), [`SET "app"."a" TO 'it''s'`]);
  deepEqual(statements({ "app.a": "1" }, { "app.b": "2" }), [`RESET "app"."a"`, `SET "app"."b" TO '2'`]);
  deepEqual(statements({ work_mem: "7MB", "app.a": "1" }, { work_mem: "7MB" }), [`RESET "app"."a"`]);
});

Deno.test("changesAhead leaves to a round trip of its own what is not as plain", () => {
  const plain = { "app.a": "1" };
  for (
    const [has, wants] of [
      [{}, {}],
      [{}, { work_mem: "7MB" }],
      [{ search_path: "a" }, plain],
      [{}, { TimeZone: "CET" }],
      [{}, { "app.a": "a\\b" }],
      [{}, { "app.a": "\xe4" }],
      [{}, { "app.\xe4": "1" }],
      [{ role: "r" }, plain],
      [{ role: "r" }, { ...plain, role: "r" }],
      [{}, { ...plain, role: "r" }],
      [{ session_authorization: "r" }, { ...plain, session_authorization: "r" }],
      [{ session_authorization: "r" }, plain],
      // Nothing may end it in the statement's place.
      [{ statement_timeout: "5" }, { ...plain, statement_timeout: "5" }],
      [{ statement_timeout: "5" }, plain],
      [{ transaction_timeout: "5" }, { ...plain, transaction_timeout: "5" }],
      [{}, Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`app.a${i}`, "1"]))],
    ] as readonly [Record<string, string>, Record<string, string>][]
  ) equal(statements(has, wants), null, JSON.stringify([has, wants]));
  deepEqual(statements({ statement_timeout: "0" }, { ...plain, statement_timeout: "0" })?.length, 1);
});

Deno.test("changesAhead asks what else there is on the connection, and in the session", () => {
  const plain = wish({ "app.a": "1" });
  equal(changesAhead(connection(), plain)?.length, 1);
  const mixed = connection();
  mixed.state.mayHaveMore();
  equal(changesAhead(mixed, plain), null);
  const temporary = connection();
  temporary.state.tempSchemaMade();
  equal(changesAhead(temporary, plain), null);
  const prepared = connection();
  const own = sqlStatement("SELECT 1");
  prepared.sqlStatements.add("s", own);
  equal(changesAhead(prepared, plain), null);
  equal(changesAhead(prepared, { ...plain, sqlStatements: new Map([["s", own]]) })?.length, 1);
  equal(changesAhead(prepared, { ...plain, sqlStatements: new Map([["s", { ...own }]]) }), null);
  equal(changesAhead(connection(), { ...plain, settings: null }), null);
  equal(changesAhead(connection(), { ...plain, loginName: "psql" }), null);
  // Nobody has seen it alive.
  equal(changesAhead(fakeServer({ settings: Settings.from(LOGIN) }).server, plain), null);
});

Deno.test("tryRestoreAhead takes the connection's state for the session's from then on", () => {
  const server = connection({ "app.a": "1" });
  const holder = { ...wish({ "app.a": "2" }), takesAhead: null } as LeaseHolder;
  equal(tryRestoreAhead(server, holder), false);
  equal(server.ahead, null);
  equal(tryRestoreAhead(server, { ...holder, takesAhead: "" }), true);
  equal(server.ahead !== null, true);
  equal(server.settings, holder.settings);
});

Deno.test("tryRestoreAhead leaves out the one setting that the message itself sets", () => {
  const holder = { ...wish({ "app.a": "2" }), takesAhead: "app.a" } as LeaseHolder;
  const server = connection({ "app.a": "1" });
  equal(tryRestoreAhead(server, holder), true);
  deepEqual([server.ahead, server.overwrites, server.settings === holder.settings], [null, "app.a", true]);
  for (const has of [{ "app.a": "1", "app.b": "2" }, { "app.a": "2", "app.b": "2" }]) {
    const other = connection(has);
    equal(tryRestoreAhead(other, holder), true);
    deepEqual([other.ahead !== null, other.overwrites], [true, null]);
  }
});
