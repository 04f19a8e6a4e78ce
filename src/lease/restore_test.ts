import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { sqlStatement } from "../backend/fake_server_test.ts";
import { PgplexError, SeededRandom } from "../kernel/mod.ts";
import { Script } from "./fake_restore_test.ts";
import { resetSettings } from "./restore.ts";

/** What takes back all settings, and the seed. */
const RESET = ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL", "set seed 0.6270739405887983"];
/** What may have been set by others may have been planned by. */
const ANEW = [...RESET, "DISCARD PLANS"];

Deno.test("restoreState asks nothing of a server that says the same already", async () => {
  await using script = new Script({ TimeZone: "UTC", server_version: "16.1" });
  await script.restore({ TimeZone: "UTC" });
  await script.restore({ TimeZone: "UTC", server_version: "15.0", is_superuser: "on" }); // nobody can set these
  deepEqual(script.asked, []);
});

Deno.test("restoreState sets what differs in one transaction and one write, the encoding before the rest", async () => {
  await using script = new Script({ TimeZone: "UTC", DateStyle: "ISO, MDY", client_encoding: "UTF8" });
  await script.restore({
    TimeZone: "CET",
    DateStyle: "ISO, MDY",
    client_encoding: "LATIN1",
    search_path: "a, b",
  });
  deepEqual(script.asked, [
    "Q BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE",
    "C Spgplex:1",
    "P pgplex:1 SELECT pg_catalog.set_config($1, $2, false)",
    "S",
    "Q DISCARD PLANS",
    "B pgplex:1 client_encoding LATIN1",
    "E",
    "B pgplex:1 TimeZone CET",
    "E",
    "B pgplex:1 search_path a, b",
    "E",
    "S",
    "Q COMMIT",
  ]);
  equal(script.writes, 1);
  equal(script.server.settings.values.get("TimeZone"), "CET");
});

Deno.test("restoreState sets the session's user last, and everything else as the login's own, also where it stays the same", async () => {
  await using script = new Script({ session_authorization: "app", TimeZone: "UTC" });
  script.silent.add("role");
  await script.restore({ session_authorization: "other", TimeZone: "CET" });
  deepEqual(script.done(), [
    "DISCARD PLANS",
    "set TimeZone CET",
    "set session_authorization other",
    "set role",
  ]);
  await script.restore({ session_authorization: "other", TimeZone: "EST" });
  deepEqual(script.done(), [
    "DISCARD PLANS",
    "set session_authorization app",
    "set TimeZone EST",
    "set session_authorization other",
    "set role",
  ]);
  await script.restore({ session_authorization: "app", TimeZone: "EST" });
  deepEqual(script.done(), ["set session_authorization app", "set role"], "what RESET ROLE goes back to");
});

Deno.test("restoreState prepares its statement once for each connection, and releases it", async () => {
  await using script = new Script({ search_path: "a" });
  await script.restore({ search_path: "b" });
  await script.restore({ search_path: "c" });
  equal(script.asked.filter((message) => message.startsWith("P")).length, 1);
  equal(script.statements.size, 1); // the connection's
  script.server.prepared.clear();
  equal(script.statements.size, 0);
});

Deno.test("restoreState prepares its statement again where something may have deallocated it out of sight", async () => {
  await using script = new Script({ search_path: "a" });
  await script.restore({ search_path: "b" });
  script.forgets("pgplex:1");
  script.server.prepared.expire();
  deepEqual(await script.restore({ search_path: "c" }), []);
  equal(script.asked.filter((message) => message.startsWith("P")).length, 2);
  await script.restore({ search_path: "d" });
  equal(script.values.get("search_path"), "d");
});

Deno.test("restoreState returns what is refused also on a connection that has nothing prepared yet", async () => {
  await using script = new Script({ search_path: "a", TimeZone: "UTC" });
  script.refuses.set("search_path", "22023");
  const lost = await script.restore({ search_path: "b", TimeZone: "CET" });
  deepEqual(lost.map(({ name, error }) => [name, error.sqlstate]), [["search_path", "22023"]]);
  deepEqual(Object.fromEntries(script.values), { search_path: "a", TimeZone: "CET" });
});

Deno.test("restoreState resets what should not be there, with the role taken off before and put on after", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  const { state } = script.server;
  state.found(state.settings.with("role", "alice").with("work_mem", "1").with("my app.id", "1"), false);
  await script.restore({ TimeZone: "CET", role: "bob" });
  equal(script.writes, 1);
  deepEqual(script.done(), [
    "DISCARD PLANS",
    "set role none",
    'RESET "work_mem"',
    'RESET "my app"."id"',
    "set TimeZone CET",
    "set role bob",
  ]);
  deepEqual([...script.server.settings.values], [["TimeZone", "CET"], ["role", "bob"]]);
});

Deno.test("restoreState deallocates statements that are not the session's, of the same text too, and leaves its own", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  const mine = sqlStatement("PREPARE mine AS SELECT 1");
  const shared = "PREPARE same AS SELECT 2";
  script.server.sqlStatements.add("mine", mine);
  script.server.sqlStatements.add('a"b', sqlStatement('PREPARE "a""b" AS SELECT 2'));
  script.server.sqlStatements.add("same", sqlStatement(shared));
  script.sqlStatements = new Map([
    ["mine", mine],
    ["same", sqlStatement(shared)],
    ["elsewhere", sqlStatement("PREPARE elsewhere AS SELECT 3")],
  ]);
  await script.restore({ TimeZone: "UTC" });
  deepEqual(script.done(), ['DEALLOCATE "a""b"', 'DEALLOCATE "same"']);
  deepEqual([...script.server.sqlStatements.map.keys()], ["mine"]);
});

Deno.test("restoreState that fails names the settings, keeps the server's SQLSTATE, and no value", async () => {
  await using script = new Script({ TimeZone: "UTC", search_path: "a" });
  await script.restore({ TimeZone: "UTC", search_path: "b" }); // its statement is prepared
  script.server.state.mayHaveMore();
  script.refuses.set("RESET ALL", "22023");
  await rejects(script.restore({ TimeZone: "secret/zone", search_path: "a" }), (error) => {
    ok(error instanceof PgplexError);
    deepEqual([error.code, error.sqlstate, error.extra.detail], [
      "restore_failed",
      "22023",
      "To restore: TimeZone.",
    ]);
    ok(!`${error.message}${error.extra.detail}`.includes("secret"));
    return true;
  });
});

Deno.test("restoreState resets everything where whoever set something had more rights than the login", async () => {
  await using script = new Script({ search_path: "a" });
  const { state } = script.server;
  state.found(state.settings.with("log_statement", "all"), false);
  script.refuses.set('RESET "log_statement"', "42501");
  deepEqual(await script.restore({ search_path: "b" }), []);
  equal(script.done().some((statement) => statement.includes("RESET ALL")), true);
  deepEqual([...script.server.settings.values], [["search_path", "b"]]);
  equal(state.mixed, false);
});

Deno.test("restoreState has plans forgotten that were made by other settings, also where those are as before", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  const { state } = script.server;
  state.reports("TimeZone", "CET");
  state.reports("TimeZone", "UTC");
  equal(state.plansMixed, true);
  deepEqual(await script.restore({ TimeZone: "UTC" }), []);
  deepEqual([script.done(), state.plansMixed], [["DISCARD PLANS"], false]);
  state.reports("application_name", "x");
  equal(state.plansMixed, false);
});

Deno.test("restoreState returns a setting that the server refuses, and restores all others one by one", async () => {
  await using script = new Script({ TimeZone: "UTC", DateStyle: "ISO", search_path: "" });
  await script.restore({ TimeZone: "UTC", DateStyle: "ISO", search_path: "b" }); // its statement is prepared
  script.taken();
  script.refuses.set("my.setting", "22023");
  script.refuses.set("role", "42501");
  const target = { TimeZone: "CET", DateStyle: "SQL", "my.setting": "x", search_path: "a", role: "gone" };
  const lost = await script.restore(target);
  deepEqual(lost.map(({ name, error }) => [name, error.sqlstate]), [["my.setting", "22023"], [
    "role",
    "42501",
  ]]);
  const tried = [
    "DISCARD PLANS",
    "set TimeZone CET",
    "set DateStyle SQL",
    "set search_path a",
    "set my.setting x",
    "set role gone",
  ];
  deepEqual(script.done(), [
    ...tried,
    ...tried.flatMap((statement) => {
      const isLost = /setting|role/.test(statement);
      return ["SAVEPOINT pgplex", statement, ...(isLost ? ["ROLLBACK TO pgplex"] : [])];
    }),
  ]);
  const rest = { TimeZone: "CET", DateStyle: "SQL", search_path: "a" };
  deepEqual(Object.fromEntries(script.values), rest);
  deepEqual(Object.fromEntries(script.server.settings.values), rest);
  deepEqual(await script.restore(rest), [], "it is as it says");
  deepEqual(script.taken(), []);
});

Deno.test("restoreState loses the role with the session's user, whose role it is", async () => {
  await using script = new Script({ session_authorization: "app", TimeZone: "UTC", search_path: "a" });
  await script.restore({ session_authorization: "app", TimeZone: "UTC", search_path: "b" });
  script.taken();
  script.refuses.set("session_authorization", "22023");
  const lost = await script.restore({
    session_authorization: "gone",
    TimeZone: "CET",
    search_path: "b",
    role: "bob",
  });
  deepEqual(lost.map(({ name }) => name), ["session_authorization", "role"]);
  equal(script.taken().filter((statement) => statement === "set role bob").length, 1, "not by itself");
  deepEqual(Object.fromEntries(script.server.settings.values), {
    session_authorization: "app",
    TimeZone: "CET",
    search_path: "b",
  });
});

Deno.test("restoreState fails, rather than lose anything, where it was cancelled, or cannot take back what is on the connection", async () => {
  await using canceled = new Script({ TimeZone: "UTC" });
  canceled.refuses.set("search_path", "57014");
  await rejects(canceled.restore({ search_path: "b" }), { code: "restore_failed", sqlstate: "57014" });
  equal(canceled.taken().filter((statement) => statement === "set search_path b").length, 1, "tried once");
  await using stuck = new Script({ TimeZone: "UTC" });
  stuck.server.state.found(stuck.server.settings.with("role", "alice"), false);
  stuck.refuses.set("role", "42501");
  await rejects(stuck.restore({ TimeZone: "CET" }), { code: "restore_failed" });
  await using open = new Script({ TimeZone: "UTC" });
  open.keepsOpen = true;
  await rejects(open.restore({ TimeZone: "CET" }), { code: "restore_failed" });
});

Deno.test("restoreState resets a connection that may have more than is known of it, and sets all that is the session's", async () => {
  await using script = new Script({ TimeZone: "UTC", search_path: "public", session_authorization: "app" });
  const { state } = script.server;
  const session = {
    TimeZone: "CET",
    search_path: "a",
    "my.app": "1",
    session_authorization: "app",
    role: "bob",
  };
  await script.restore(session);
  script.taken();
  deepEqual(await script.restore(session), []);
  deepEqual(script.taken(), [], "nothing is to be done");
  state.mayHaveMore();
  script.values.set("nobody.knows", "1");
  await script.restore(session);
  deepEqual(script.done(), [
    ...ANEW,
    "set TimeZone CET",
    "set search_path a",
    "set my.app 1",
    "set role bob",
  ]);
  deepEqual(Object.fromEntries(script.values), session);
  deepEqual([state.mixed, Object.fromEntries(state.settings.values)], [false, session]);
  deepEqual(await script.restore(session), []);
  deepEqual(script.taken(), []);
});

Deno.test("restoreState resets a mixed connection also for a session that is as it was opened, and where something is refused", async () => {
  await using script = new Script({ TimeZone: "UTC", search_path: "a" });
  const { state } = script.server;
  state.mayHaveMore();
  await script.restore({ TimeZone: "UTC", search_path: "a" });
  deepEqual([script.done(), state.mixed], [ANEW, false]);
  await script.restore({ TimeZone: "UTC", search_path: "b" });
  script.taken();
  state.mayHaveMore();
  script.values.set("nobody.knows", "1");
  script.silent.add("nobody.knows");
  script.refuses.set("my.app", "22023");
  const lost = await script.restore({ TimeZone: "CET", search_path: "a", "my.app": "1" });
  deepEqual([lost.map(({ name }) => name), state.mixed], [["my.app"], false]);
  deepEqual([Object.fromEntries(script.values), Object.fromEntries(state.settings.values)], [
    { TimeZone: "CET", search_path: "a" },
    { TimeZone: "CET", search_path: "a" },
  ]);
});

Deno.test("restoreState sets application_name again on a mixed connection, where the client SET it to what that was opened with", async () => {
  await using script = new Script({ application_name: "pool", TimeZone: "UTC" });
  const { state } = script.server;
  state.found(state.settings, true);
  const own = { application_name: "pool", TimeZone: "UTC" };
  await script.restore(own, { loginName: "mine" });
  deepEqual(script.taken(), []);
  state.mayHaveMore();
  await script.restore(own, { loginName: "mine" });
  deepEqual(script.done(), [...ANEW, "set application_name pool"]);
  deepEqual([state.nameIsSet, state.mixed], [true, false]);
});

Deno.test("restoreState hands back values that are not ASCII as the server has them, whatever the client's encoding", async () => {
  await using script = new Script({ client_encoding: "UTF8", TimeZone: "UTC" });
  for (const name of ["my.app", "role"]) script.silent.add(name);
  const session = {
    client_encoding: "LATIN1",
    TimeZone: "CET",
    "my.app": "\xc3\xa9",
    "my.plain": "e",
    role: "b\xc3\xb6b",
  };
  await script.restore(session);
  deepEqual(script.done(), [
    "DISCARD PLANS",
    "set client_encoding SQL_ASCII",
    "set my.app \xc3\xa9",
    "set client_encoding LATIN1",
    "set TimeZone CET",
    "set my.plain e",
    "set client_encoding SQL_ASCII",
    "set role b\xc3\xb6b",
    "set client_encoding LATIN1",
  ]);
  equal(script.values.get("client_encoding"), "LATIN1");
  deepEqual(Object.fromEntries(script.server.settings.values), session);
});

Deno.test("restoreState reads what servers report in the client's encoding, in which it was told", async () => {
  await using script = new Script({ client_encoding: "LATIN1", application_name: "pool" });
  await script.restore({ client_encoding: "LATIN1", application_name: "caf\xe9" });
  deepEqual(script.done(), ["set application_name caf\xe9"]);
});

Deno.test("resetSettings takes back all, also what nobody knows, and asks nothing where nothing was set", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  const { state } = script.server;
  await resetSettings(script.server, new SeededRandom(1));
  deepEqual(script.taken(), []);
  state.mayHaveMore();
  await resetSettings(script.server, new SeededRandom(1));
  deepEqual([script.taken(), state.mixed], [RESET, false]);
  state.found(state.settings.with("work_mem", "1"), true);
  await resetSettings(script.server, new SeededRandom(1));
  deepEqual([script.taken(), state.settings === state.base, state.nameIsSet], [RESET, true, false]);
  state.mayHaveMore();
  script.refuses.set("RESET ALL", "42501");
  await rejects(resetSettings(script.server, new SeededRandom(1)), {
    code: "restore_failed",
    sqlstate: "42501",
  });
  equal(state.mixed, true);
});

Deno.test("restoreState rejects when the server ends meanwhile", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  script.stream.onWrite = () => script.stream.end();
  await rejects(script.restore({ TimeZone: "CET" }), { code: "server_lost" });
});

Deno.test("restoreState sets what the session SET to the default, and resets what it did not", async () => {
  await using script = new Script({ TimeZone: "UTC", DateStyle: "ISO" });
  const settings = { TimeZone: "UTC", DateStyle: "ISO" };
  await script.restore(settings, { wereSet: ["TimeZone"] });
  deepEqual(script.done(), ["set TimeZone UTC"], "no plan is forgotten, as none has become another");
  deepEqual([...script.server.settings.wereSet], ["TimeZone"]);
  await script.restore(settings, { wereSet: ["TimeZone"] });
  deepEqual(script.taken(), [], "nothing is to be done");
  await script.restore(settings, { wereSet: ["DateStyle"] });
  deepEqual(script.done(), ['RESET "TimeZone"', "set DateStyle ISO"]);
  deepEqual([...script.server.settings.wereSet], ["DateStyle"]);
});

Deno.test("restoreState sets, for good, what the session found at its login and this connection did not", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  await script.restore({ TimeZone: "CET" }, { wereSet: [] });
  deepEqual([...script.server.settings.wereSet], ["TimeZone"]);
});
