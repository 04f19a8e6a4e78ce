import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer, sqlStatement } from "../backend/fake_server_test.ts";
import { type ServerConnection, Settings, SettingsTable } from "../backend/mod.ts";
import { fitness, lacksName, type ServerWish } from "./server_wish.ts";

const UTC = Settings.from([["TimeZone", "UTC"], ["application_name", "pool"]]);

/** A connection that reported {@link UTC}, and a wish that it fits as it is, changed by `wish`. */
function fit(change: (connection: ServerConnection) => void = () => {}, wish: Partial<ServerWish> = {}) {
  const { server } = fakeServer({ settings: UTC });
  change(server);
  const wished: ServerWish = {
    base: { key: "", params: new Map() },
    settings: UTC,
    tenant: 0,
    sqlStatements: new Map(),
    ...wish,
  };
  return { server, wished, fits: fitness(server, wished, new SettingsTable()) };
}

Deno.test("fitness is 2 for the session's own settings, or for a session that has none yet", () => {
  equal(fit().fits, 2);
  equal(fit(() => {}, { settings: null }).fits, 2);
});

Deno.test("fitness is 0 for a connection that is over, or was opened with other parameters", () => {
  equal(fit((server) => server.close()).fits, 0);
  equal(fit(() => {}, { base: { key: "other", params: new Map() } }).fits, 0);
});

Deno.test("fitness is 0 for a connection with somebody's application_name where the session has none that RESET goes back to", () => {
  const lent = (server: ServerConnection) => Object.assign(server.identity, { hasLentName: true });
  equal(fit(lent).fits, 0);
  equal(fit(lent, { loginName: "pool" }).fits, 2);
});

Deno.test("fitness is 1 where settings differ, and both are left as they are", () => {
  const wanted = UTC.with("TimeZone", "CET");
  const { server, wished, fits } = fit(() => {}, { settings: wanted });
  deepEqual([fits, wished.settings === wanted, server.settings === UTC], [1, true, true]);
});

Deno.test("fitness makes one object of settings that say the same", () => {
  const wanted = Settings.from([...UTC.values]);
  const { server, wished, fits } = fit(() => {}, { settings: wanted });
  equal(fits, 2);
  equal(wished.settings, server.settings);
});

Deno.test("fitness is 0 where the connection has its temporary schema, and the session is about to make one", () => {
  const wanted = UTC.with("search_path", "pg_temp, public");
  const made = (server: ServerConnection) => server.state.tempSchemaMade();
  equal(fit(made, { settings: wanted }).fits, 0);
  equal(fit(() => {}, { settings: wanted }).fits, 1);
  equal(fit(made).fits, 2);
  equal(fit(made, { settings: null }).fits, 2);
});

Deno.test("fitness is 1 where SQL prepared a statement that is not the session's, or is another under its name", () => {
  const s = sqlStatement("PREPARE s AS SELECT 1");
  const has = (server: ServerConnection) => server.sqlStatements.add("s", s);
  equal(fit(has).fits, 1);
  equal(
    fit(has, { sqlStatements: new Map([["s", sqlStatement(s.sql)]]) }).fits,
    1,
    "made by another session",
  );
  const own = new Map([["s", s], ["t", sqlStatement("PREPARE t AS SELECT 2")]]);
  equal(fit(has, { sqlStatements: own }).fits, 2, "what is missing is made when it is used");
  equal(fit(() => {}, { sqlStatements: own }).fits, 2);
});

Deno.test("fitness is 1 for a session that has no settings yet, where somebody has set something", () => {
  const set = (server: ServerConnection) => server.state.found(UTC.with("work_mem", "1"), false);
  equal(fit(set, { settings: null }).fits, 1);
  equal(
    fit((server) => server.state.found(Settings.from([...UTC.values]), false), { settings: null }).fits,
    2,
  );
});

Deno.test("fitness is 1 where there may be more on a connection than is known, but for the session that had it last", () => {
  const mixed = (tenant: number) => (server: ServerConnection) => {
    server.tenancy.isOf(tenant);
    server.state.mayHaveMore();
  };
  equal(fit(mixed(7), { tenant: 7 }).fits, 2);
  equal(fit(mixed(7), { tenant: 8 }).fits, 1);
  equal(fit(mixed(7), { tenant: 8, settings: null }).fits, 1);
  equal(fit(mixed(7), { tenant: 7, settings: UTC.with("TimeZone", "CET") }).fits, 1);
});

Deno.test("lacksName where the session SET application_name to what the connection has without any SET", () => {
  const mine = UTC.with("application_name", "mine");
  const { server } = fakeServer({ settings: UTC });
  const wish = { base: { key: "", params: new Map() }, tenant: 0, sqlStatements: new Map() };
  equal(lacksName(server, { ...wish, settings: UTC, loginName: "mine" }), true);
  equal(fitness(server, { ...wish, settings: UTC, loginName: "mine" }, new SettingsTable()), 1);
  equal(lacksName(server, { ...wish, settings: UTC, loginName: "pool" }), false, "it logged in with that");
  equal(lacksName(server, { ...wish, settings: mine, loginName: "other" }), false, "it is another's name");
  equal(lacksName(server, { ...wish, settings: UTC, loginName: null }), false);
  equal(lacksName(server, { ...wish, settings: UTC }), false);
  equal(lacksName(server, { ...wish, settings: null, loginName: "mine" }), false);
  server.state.found(server.settings, true);
  equal(lacksName(server, { ...wish, settings: UTC, loginName: "mine" }), false);
  equal(lacksName(server, { ...wish, settings: UTC, loginName: "mine" }, false), true, "were it reset");
});
