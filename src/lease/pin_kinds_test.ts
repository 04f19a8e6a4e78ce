import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import type { PoolSettings } from "../config/mod.ts";
import { Fingerprints, StateWatch } from "../learning/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import { sqlTraits } from "../protocol/mod.ts";
import { PIN_KINDS, PIN_REASONS, type PinReason } from "./pin_kinds.ts";
import type { PinsHost } from "./pins_host.ts";

function hostOf(limits: Partial<PoolSettings> = {}, holdsUnnamed = false) {
  const watch = new StateWatch(new Fingerprints());
  const options = new SessionOptions();
  const settings = { pool_mode: "transaction", currval: "pin", ...limits } as PoolSettings;
  const host: PinsHost = {
    limits: settings,
    options,
    watch,
    holdsUnnamed,
    nowMs: () => 0,
    warnOfPins() {},
    end() {},
  };
  return { host, watch, options };
}

/** What a kind makes of one statement's words. */
function wordsOf(reason: PinReason, sql: string, host: PinsHost): boolean | null {
  return PIN_KINDS[reason].words!(sqlTraits(sql), host);
}

/** Kinds with this property. */
const having = (property: "probe" | "words" | "holds" | "wished" | "forLife") =>
  PIN_REASONS.filter((reason) => PIN_KINDS[reason][property] !== undefined);

Deno.test("PIN_KINDS: each probe is one query with its parentheses and quotes in pairs, and no parameter", () => {
  deepEqual(having("probe"), ["holdable cursor", "temporary object", "advisory lock"]);
  for (const reason of having("probe")) {
    const sql = PIN_KINDS[reason].probe!;
    match(sql, /^\s*SELECT 1 FROM /, reason);
    ok(!/[;$\0\\]|--|\/\*/.test(sql), reason);
    equal(sql.split("'").length % 2, 1, reason);
    equal(sql.split("(").length, sql.split(")").length, reason);
  }
});

Deno.test("PIN_KINDS: probes qualify every relation, function and operator, whatever the search_path", () => {
  for (const reason of having("probe")) {
    const sql = PIN_KINDS[reason].probe!.replaceAll(/'[^']*'/g, "''");
    for (const [, relation] of sql.matchAll(/\b(?:FROM|JOIN)\s+(\S+)/g)) {
      match(relation!, /^pg_catalog\./, reason);
    }
    for (const [, name] of sql.matchAll(/([\w.]+)\(/g)) match(name!, /^(pg_catalog\.|OPERATOR$)/, reason);
    const bare = sql.replaceAll(/OPERATOR\(pg_catalog\.\S+\)/g, "");
    ok(!/[=<>~!|+*]/.test(bare), `${reason}: ${bare}`);
  }
});

Deno.test("PIN_KINDS: what is for life is what only words tell of, and no reset takes back", () => {
  deepEqual(having("forLife"), ["load", "setseed", "dblink"]);
  deepEqual(having("words"), ["load", "setseed", "dblink", "sequence"]);
});

Deno.test("PIN_KINDS: words pin for LOAD, setseed() and dblink, each under its own name, and never take that back", () => {
  const { host } = hostOf();
  const statements: [string, PinReason | null][] = [
    ["LOAD 'auto_explain'", "load"],
    ["SELECT setseed(0.5)", "setseed"],
    ["SELECT dblink_connect('dbname=other')", "dblink"],
    ["SELECT 1", null],
    ["DISCARD ALL", null],
  ];
  for (const [sql, pinned] of statements) {
    for (const reason of having("forLife")) {
      equal(wordsOf(reason, sql, host), reason === pinned ? true : null, `${reason}: ${sql}`);
    }
  }
});

Deno.test("PIN_KINDS: sequences pin where they are read, and where they advance once somebody reads them", () => {
  const { host, watch } = hostOf();
  const of = (sql: string) => wordsOf("sequence", sql, host);
  deepEqual([of("SELECT 1"), of("SELECT nextval('s')"), of("SELECT currval('s')")], [null, null, true]);
  watch.fingerprints.readsSequences = true;
  deepEqual([of("SELECT 1"), of("SELECT nextval('s')")], [null, true]);
  deepEqual([of("DISCARD SEQUENCES"), of("DISCARD ALL")], [false, false]);
});

Deno.test("PIN_KINDS: sequences pin nobody where currval is ignore", () => {
  const { host } = hostOf({ currval: "ignore" });
  deepEqual(["SELECT currval('s')", "SELECT 1"].map((sql) => wordsOf("sequence", sql, host)), [false, null]);
});

Deno.test("PIN_KINDS: the session itself knows of an unnamed statement, of its pool_mode, and of a directive", () => {
  const held = ({ host }: { host: PinsHost }) =>
    having("holds").filter((reason) => PIN_KINDS[reason].holds!(host));
  deepEqual(held(hostOf()), []);
  deepEqual(held(hostOf({}, true)), ["unnamed statement"]);
  deepEqual(held(hostOf({ pool_mode: "session" })), ["pool_mode"]);
  const directed = hostOf();
  directed.options.askPin(true);
  deepEqual(held(directed), ["directive"]);
  deepEqual(having("wished"), ["pool_mode", "directive"]);
});
