import { readDatabases } from "./clusters.ts";
import { parseConnectionString } from "./connection_string.ts";
import type { IniEntry, PgBouncerFile } from "./pgbouncer_file.ts";
import { FATES } from "./settings_table.ts";
import { type Surroundings, Translation } from "./translation.ts";
import { durationOf } from "./values.ts";
import { writeAuth } from "./write_auth.ts";
import { writeDatabases, writeServerLifetime } from "./write_databases.ts";
import { writeListen } from "./write_listen.ts";

/** pgplex.yaml made of PgBouncer's file. */
export interface Translated {
  readonly yaml: string;
  /** How many of its keys are carried over. */
  readonly carried: number;
  /** How many are not: a comment stands for each. */
  readonly left: number;
}

/** PgBouncer's largest `peer_id`; cancel keys of pgplex have room for more. */
const PEER_ID_MAX = 16_383;

/**
 * Writes pgplex.yaml from what PgBouncer's file says. Each key is carried over, or stands in a comment that says why not and
 * what to do. Defaults of PgBouncer that differ from those here are written down, so that what holds is what held.
 */
export function translate(file: PgBouncerFile, surroundings: Surroundings): Translated {
  const of = (section: string) => file.entries.filter((entry) => entry.section === section);
  const to = new Translation(of("pgbouncer"), surroundings);
  const socketDir = to.given("unix_socket_dir") ?? "/tmp";
  writeListen(to);
  writeAuth(to);
  writeUsers(to, of("users"));
  writeDatabases(to, readDatabases(of("databases"), { socketDir, authUser: to.given("auth_user") }));
  writeSettings(to, of("pgbouncer"));
  writePool(to);
  writeLog(to);
  to.at(["console"]).set("database", "pgbouncer", "as SHOW DATABASES and exporters name it");
  to.at(["console"]).set("aliases", ["pgplex"]);
  writePeers(to, of("peers"));
  const known = ["pgbouncer", "databases", "users", "peers"];
  for (const { section, key, place } of file.entries) {
    if (!known.includes(section)) {
      to.root.comment(`${place}: ${key} stands in section [${section}], which PgBouncer does not know.`);
    }
  }
  const head = [
    "# Made by pgplex import from PgBouncer's configuration. A comment of the form key = value: … stands for what is not",
    "# carried over. docs/FROM_PGBOUNCER.md has the table; config.example.yaml explains every key.",
    ...file.problems.map((problem) => `# ${problem}`),
  ];
  return { yaml: `${[...head, ...to.root.lines()].join("\n")}\n`, ...to.counts };
}

/** What has the same meaning or none here: the rest is the other writers'. */
function writeSettings(to: Translation, settings: readonly IniEntry[]): void {
  for (const key of new Set(settings.map(({ key }) => key))) {
    const fate = FATES.get(key);
    const value = to.given(key);
    if (fate === undefined) to.leave([], key, value ?? "", "is no key that PgBouncer's manual has");
    else if (value === null || fate.kind === "own") continue;
    else if (fate.kind === "left") to.leave(fate.section === "" ? [] : [fate.section], key, value, fate.why);
    else to.carry(fate.path.split("."), key, value);
  }
}

function writePool(to: Translation): void {
  const pool = to.at(["pool"]);
  const mode = to.given("pool_mode");
  if (mode === null) {
    pool.comment(
      "PgBouncer's default. transaction, the default here, serves more clients, and keeps their sessions' state.",
    );
    pool.set("pool_mode", "session");
  }
  to.capMinimum(["pool"], to.given("min_pool_size"), {
    default_pool_size: to.given("default_pool_size") ?? "20",
    max_db_connections: to.given("max_db_connections"),
    max_user_connections: to.given("max_user_connections"),
  });
  const lifetime = to.given("server_lifetime");
  if (lifetime !== null) writeServerLifetime(to, ["pool"], lifetime);
  if (to.given("server_login_retry") === null) {
    pool.set("server_login_retry", "15s", "PgBouncer's default; pgplex's is 1s");
  }
}

function writeLog(to: Translation): void {
  const period = to.given("stats_period");
  const stats = to.given("log_stats");
  if (stats === "0") to.write(["log", "stats_period"], "0s", "log_stats = 0");
  else if (period !== null) to.write(["log", "stats_period"], durationOf(period) ?? "60s");
  else if (stats !== null) {
    to.at(["log"]).comment(`log_stats = ${stats}: log.stats_period writes them, each minute by default.`);
  }
  for (const key of ["connections", "disconnections"]) {
    if (to.given(`log_${key}`) === null) to.at(["log"]).set(key, true, "PgBouncer's default");
  }
  const verbose = to.given("verbose");
  if (verbose !== null) {
    to.write(["log", "level"], Number(verbose) > 0 ? "debug" : "info", `verbose = ${verbose}`);
  }
}

function writeUsers(to: Translation, users: readonly IniEntry[]): void {
  for (const { key: user, value, place } of users) {
    const pairs = parseConnectionString(value);
    if (pairs === null) {
      to.at(["users"]).comment(
        `${place}: the settings of ${user} cannot be read; PgBouncer refuses the file for it`,
      );
      continue;
    }
    for (const [key, text] of pairs) writeUserKey(to, ["users", user], { key, text });
  }
}

/** Keys of a line of `[users]` have the names of settings, but for the pool's sizes. */
function writeUserKey(
  to: Translation,
  path: readonly string[],
  { key, text }: { readonly key: string; readonly text: string },
): void {
  // PgBouncer's manual: -1 means that the value is not set.
  if (text === "-1") return to.leave(path, key, text, "the database's holds");
  to.carry([...path, USER_KEYS.get(key) ?? key], key, text);
}

const USER_KEYS: ReadonlyMap<string, string> = new Map([
  ["pool_size", "default_pool_size"],
  ["reserve_pool", "reserve_pool_size"],
]);

function writePeers(to: Translation, peers: readonly IniEntry[]): void {
  const id = to.given("peer_id");
  if (id !== null && Number(id) >= 1 && Number(id) <= PEER_ID_MAX) {
    to.write(["instance", "id"], Number(id), "peer_id");
  } else if (id !== null) to.leave(["instance"], "peer_id", id, "an instance has a number from 1");
  for (const { key, value } of peers) {
    to.leave(
      ["instance"],
      `peer ${key}`,
      value,
      "instances that share a store find each other, and pass cancel requests on",
    );
  }
}
