import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { findOption, type PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { SessionOptions } from "./session_options.ts";

const POOL = { pool_mode: "transaction", query_timeout: 0, state_check: "learn" } as unknown as PoolSettings;
const any = () => null;
const timeout = findOption("query_timeout")!;

Deno.test("SessionOptions without any option is the pool's own object", () => {
  equal(new SessionOptions().settings(POOL), POOL);
});

Deno.test("SessionOptions lets the narrower scope win, and each ends when it should", () => {
  const options = new SessionOptions(new Map([["query_timeout", 1000]]));
  const now = () => [options.settings(POOL).query_timeout, options.shown(timeout, POOL).source];
  deepEqual(now(), [1000, "client"]);
  options.committed(new Map([["pgplex.query_timeout", "2s"]]), any);
  deepEqual(now(), [2000, "session"]);
  options.setForTransaction("query_timeout", 3000);
  deepEqual(now(), [3000, "transaction"]);
  options.setForStatement(new Map([["query_timeout", 4000]]));
  deepEqual(now(), [4000, "statement"]);
  options.setForStatement(null);
  deepEqual(now(), [3000, "transaction"]);
  options.transactionEnds();
  deepEqual(now(), [2000, "session"]);
  options.reset("query_timeout");
  deepEqual(now(), [1000, "client"]);
  options.forgetPending(); // rolled back
  deepEqual(now(), [2000, "session"]);
  options.committed(new Map(), any);
  deepEqual(now(), [1000, "client"]);
});

Deno.test("SessionOptions leaves out values that are nonsense or not allowed, and tells of each once", () => {
  const options = new SessionOptions();
  const told = (timeout: string, mayBe: Parameters<SessionOptions["committed"]>[1] = any) =>
    options.committed(new Map([["pgplex.query_timeout", timeout], ["pgplex.tag", ""]]), mayBe)
      .map(({ message }) => message);
  const invalid = 'invalid value for parameter "pgplex.query_timeout"';
  deepEqual(told("soon"), [invalid]);
  equal(options.settings(POOL), POOL);
  deepEqual(told("soon"), []);
  deepEqual(told("later"), [invalid]);
  deepEqual(told("1s"), []);
  const refused = new PgplexError("option_not_allowed", "no");
  deepEqual(told("2s", ({ name, value }) => name === "query_timeout" && value === 2000 ? refused : null), [
    "no",
  ]);
  equal(options.settings(POOL), POOL);
});

Deno.test("SessionOptions tells once of each name set out of sight that is no option, and of ten at most", () => {
  const options = new SessionOptions();
  const told = (...names: string[]) =>
    options.committed(new Map(names.map((name) => [name, "x"])), any).map((
      { message, extra },
    ) => [message, extra.hint]);
  const unknown = 'unrecognized configuration parameter "pgplex.intnt"';
  deepEqual(told("pgplex.intnt", "pgplex.tag", "other.intnt"), [[
    unknown,
    'Perhaps you meant "pgplex.intent".',
  ]]);
  deepEqual(told("pgplex.intnt"), []);
  equal(told(...Array.from({ length: 50 }, (_, n) => `pgplex.n${n}`)).length, 10);
});

Deno.test("SessionOptions makes one object of settings until something changes", () => {
  const options = new SessionOptions();
  options.set("query_timeout", 5000);
  const settings = options.settings(POOL);
  equal(options.settings(POOL), settings);
  const other = { ...POOL };
  equal(options.settings(other) === settings, false);
});

Deno.test("SessionOptions.intent is the strongest of what was said, standingIntent what holds behind the statement", () => {
  const options = new SessionOptions(new Map([["intent", "read"]]));
  const said = () => [options.intent, options.standingIntent, options.givenIntent];
  deepEqual(said(), ["read", "read", "read"]);
  options.setForStatement(new Map([["intent", "write"]]));
  deepEqual(said(), ["write", "read", "read"]);
  options.setForStatement(null);
  options.setForTransaction("intent", "write");
  deepEqual(said(), ["write", "write", "read"]);
  options.transactionEnds();
  options.set("intent", "write");
  deepEqual(said(), ["write", "write", "write"]);
  options.reset("intent");
  deepEqual(said(), ["read", "read", "read"]);
  const none = new SessionOptions();
  deepEqual([none.intent, none.standingIntent, none.givenIntent], [null, null, null]);
  none.setForStatement(new Map([["tag", "x"]]));
  deepEqual([none.intent, none.standingIntent, none.givenIntent], [null, null, null]);
});
