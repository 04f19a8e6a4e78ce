import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { RelayPlay } from "../../tests/harness/relay_play.ts";
import { Settings } from "../backend/mod.ts";

const { query } = frontend;

/** Plays each text in a session with these settings: what was heard, and what went to the server. */
async function played(
  texts: readonly string[],
  {
    settings = {} as Record<string, string>,
    atLogin = {} as Record<string, string>,
    isKnown = true,
    listens = false,
    mayHaveMore = false,
    placeholders = ["app.tenant"],
    mayForget = true,
  } = {},
): Promise<[heard: string, sent: string][]> {
  const play = new RelayPlay();
  let current = Settings.from(Object.entries({ ...atLogin, ...settings }));
  play.rig.clientScan.alreadySo.serveBy({
    get settings() {
      return isKnown ? current : null;
    },
    settingsAtLogin: Settings.from(Object.entries(atLogin)),
    listens,
    mayHaveMore,
    takesAnything: (name) => placeholders.includes(name),
    forgetsConnections: () => mayForget,
    sets: (name, value) => current = current.with(name, value),
    answeredItself() {},
  });
  const answers: [string, string][] = [];
  for (const text of texts) answers.push([await play.say(query(text)), play.sent()]);
  return answers;
}

/** A session with these settings, all of them those of its login. */
function resting(settings: Settings): RelayPlay {
  const play = new RelayPlay();
  play.rig.clientScan.alreadySo.serveBy({
    settings,
    settingsAtLogin: settings,
    listens: false,
    mayHaveMore: false,
    takesAnything: () => false,
    forgetsConnections: () => true,
    sets() {},
    answeredItself() {},
  });
  return play;
}

/** Which of these texts go to a server. */
async function asked(texts: readonly string[], options?: Parameters<typeof played>[1]): Promise<string[]> {
  return (await played(texts, options)).flatMap(([, sent]) => sent === "" ? [] : [sent.replace(/^Q /, "")]);
}

Deno.test("AlreadySo answers SET of a time limit, and of one schema, without a server", async () => {
  const texts = [
    "SET statement_timeout = '5s'",
    "set session lock_timeout to 500;",
    "SET idle_in_transaction_session_timeout='10min' ;",
    "SET search_path = tenant_7",
    "SET search_path TO 'public'",
  ];
  deepEqual(await played(texts), texts.map(() => ["CZ", ""]));
});

Deno.test("AlreadySo leaves to the server what it may refuse, take otherwise, or give in other words", async () => {
  const texts = [
    "SET statement_timeout = '5 s'",
    "SET statement_timeout = '010'",
    "SET statement_timeout = '1.5s'",
    "SET statement_timeout = 5s",
    "SET statement_timeout = -1",
    "SET statement_timeout = '25d'",
    "SET statement_timeout = default",
    "SET LOCAL statement_timeout = 5",
    "SET search_path = user",
    "SET search_path = app",
    "SET search_path = 'Tenant_7'",
    "SET search_path = a1, b1",
    "SET search_path = pg_temp_3",
    `SET search_path = ${"a1".repeat(35)}`,
    "SET work_mem = '64MB'",
    "SET statement_timeout = 5; SELECT 1",
    "SELECT 1",
  ];
  deepEqual(await asked(texts), texts);
  deepEqual(await asked(["SET statement_timeout = '24d'"]), []);
});

Deno.test("AlreadySo reports a search_path that servers report, and leaves what is as at login to them", async () => {
  const atLogin = { search_path: "app1" };
  const texts = ["SET search_path = public", "SET search_path = public", "SET search_path = app1"];
  const heard = await played(texts, { atLogin });
  deepEqual(heard.map(([types]) => types), ["CSZ", "CZ", "CZ"]);
  equal(heard[2]![1], "Q SET search_path = app1");
});

Deno.test("AlreadySo asks for a path that may be a keyword, also where it is shown", async () => {
  for (const path of ["app", "default"]) {
    const text = `SET search_path = ${path}`;
    deepEqual(await asked([text], { settings: { search_path: path } }), [text]);
  }
  const list = { settings: { search_path: "app, public" } };
  deepEqual(await asked(["SET search_path = 'app, public'"], list), ["SET search_path = 'app, public'"]);
});

Deno.test("AlreadySo answers RESET ALL, CLOSE ALL and UNLISTEN * where there is nothing to be taken back", async () => {
  const texts = ["RESET ALL", "close all;", "UNLISTEN *"];
  deepEqual(await asked(texts), []);
  deepEqual(await asked(texts, { settings: { work_mem: "1MB" } }), ["RESET ALL"]);
  deepEqual(await asked(texts, { mayHaveMore: true }), ["RESET ALL"]);
  deepEqual(await asked(texts, { listens: true }), ["UNLISTEN *"]);
  deepEqual(await asked(texts, { isKnown: false }), texts);
  const others = ["CLOSE c", "UNLISTEN c", "RESET work_mem", "CLOSE ALL; SELECT 1", "DISCARD PLANS"];
  deepEqual(await asked(others), others);
});

Deno.test("AlreadySo answers DISCARD ALL where there is nothing to be taken back", async () => {
  const texts = ["DISCARD ALL", "discard all ;"];
  deepEqual(await played(texts), texts.map(() => ["CZ", ""]));
  for (
    const more of [{ mayForget: false }, { settings: { work_mem: "1MB" } }, { mayHaveMore: true }, {
      listens: true,
    }, {
      isKnown: false,
    }]
  ) deepEqual(await asked(texts, more), texts, JSON.stringify(more));
  const play = resting(Settings.none);
  await play.say(frontend.parse("SELECT 1", { name: "p" }), frontend.sync());
  play.sent();
  await play.say(query("DISCARD ALL"));
  equal(play.sent(), "Q DISCARD ALL");
});

Deno.test("AlreadySo answers SET of a custom setting that takes any text, where the session has one", async () => {
  const settings = { "app.tenant": "1", "app.other": "1", "pgaudit.log": "none", "plpgsql.x": "1" };
  const texts = ["SET app.tenant = '2'", "set session App.Tenant to 'it''s' ;", "SET app.tenant = '2'"];
  deepEqual(await played(texts, { settings }), texts.map(() => ["CZ", ""]));
  deepEqual(await asked(texts), texts);
  const others = [
    "SET app.tenant = ''",
    "SET app.tenant = 2",
    "SET app.tenant = '\\'",
    "SET LOCAL app.tenant = '2'",
    "SET app.tenant = '2'; SELECT 1",
    "SET app.other = '2'",
    "SET pgaudit.log = 'all'",
    "SET plpgsql.x = '2'",
  ];
  const placeholders = ["app.tenant", "pgaudit.log", "plpgsql.x"];
  deepEqual(await asked(others, { settings, placeholders }), others);
});

Deno.test("AlreadySo leaves SET of a custom setting to the server while the session is another role", async () => {
  const [sql] = ["SET app.tenant = '2'"];
  deepEqual(await asked([sql], { settings: { "app.tenant": "1", role: "alice" } }), [sql]);
  const settings = { "app.tenant": "1", session_authorization: "alice" };
  deepEqual(await asked([sql], { settings, atLogin: { session_authorization: "app" } }), [sql]);
});

Deno.test("AlreadySo answers nothing in a transaction, and ends the unnamed statement", async () => {
  deepEqual(await asked(["begin", "SET statement_timeout = 5", "CLOSE ALL"]), [
    "begin",
    "SET statement_timeout = 5",
    "CLOSE ALL",
  ]);
  const play = resting(Settings.none);
  await play.say(frontend.parse("SELECT 1"), frontend.sync());
  equal(await play.say(query("CLOSE ALL")), "CZ");
  equal(await play.say(frontend.bind(), frontend.sync()), "E26000 Z");
});

Deno.test("AlreadySo leaves RESET ALL to the server where something was SET to its default", async () => {
  const atLogin = Settings.from([["TimeZone", "UTC"]]);
  const play = new RelayPlay();
  play.rig.clientScan.alreadySo.serveBy({
    settings: atLogin.marked(new Set(["TimeZone"])),
    settingsAtLogin: atLogin,
    listens: false,
    mayHaveMore: false,
    takesAnything: () => false,
    forgetsConnections: () => true,
    sets() {},
    answeredItself() {},
  });
  await play.say(query("RESET ALL"));
  equal(play.sent(), "Q RESET ALL");
});
