import {
  ASIDE_NAMES,
  type OwnResult,
  rawSetting,
  runOwn,
  type ServerConnection,
  Settings,
  type Statement,
  type StatementStore,
  UNMARKED_NAMES,
} from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { isCut, settingName } from "./setting_name.ts";
import { PIN_KINDS, PIN_REASONS, type PinReason } from "./pin_kinds.ts";
import {
  type BinaryString,
  encodeBind,
  encodeExecute,
  encodeQuery,
  encodeSync,
  isWrittenIn,
  prepareIn,
} from "../protocol/mod.ts";

/** What a probe found: the connection's whole state. */
export interface ProbeResult {
  /** Reported settings, those set in the session, and the role. */
  readonly settings: Settings;
  /** application_name was SET, rather than RESET or left alone. */
  readonly nameIsSet: boolean;
  /** Prepared statements that SQL made: by name, the PREPARE, both as the server keeps them. */
  readonly sqlStatements: ReadonlyMap<BinaryString, BinaryString>;
  readonly pins: readonly PinReason[];
  /** Settings that are real numbers, as SHOW shows them: in six digits. */
  readonly reals: ReadonlyMap<string, BinaryString>;
  /** The backend has made its temporary schema, which it keeps for life. */
  readonly tempSchema: boolean;
  /** Channels that the connection listens to. */
  readonly channels: readonly BinaryString[];
  /** The client's encoding has characters for the names of all of them. */
  readonly channelsAreWritten: boolean;
  /** Custom settings that are set, and that no library has defined. */
  readonly placeholders: readonly string[];
  /** Statements prepared by protocol under a name that is not pgplex's: names as the server keeps them. */
  readonly foreignStatements: readonly BinaryString[];
}

/** What a look asks for besides what it always does. */
export interface ProbeWish {
  /** Custom settings, which are in no catalogue. */
  readonly customSettings: readonly string[];
  /** What is put aside may have been SET since the connection was last looked at. */
  readonly aside: boolean;
}

/** The kinds of pins that functions of the server tell of, each with its name. */
const PINS: BinaryString = PIN_REASONS.flatMap((reason) => {
  const { probe } = PIN_KINDS[reason];
  return probe === undefined ? [] : [`SELECT 'k', '${reason}', '' WHERE EXISTS (${probe})`];
}).join("\nUNION ALL\n");

/** As many as SHOW has of a real number: one that has as many may have more. */
const REAL_DIGITS = 6;

const ASIDE: BinaryString = `'{${ASIDE_NAMES.join(",")}}'::text[]`;

/**
 * Everything about a session that the server tells but for what is in its temporary schema, in one statement. `mayNotSet` says whether the
 * user who logged in, as whom it runs, has no right to set `s.name`; `$1` is an array of
 * custom settings. It runs by {@link runOwn}, and reads from functions alone: a relation might be locked, and would have to be
 * planned for.
 */
const probeOf = (mayNotSet: BinaryString): BinaryString => `
WITH s AS MATERIALIZED (SELECT s.name, s.setting, s.source, s.context, s.vartype, s.reset_val FROM pg_show_all_settings() s)
SELECT CASE WHEN s.name = ANY (${ASIDE}) THEN 'd' WHEN s.vartype = 'real' THEN 'r' ELSE 's' END, s.name,
 CASE WHEN s.name = ANY (${ASIDE}) THEN s.reset_val ELSE current_setting(s.name) END FROM s
 WHERE s.source = 'session' AND s.name <> ALL ('{transaction_isolation,transaction_read_only,transaction_deferrable}'::text[])
UNION ALL
SELECT 'n', count(*)::text, '' FROM pg_prepared_statement() p WHERE NOT p.from_sql AND starts_with(p.name, 'pgplex:')
UNION ALL
${PINS}
UNION ALL
SELECT 'k', 'unrestorable setting', '' WHERE EXISTS
 (SELECT 1 FROM s WHERE s.source = 'session' AND ((s.context = 'superuser' AND ${mayNotSet})
  OR (s.vartype = 'real' AND s.setting ~ '[.e]' AND length(ltrim(replace(split_part(s.setting, 'e', 1), '.', ''), '-0')) >= ${REAL_DIGITS})
  OR (s.name = 'TimeZone' AND s.setting ~ '^<.*>.*:[0-9]+:[0-9]+$')))
UNION ALL
SELECT 'm', '', '' WHERE pg_my_temp_schema() <> 0
UNION ALL
SELECT CASE WHEN p.from_sql THEN 'p' ELSE 'q' END, p.name, p.statement FROM pg_prepared_statement() p
 WHERE p.from_sql OR NOT starts_with(p.name, 'pgplex:')
UNION ALL
SELECT 'u', u.u, current_setting(u.u, true) FROM unnest($1::text[]) u(u)
 WHERE current_setting(u.u, true) IS NOT NULL AND u.u <> ALL (ARRAY(SELECT lower(s.name) FROM s WHERE strpos(s.name, '.') > 0))
\0\0\0`;

/** Since 15 others than superusers may be allowed to set what is theirs. */
const PROBES = {
  before15: probeOf("current_setting('is_superuser') = 'off'"),
  since15: probeOf("NOT has_parameter_privilege(s.name, 'SET')"),
};

/** Channels, whose names the client's texts must meet: in the client's encoding. */
const CHANNELS: BinaryString = "SELECT 'l', n.n, '' FROM pg_listening_channels() n(n)\0\0\0";

/** Whether there is anything in the temporary schema: whatever has a schema depends on it. */
const TEMPORARY: BinaryString = `SELECT 'k', 'temporary object', '' FROM pg_catalog.pg_depend d
 WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = pg_my_temp_schema() LIMIT 1\0\0\0`;

/** SQLSTATE invalid_sql_statement_name. */
const UNDEFINED_STATEMENT = "26000";
/** SQLSTATE untranslatable_character. */
const UNTRANSLATABLE = "22P05";

/** Qualified, as the search_path may be the session's. It is not compiled, whatever the session says of costs. */
const SET_NAMES = encodeQuery(
  "SET LOCAL jit_above_cost TO -1; SELECT s.name FROM pg_catalog.pg_show_all_settings() s WHERE s.source OPERATOR(pg_catalog.=) 'session'",
);

/** By its index, whatever the session has switched off. */
const BY_INDEX = encodeQuery("SET LOCAL enable_indexscan TO on; SET LOCAL enable_seqscan TO on");

/**
 * Looks at everything that the last lease may have left on a connection outside of any transaction. The client has its
 * answer already; about half a millisecond of the server's time.
 *
 * @throws PgplexError when it fails: what is on the connection is not known, but it is as it was, unless it is lost
 */
export async function probe(
  server: ServerConnection,
  { customSettings, aside }: ProbeWish,
  store: StatementStore,
): Promise<ProbeResult> {
  const encodings = encodingsOf(server);
  // A name may have been noted in another encoding.
  const readable = customSettings.filter((name) => isWrittenIn(name, encodings.server));
  const all = [`{${readable.map(quoteElement).join(",")}}`];
  const known = server.state.hasTempSchema;
  const { rows, written, ...own } = await askAgain(server, store, {
    all,
    encoding: encodings.channels,
    temporary: known,
  });
  const nothing = await emptyByDefault(server, rows);
  const found = rows.filter(([kind, name]) => kind !== "u" || !nothing.has(name!));
  // Something deallocated pgplex's own statements out of sight.
  if (Number(rows.find(([kind]) => kind === "n")?.[1]) !== server.prepared.size) server.prepared.expire();
  if (!known && rows.some(([kind]) => kind === "m")) {
    found.push(...(await askAgain(server, store, { all: null, encoding: null, temporary: true })).rows);
  }
  const atDefault = rows.flatMap(([kind, name, value]) =>
    kind === "d" && name !== "client_encoding" && isDefault(own.aside.get(name!)!, value!) ? [name!] : []
  );
  const { values, wereSet } = server.settings;
  const isReported = (name: string) => server.reported.values.has(name);
  const wasSet = (name: string) => isReported(name) ? wereSet.has(name) : values.has(name);
  const toDefault = await setToDefault(server, aside ? atDefault : atDefault.filter(wasSet));
  return { ...read(server, { ...own, toDefault }, found), channelsAreWritten: written };
}

/** Whether what SHOW shows is what pg_settings has as the default. */
function isDefault(shown: BinaryString, resetValue: BinaryString): boolean {
  return rawSetting(shown) === resetValue;
}

/**
 * Which of these settings, that are put aside otherwise and were found at their defaults, were SET to them all the same: the default may become another
 * one. Here they stay as they are, which is what anybody's transaction bears.
 */
async function setToDefault(
  server: ServerConnection,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const { rows } = await runOwn(server, [[SET_NAMES]], names);
  const areSet = rows.map(([name]) => name!);
  return new Set(names.filter((name) => areSet.includes(name)));
}

/**
 * Custom settings that are empty, as they are by default: a server that has ever had one keeps its name. Where the startup packet, the role, the
 * database or the server's file says something of it the session has set it to nothing, and that is a value.
 */
async function emptyByDefault(
  server: ServerConnection,
  rows: OwnResult["rows"],
): Promise<ReadonlySet<string>> {
  const { state } = server;
  const empty = rows.flatMap(([kind, name, value]) => kind === "u" && value === "" ? [name!] : []);
  // No SET says a name that is cut: it is kept as it is.
  const unknown = empty.filter((name) => !state.hasNoDefault(name) && !isCut(name));
  if (unknown.length > 0) {
    const resets = unknown.map((name) => `SET LOCAL ${settingName(name)} TO DEFAULT`);
    const shows = unknown.map((name) => `SHOW ${settingName(name)}`);
    const defaults = (await runOwn(server, [[encodeQuery([...resets, ...shows].join(";"))]])).rows;
    state.noDefaultOf(unknown.filter((_, i) => defaults[i]?.[0] === ""));
  }
  return new Set(empty.filter((name) => state.hasNoDefault(name)));
}

/** What {@link ask} is asked for. */
interface Asked {
  /** One of {@link PROBES} with these parameters, and {@link CHANNELS}. */
  readonly all: readonly BinaryString[] | null;
  /** That of channels; null for the server's own. */
  readonly encoding: BinaryString | null;
  /** {@link TEMPORARY}. */
  readonly temporary: boolean;
}

/** What came of it. */
interface Answered extends OwnResult {
  /** Channels are in the client's encoding. */
  readonly written: boolean;
}

/**
 * Where the server has lost what was prepared for it, it is prepared again. Channels that the client's encoding has no characters for
 * are read as the server has them: the client cannot name them.
 */
async function askAgain(server: ServerConnection, store: StatementStore, asked: Asked): Promise<Answered> {
  try {
    return { ...await ask(server, store, asked), written: true };
  } catch (thrown) {
    const sqlstate = thrown instanceof PgplexError && !server.closed ? thrown.sqlstate : null;
    if (sqlstate === UNDEFINED_STATEMENT) return { ...await ask(server, store, asked), written: true };
    if (sqlstate === UNTRANSLATABLE) {
      return { ...await ask(server, store, { ...asked, encoding: null }), written: false };
    }
    throw thrown;
  }
}

async function ask(
  server: ServerConnection,
  store: StatementStore,
  { all, encoding, temporary }: Asked,
): Promise<OwnResult> {
  const used: Statement[] = [];
  const asked = (text: BinaryString, parameters: readonly BinaryString[]): Uint8Array[] => {
    const statement = store.use(text);
    used.push(statement);
    const messages = [encodeBind(statement.name, parameters), encodeExecute(), encodeSync()];
    if (!server.prepared.touch(statement)) {
      messages.unshift(statement.encodeClose(), statement.encodeParse());
      server.prepared.add(statement);
    }
    return messages;
  };
  const groups: Uint8Array[][] = [];
  if (all !== null) groups.push(asked(isSince15(server) ? PROBES.since15 : PROBES.before15, all));
  if (encoding !== null) groups.push([encodeQuery(`SET LOCAL client_encoding TO '${encoding}'`)]);
  if (all !== null) groups.push(asked(CHANNELS, []));
  if (temporary) groups.push([BY_INDEX], asked(TEMPORARY, []));
  try {
    return await runOwn(server, groups);
  } catch (thrown) {
    // Whether the server has it now depends on where it failed.
    for (const statement of used) server.prepared.delete(statement);
    throw thrown;
  } finally {
    for (const statement of used) store.release(statement);
  }
}

/** What these settings say in the session; those that nobody set are left out. */
export async function readSettings(
  server: ServerConnection,
  names: readonly string[],
): Promise<ReadonlyMap<string, BinaryString>> {
  const calls = names.map((name) => `pg_catalog.current_setting('${name}', true)`);
  // The session's default may be an isolation that a standby refuses.
  const { rows } = await runOwn(server, [[encodeQuery(`SELECT ${calls.join(", ")}`)]]);
  const row = rows[0] ?? [];
  return new Map(names.flatMap((name, i) => row[i] == null ? [] : [[name, row[i]] as const]));
}

function isSince15({ identity: { parameters } }: ServerConnection): boolean {
  return parseInt(parameters.values.get("server_version") ?? "", 10) >= 15;
}

/** The server's encoding, and the one in which channels are read: null for the former. */
function encodingsOf(
  { reported }: ServerConnection,
): { server: BinaryString; channels: BinaryString | null } {
  const server = reported.values.get("server_encoding") ?? "";
  const client = reported.values.get("client_encoding") ?? "";
  return { server, channels: client === server || client === "" ? null : client };
}

function read(
  { reported }: ServerConnection,
  { aside, roleDefault, toDefault }: Omit<OwnResult, "rows"> & { readonly toDefault: ReadonlySet<string> },
  rows: readonly (readonly (BinaryString | null)[])[],
): Omit<ProbeResult, "channelsAreWritten"> {
  const values = new Map(reported.values);
  const sqlStatements = new Map<BinaryString, BinaryString>();
  const pins: PinReason[] = [];
  const foreignStatements: BinaryString[] = [];
  const channels: BinaryString[] = [];
  const placeholders: string[] = [];
  const reals = new Map<string, BinaryString>();
  let [nameIsSet, tempSchema] = [false, false];
  const wereSet = new Set<string>();
  const isSet = (name: string, value: BinaryString) => {
    if (!reported.values.has(name)) values.set(name, value);
    else if (!UNMARKED_NAMES.includes(name)) wereSet.add(name);
  };
  for (const [kind, name, value] of rows) {
    switch (kind) {
      case "u":
        placeholders.push(name!);
        isSet(name!, value!);
        break;
      case "r":
        reals.set(name!, value!);
        isSet(name!, value!);
        break;
      case "s":
        if (name === "application_name") nameIsSet = true;
        isSet(name!, value!);
        break;
      case "d": {
        const shown = aside.get(name!)!;
        if (!isDefault(shown, value!) || toDefault.has(name!)) isSet(name!, shown);
        break;
      }
      case "p":
        sqlStatements.set(name!, prepareIn(value!, name!) ?? value!);
        break;
      case "q":
        foreignStatements.push(name!);
        break;
      case "k":
        pins.push(name as PinReason);
        break;
      case "m":
        tempSchema = true;
        break;
      case "l":
        channels.push(name!);
        break;
    }
  }
  const role = aside.get("role")!;
  if (role !== roleDefault) values.set("role", role);
  const settings = Settings.from(values, wereSet);
  return {
    settings,
    nameIsSet,
    sqlStatements,
    pins,
    reals,
    tempSchema,
    channels,
    placeholders,
    foreignStatements,
  };
}

function quoteElement(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
