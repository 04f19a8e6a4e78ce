import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import type { PoolSettings } from "../config/mod.ts";
import { Fingerprints, HiddenCallers, StateWatch } from "../learning/mod.ts";
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

/** What only words tell of, and nothing takes back but, for some, words. */
const STICKY: readonly PinReason[] = [
  "load",
  "setseed",
  "dblink",
  "replication origin",
  "backup",
  "extension",
];

Deno.test("PIN_KINDS: each probe is one query with its parentheses and quotes in pairs, and no parameter", () => {
  deepEqual(having("probe"), ["holdable cursor", "advisory lock", "temporary slot"]);
  for (const reason of having("probe")) {
    const sql = PIN_KINDS[reason].probe!;
    match(sql, /^\s*SELECT 1 FROM /, reason);
    ok(!/[;$\0\\]|--|\/\*/.test(sql), reason);
    equal(sql.split("'").length % 2, 1, reason);
    equal(sql.split("(").length, sql.split(")").length, reason);
  }
});

Deno.test("PIN_KINDS: probes read from functions alone, as a relation might be locked, and qualify no name", () => {
  for (const reason of having("probe")) {
    const sql = PIN_KINDS[reason].probe!.replaceAll(/'[^']*'/g, "''");
    const sources = [...sql.matchAll(/\b(?:FROM|JOIN)\s+(\S+)/g)].map(([, source]) => source!);
    equal(sources.length, sql.split(/\bFROM\b/).length - 1, reason);
    for (const source of sources) match(source, /^pg_\w+\(\)$/, reason);
    ok(!/,\s*\w+\s*\(|pg_catalog\./.test(sql), reason);
  }
});

Deno.test("PIN_KINDS: what is in the temporary schema is asked for apart, and LISTEN found out by the session", () => {
  const unknown = PIN_REASONS.filter((reason) => {
    const { probe, words, holds } = PIN_KINDS[reason];
    return probe === undefined && words === undefined && holds === undefined;
  });
  deepEqual(unknown, ["temporary object", "unrestorable setting", "listen"]);
});

Deno.test("PIN_KINDS: what is for life is what no reset takes back: what only words tell of, and temporary slots", () => {
  deepEqual(having("forLife"), ["temporary slot", ...STICKY]);
  deepEqual(having("words"), [...STICKY, "sequence"]);
});

Deno.test("PIN_KINDS: words pin for what no probe sees, each under its own name, and nothing else takes that back", () => {
  const { host } = hostOf();
  const statements: [string, PinReason | null][] = [
    ["LOAD 'auto_explain'", "load"],
    ["SELECT setseed(0.5)", "setseed"],
    ["SELECT dblink_connect('dbname=other')", "dblink"],
    ["SELECT pg_replication_origin_session_setup('o')", "replication origin"],
    ["SELECT pg_replication_origin_xact_setup('0/1', now())", "replication origin"],
    ["SELECT pg_backup_start('b')", "backup"],
    ["SELECT pg_start_backup('b', false, false)", "backup"],
    ["SELECT isn_weak(true)", "extension"],
    ["SELECT 1", null],
    ["DISCARD ALL", null],
  ];
  for (const [sql, pinned] of statements) {
    for (const reason of STICKY) {
      equal(wordsOf(reason, sql, host), reason === pinned ? true : null, `${reason}: ${sql}`);
    }
  }
});

Deno.test("PIN_KINDS: an origin and a backup are over by their own words, and where both stand they may go on", () => {
  const { host } = hostOf();
  const reset = "SELECT pg_replication_origin_session_reset()";
  deepEqual(STICKY.map((reason) => wordsOf(reason, reset, host)), [
    null,
    null,
    null,
    false,
    null,
    null,
  ]);
  equal(wordsOf("replication origin", `${reset}, pg_replication_origin_session_setup('o')`, host), true);
  for (const stop of ["SELECT pg_backup_stop()", "SELECT * FROM pg_stop_backup(false, true)"]) {
    equal(wordsOf("backup", stop, host), false, stop);
    equal(wordsOf("replication origin", stop, host), null, stop);
  }
});

Deno.test("PIN_KINDS: routines of the database pin for what they do, as far as the catalogue tells", () => {
  const { host, watch } = hostOf();
  const { catalogue } = watch.fingerprints;
  const sql = "SELECT app.draw(1)";
  equal(wordsOf("setseed", sql, host), null, "nobody has looked");
  const called = new Map([["draw", { harmless: false, sticky: ["setseed" as const] }]]);
  catalogue.found(catalogue.beginCheck(0)!, "mark", new HiddenCallers(null, null, new Set(), called), 0);
  deepEqual([wordsOf("setseed", sql, host), wordsOf("load", sql, host)], [true, null]);
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
