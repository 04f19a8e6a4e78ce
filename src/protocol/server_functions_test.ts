import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import {
  HARMLESS_VOLATILE,
  SERVER_FUNCTIONS,
  SESSION_FUNCTIONS,
  type SessionEffect,
  wordSet,
} from "./server_functions.ts";

const EFFECTS: Readonly<Record<string, SessionEffect>> = {
  set_config: "setting",
  pg_try_advisory_lock_shared: "lock",
  pg_advisory_unlock_all: "unlock",
  lastval: "sequence read",
  setval: "sequence advance",
  setseed: "seed",
  pg_create_logical_replication_slot: "slot",
  pg_replication_origin_session_setup: "origin",
  pg_start_backup: "backup",
  pg_backup_start: "backup",
  query_to_xml: "runs sql",
  database_to_xmlschema: "runs sql",
  ts_rewrite: "runs sql",
  pg_logical_slot_get_changes: "opaque",
};

const HARMLESS: readonly string[] = [
  ...["count", "lower", "now", "int4pl", "row_number", "jsonb_build_object", "timezone", "to_tsvector"],
  ...["pg_advisory_xact_lock", "pg_try_advisory_xact_lock_shared", "lo_open", "pg_export_snapshot"],
  // Of 18 alone, of 12 alone, of majors between.
  ...["uuidv7", "currtid", "array_sample", "pg_is_in_backup"],
];

/** No functions, or none that a statement can call. */
const NEITHER: readonly string[] = [
  ...[
    "RI_FKey_check_ins",
    "suppress_redundant_updates_trigger",
    "plpgsql_call_handler",
    "bthandler",
    "boolrecv",
  ],
  ...["coalesce", "dblink_exec", "uuid_generate_v4", "_pg_truetypid"],
];

Deno.test("SESSION_FUNCTIONS says what a function may leave behind in the session", () => {
  for (const [name, effect] of Object.entries(EFFECTS)) equal(SESSION_FUNCTIONS.get(name), effect, name);
  equal(new Set(SESSION_FUNCTIONS.values()).size, 11);
});

Deno.test("SERVER_FUNCTIONS has what leaves nothing behind, of any major, and what a statement can call alone", () => {
  for (const name of HARMLESS) equal(SERVER_FUNCTIONS.has(name), true, name);
  for (const name of NEITHER) equal(SERVER_FUNCTIONS.has(name) || SESSION_FUNCTIONS.has(name), false, name);
  equal(SERVER_FUNCTIONS.size > 2000, true);
});

Deno.test("A function is in one table: harmless, or with one effect", () => {
  for (const name of HARMLESS_VOLATILE) equal(SERVER_FUNCTIONS.has(name), true, name);
  for (const name of SESSION_FUNCTIONS.keys()) equal(SERVER_FUNCTIONS.has(name), false, name);
});

Deno.test("HARMLESS_VOLATILE is sorted, so that one that is missing is easily seen", () => {
  deepEqual([...HARMLESS_VOLATILE].sort(), [...HARMLESS_VOLATILE]);
});

Deno.test("wordSet takes names with any white space between them", () => {
  deepEqual([...wordSet("\n  a b\n  c ")], ["a", "b", "c"]);
});
