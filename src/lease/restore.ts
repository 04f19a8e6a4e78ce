import {
  isInPlans,
  runTask,
  type Runtime,
  type ServerConnection,
  type Settings,
  UNMARKED_NAMES,
} from "../backend/mod.ts";
import { fraction, PgplexError, type Random } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeExecute,
  encodeQuery,
  encodeSync,
  Front,
  isAscii,
  QUERY_CANCELED,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { isCut, quoteIdentifier, settingName } from "./setting_name.ts";
import { lacksName, type ServerWish } from "../servers/mod.ts";

/** Takes a setting's text as it is, lists too; a SET statement would need it quoted by the rules of each setting. */
const SET_CONFIG: BinaryString = "SELECT pg_catalog.set_config($1, $2, false)\0\0\0";

/** Reported by servers, settable by nobody. */
const READ_ONLY: ReadonlySet<string> = new Set([
  "in_hot_standby",
  "integer_datetimes",
  "is_superuser",
  "server_encoding",
  "server_version",
]);

/** Each has its own place in the order. */
const SPECIAL: ReadonlySet<string> = new Set(["role", "session_authorization", "client_encoding"]);

/** A null value resets: so the setting follows the server's configuration again. */
export type Pair = readonly [name: string, value: BinaryString | null];

/** One change of a connection's state, in the order in which they are made. */
interface Change {
  /** Of the setting that is lost where it fails; null where nothing can go on without it. */
  readonly name: string | null;
  /** The setting that it sets; null where it sets none by set_config. */
  readonly sets: string | null;
  readonly messages: readonly Uint8Array[];
  /** The same as a statement, where one says it: it needs neither a plan nor a snapshot. */
  readonly sql: BinaryString | null;
}

/** A setting that could not be restored, and why. */
export interface LostSetting {
  readonly name: string;
  readonly error: PgplexError;
}

/**
 * Makes the connection's state the session's, in a round trip of its own: never inside the client's transaction, whose
 * failure would take it back. It is a transaction of which no default of the session's can make it wait. In order: everything reset,
 * where there may be more than is known, and another seed, drawn from `random`; plans forgotten that another session may have made by
 * other settings; role and session user as at login; what should not be
 * there reset; values that are kept as the server has them; the encoding, so that other values are read in it; the rest; the session's
 * user; its role. Its prepared statements come when they are used.
 *
 * @returns settings that the server does not take any more: all others are restored
 * @throws PgplexError `restore_failed`: the connection's state is not known any more, it must be closed
 */
export async function restoreState(
  server: ServerConnection,
  wish: ServerWish,
  { statements, random = null }: Pick<Runtime, "statements"> & { readonly random?: Random | null },
): Promise<readonly LostSetting[]> {
  const { base } = server.state;
  const target = wish.settings ?? base;
  const setConfig = statements.use(SET_CONFIG);
  try {
    const { changes, names, plans } = plan(server, wish, target, {
      setConfig: setConfig.name,
      random,
    });
    if (changes.length === 0) return [];
    if (changes.every(({ sql }) => sql !== null)) {
      const { error, status } = await runTask(
        server,
        [encodeQuery(changes.map(({ sql }) => sql).join(";"))],
        1,
      );
      if (error === null && status === TxStatus.Idle) {
        plansAre(plans, target, server);
        return restored(server, wish, target, names, []);
      }
    }
    // It may have been deallocated out of sight.
    if (!server.prepared.touch(setConfig) || server.prepared.isStale(setConfig, "")) {
      changes.unshift({
        name: null,
        sets: null,
        messages: [setConfig.encodeClose(), setConfig.encodeParse()],
        sql: null,
      });
      server.prepared.add(setConfig);
    }
    const { error, status } = await runTask(server, ...together(changes));
    if (status !== TxStatus.Idle) throw failed(names, null);
    const resets = names.some((name) => !SPECIAL.has(name) && !target.values.has(name));
    if (error?.sqlstate === INSUFFICIENT_PRIVILEGE && resets && !server.state.mixed) {
      // Whoever set that had more rights: RESET ALL asks for none.
      server.state.mayHaveMore();
      return await restoreState(server, wish, { statements, random });
    }
    // Nothing of it was done: what can be, is done one by one.
    const lost = error === null ? [] : await oneByOne(server, changes, names, error);
    plansAre(plans, target, server);
    return restored(server, wish, target, names, lost);
  } finally {
    statements.release(setConfig);
  }
}

/** The plans of routines on the connection: of the settings that hold now, also of others, or gone. */
type Plans = "same" | "mixed" | "forgotten";

/** A restore is done. Between its own steps nothing ran, whatever they have reported. */
function plansAre(plans: Plans, target: Settings, { state, prepared, unnamed }: ServerConnection): void {
  // A default that has become another one meanwhile is a value that nobody expected.
  const isOther = ([name, value]: readonly [string, BinaryString]) =>
    isInPlans(name) && target.values.get(name) !== value;
  state.plansMixed = plans === "mixed" || (plans === "same" && [...state.reported.values].some(isOther));
  if (plans !== "forgotten") return;
  // Statements that are prepared there would be read by the settings of now when they run next: they are prepared again.
  prepared.expire();
  unnamed.clear();
}

/** All is done but what was lost. */
function restored(
  server: ServerConnection,
  wish: ServerWish,
  target: Settings,
  names: readonly string[],
  lost: readonly LostSetting[],
): readonly LostSetting[] {
  const { state, sqlStatements } = server;
  if (state.mixed) state.reset();
  const nameIsSet = names.includes("application_name") ? wish.loginName != null : state.nameIsSet;
  const leftOut = lost.length === 0 ? READ_ONLY : new Set([...READ_ONLY, ...lost.map(({ name }) => name)]);
  const defaults = server.identity.parameters.values;
  const wereSet = new Set(target.wereSet);
  for (const name of names) {
    const value = target.values.get(name);
    // What is no default of this connection was set, whether or not the session has ever SET it.
    const atLogin = defaults.get(name);
    if (atLogin !== undefined && value !== undefined && value !== atLogin) wereSet.add(name);
  }
  for (const name of [...leftOut, ...UNMARKED_NAMES]) wereSet.delete(name);
  state.restored(target, { nameIsSet, wereSet, leftOut });
  sqlStatements.keepIf((name, statement) => wish.sqlStatements.get(name) === statement);
  return lost;
}

/** All of it in one write, and how many ReadyForQuery that is answered with. */
function together(changes: readonly Change[]): [messages: Uint8Array[], readies: number] {
  const groups: Uint8Array[][] = [[BEGIN]];
  for (const { messages } of changes) {
    const last = groups.at(-1)!;
    if (isSimple(messages) || isSimple(last)) groups.push([...messages]);
    else last.push(...messages);
  }
  groups.push([COMMIT]);
  const ended = groups.map((messages) => isSimple(messages) ? messages : [...messages, SYNC]);
  return [ended.flat(), groups.length];
}

function isSimple(messages: readonly Uint8Array[]): boolean {
  return messages[0]![0] === Front.Query;
}

/** Each behind a savepoint, to which it is rolled back where it fails. */
async function oneByOne(
  server: ServerConnection,
  changes: readonly Change[],
  names: readonly string[],
  cause: PgplexError,
): Promise<LostSetting[]> {
  if (cause.sqlstate === QUERY_CANCELED) throw failed(names, cause);
  const lost: LostSetting[] = [];
  const run = async (messages: readonly Uint8Array[]) => {
    return (await runTask(server, isSimple(messages) ? messages : [...messages, SYNC], 1)).error;
  };
  const must = async (sql: BinaryString) => {
    const error = await run([encodeQuery(sql)]);
    if (error !== null) throw failed(names, error);
  };
  await must(BEGIN_OWN);
  for (const { name, messages } of changes) {
    // A role is one of the session's user.
    if (name === "role" && lost.some((setting) => setting.name === "session_authorization")) {
      lost.push({ name, error: cause });
      continue;
    }
    await must("SAVEPOINT pgplex");
    const error = await run(messages);
    // What was deallocated together with the rest is gone, though the rest was taken back.
    const isGone = error?.sqlstate === UNDEFINED_STATEMENT;
    if (error !== null && name === null && !isGone) throw failed(names, error);
    if (error === null) continue;
    await must("ROLLBACK TO pgplex");
    if (name !== null) lost.push({ name, error });
  }
  await must("COMMIT");
  return lost;
}

function plan(
  server: ServerConnection,
  wish: ServerWish,
  target: Settings,
  { setConfig, random }: { readonly setConfig: BinaryString; readonly random: Random | null },
): { changes: Change[]; names: readonly string[]; plans: Plans } {
  const { mixed, plansMixed, base } = server.state;
  // Behind RESET nothing is left of what is known either.
  const before = mixed ? base : server.settings;
  const actual = before.values;
  const wanted = target.values;
  const names = before.namesThatDiffer(target).filter((name) => !READ_ONLY.has(name));
  if (lacksName(server, wish, mixed ? false : undefined) && !names.includes("application_name")) {
    names.push("application_name");
  }
  const defaults = server.identity.parameters.values;
  const changes: Change[] = [];
  const put = (name: string | null, pair: Pair) =>
    changes.push({
      name,
      sets: pair[0],
      messages: [encodeBind(setConfig, pair), encodeExecute()],
      sql: statementOf(pair),
    });
  const simple = (sql: BinaryString) =>
    changes.push({ name: null, sets: null, messages: [encodeQuery(sql)], sql });
  const want = (name: string) => {
    const value = wanted.get(name)!;
    // Whether it was RESET to that or SET must be seen by the next probe.
    const isSet = name === "application_name" ? wish.loginName != null : target.wereSet.has(name);
    put(name, [name, !isSet && value === defaults.get(name) ? null : value]);
  };
  if (mixed) simple(random === null ? RESET : `${RESET}; ${seeding(random)}`);
  // On a connection of its own a session would find its own.
  const hasOther = (name: string) => server.settings.values.get(name) !== wanted.get(name);
  const areMixed = plansMixed ||
    server.settings.namesThatDiffer(target).some((name) => isInPlans(name) && hasOther(name));
  const plans = !areMixed ? "same" : server.tenancy.tenant === wish.tenant ? "mixed" : "forgotten";
  if (plans === "forgotten") simple("DISCARD PLANS");
  if (actual.has("role") && names.length > 0) put(null, ["role", "none"]);
  // Also where the session's user stays the same: it may not set what the login's may.
  const user = defaults.get("session_authorization");
  if (user !== undefined && names.length > 0 && actual.get("session_authorization") !== user) {
    put(null, ["session_authorization", user]);
  }
  const rest = names.filter((name) => !SPECIAL.has(name) && wanted.has(name));
  // What is not reported was read as the server has it, whatever the client's encoding is.
  const exact = rest.filter((name) =>
    !server.reported.values.has(name) && !(isAscii(name) && isAscii(wanted.get(name)!))
  );
  const resets = names.filter((name) => !SPECIAL.has(name) && !wanted.has(name));
  const drops = [...server.sqlStatements].filter(([name, made]) => wish.sqlStatements.get(name) !== made);
  const encoding: Pair = ["client_encoding", wanted.get("client_encoding") ?? null];
  const asKept = exact.length > 0 || ![...resets, ...drops.map(([name]) => name)].every(isAscii);
  if (asKept) simple(SERVER_ENCODING);
  for (const name of resets) {
    if (isCut(name)) put(null, [name, null]);
    else simple(`RESET ${settingName(name)}`);
  }
  for (const [name] of drops) simple(`DEALLOCATE ${quoteIdentifier(name)}`);
  for (const name of exact) want(name);
  if (asKept || names.includes("client_encoding")) put("client_encoding", encoding);
  for (const name of rest) if (!exact.includes(name)) want(name);
  const wantedUser = wanted.get("session_authorization");
  if (names.length > 0 && wantedUser !== undefined && wantedUser !== user) {
    put("session_authorization", ["session_authorization", wantedUser]);
  }
  // A role is lost to what comes before it, so it is set again whenever it was reset.
  const role = names.length > 0 ? wanted.get("role") : undefined;
  if (role !== undefined && !isAscii(role)) simple(SERVER_ENCODING);
  if (role !== undefined) put("role", ["role", role]);
  // It is not none where the startup packet or ALTER ROLE says so; a session user that was set has none.
  else if (changes.some(({ sets }) => sets === "role" || sets === "session_authorization")) {
    put(null, ["role", null]);
  }
  if (role !== undefined && !isAscii(role)) put("client_encoding", encoding);
  return { changes, names, plans };
}

/** Lists whose elements SET quotes: what is one literal to it is a list to set_config(). */
const QUOTED_LISTS: ReadonlySet<string> = new Set([
  "local_preload_libraries",
  "search_path",
  "session_preload_libraries",
  "temp_tablespaces",
]);

/** A SET or RESET that does the same; null where it might not. */
export function statementOf([name, value]: Pair): BinaryString | null {
  if (name === "role" || name === "session_authorization" || name === "client_encoding") return null;
  if (isCut(name)) return null;
  if (value === null) return `RESET ${settingName(name)}`;
  // A backslash is read by standard_conforming_strings.
  if (QUOTED_LISTS.has(name) || value.includes("\\") || !isAscii(value)) return null;
  return `SET ${settingName(name)} TO '${value.replaceAll("'", "''")}'`;
}

/** SQLSTATE insufficient_privilege. */
const INSUFFICIENT_PRIVILEGE = "42501";

/** SQLSTATE invalid_sql_statement_name. */
const UNDEFINED_STATEMENT = "26000";

const BEGIN_OWN: BinaryString = "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE";
const BEGIN = encodeQuery(BEGIN_OWN);
const COMMIT = encodeQuery("COMMIT");
const SYNC = encodeSync();

/** Takes back all settings, whether or not their names are known. */
const RESET: BinaryString = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL";

/** No reset takes a seed back: another one, that nobody knows, takes its place. */
function seeding(random: Random): BinaryString {
  return `SET seed TO '${fraction(random) + fraction(random) / 2 ** 32}'`;
}

/** No text is converted. */
const SERVER_ENCODING: BinaryString = "SET client_encoding TO 'SQL_ASCII'";

/** Makes all settings what they were when the connection was opened, and the seed another one. @throws PgplexError when that fails */
export async function resetSettings(server: ServerConnection, random: Random): Promise<void> {
  if (!server.state.mixed && server.settings.equals(server.state.base)) return;
  const { error } = await runTask(server, [encodeQuery(`${RESET}; ${seeding(random)}`)], 1);
  if (error !== null) throw failed([], error);
  server.state.reset();
}

function failed(names: readonly string[], error: PgplexError | null): PgplexError {
  return new PgplexError(
    "restore_failed",
    `the session's state cannot be restored: ${error?.message ?? "a transaction was left open"}`,
    {
      ...(error === null ? {} : { sqlstate: error.sqlstate }),
      detail: `To restore: ${utf8FromBinary(names.join(", "))}.`,
      cause: error,
    },
  );
}
