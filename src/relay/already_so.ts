import { rawSetting, type Settings, shownTime } from "../backend/mod.ts";
import { concat, NAME_BYTES_MAX } from "../kernel/mod.ts";
import {
  assignmentIn,
  type BinaryString,
  binaryString,
  encodeCommandComplete,
  encodeParameterStatus,
} from "../protocol/mod.ts";
import type { ClientCursor } from "./client_cursor.ts";
import type { Relay } from "./relay.ts";
import { READY_IDLE } from "./replies.ts";
import { isHeeded } from "./setting_in.ts";

/** What is known of a session that has no server connection. */
export interface AlreadySoHost {
  /** All settings of the session; null where they are not known for sure, or it has more than settings and prepared statements. */
  readonly settings: Settings | null;
  /** Those with which it began; null before. */
  readonly settingsAtLogin: Settings | null;
  /** Whether it listens to anything. */
  readonly listens: boolean;
  /** Whether it may have set what nobody knows the name of. */
  readonly mayHaveMore: boolean;
  /** Whether this custom setting is known to take any text. */
  takesAnything(name: string): boolean;
  /** The session is as new to each server connection; false: only a server can make it so. */
  forgetsConnections(): boolean;
  /** A setting has another value from now on: the next server connection is given it. */
  sets(name: string, value: BinaryString): void;
  /** The client had an answer for which no server connection was needed. */
  answeredItself(): void;
}

/**
 * Statements for which no server is needed, as they cannot fail, and nobody but the session itself can notice what they do: SET of a time
 * limit, of a search_path of one schema or of a custom setting that takes any text, which the next server connection is given with all
 * else that the session has set; RESET ALL, DISCARD ALL, UNLISTEN * and CLOSE ALL where there is nothing to be taken back, as drivers'
 * pools send them between two users of a connection. Of simple queries alone, outside of transactions. Pure.
 */
export class AlreadySo {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  #host: AlreadySoHost | null = null;

  constructor(relay: Relay, cursor: ClientCursor) {
    this.#relay = relay;
    this.#cursor = cursor;
  }

  /** Whom it serves. */
  serveBy(host: AlreadySoHost): void {
    this.#host = host;
  }

  /**
   * Answers the Query at hand of a session without a lease, where it needs none.
   *
   * @returns the place behind its header, 0 when it needs one.
   */
  answer(): number {
    const { bytes, bodyStart, messageEnd, end } = this.#cursor;
    if (messageEnd > end || messageEnd - bodyStart > TEXT_BYTES_MAX || !mayBeOne(bytes, bodyStart)) return 0;
    const settings = this.#host?.settings ?? null;
    if (settings === null || bytes[messageEnd - 1] !== 0) return 0;
    const reply = this.#replyTo(binaryString(bytes, bodyStart, messageEnd - 1), settings);
    if (reply === null) return 0;
    const { client, names, counts } = this.#relay;
    client.put(reply);
    client.put(READY_IDLE);
    names.unnamed.drop();
    counts.answeredHere();
    this.#host!.answeredItself();
    return this.#cursor.drop();
  }

  /** What a server would answer a text with, but for ReadyForQuery; null: it is to be asked. */
  #replyTo(text: BinaryString, settings: Settings): Uint8Array | null {
    const host = this.#host!;
    const set = SET.exec(text);
    if (set !== null) return this.#set(set[1]!.toLowerCase(), set[2], set[3], settings);
    const custom = assignmentIn(text);
    if (custom !== null) return this.#setCustom(custom.name, custom.value, settings);
    switch (COMMAND.exec(text)?.[1]?.toLowerCase()) {
      case "reset all":
        return this.#isAsAtLogin(settings) ? RESET_COMPLETE : null;
      case "discard all": {
        const { names, sql } = this.#relay;
        const hasStatements = names.size > 0 || sql.texts.size > 0;
        if (hasStatements || host.listens || !this.#isAsAtLogin(settings)) return null;
        return host.forgetsConnections() ? DISCARD_COMPLETE : null;
      }
      case "close all":
        // A cursor that outlives its transaction keeps the session at its connection.
        return CLOSE_COMPLETE;
      case "unlisten *":
        return host.listens ? null : UNLISTEN_COMPLETE;
      default:
        return null;
    }
  }

  #isAsAtLogin(settings: Settings): boolean {
    const { mayHaveMore, settingsAtLogin } = this.#host!;
    return !mayHaveMore && settingsAtLogin !== null && settings.equals(settingsAtLogin);
  }

  /** The custom setting has this value from now on. What a role may set is for a server to say, should a library define it. */
  #setCustom(name: string, value: BinaryString, settings: Settings): Uint8Array | null {
    const host = this.#host!;
    const { values } = settings;
    if (
      value === "" || isHeeded(name) || LIBRARIES.test(name) || !values.has(name) || !host.takesAnything(name)
    ) return null;
    if (values.has(ROLE) || values.get(USER) !== host.settingsAtLogin?.values.get(USER)) return null;
    if (values.get(name) !== value) host.sets(name, value);
    return SET_COMPLETE;
  }

  /** The setting has this value from now on, by the session's own word. */
  #set(
    name: string,
    quoted: string | undefined,
    bare: string | undefined,
    settings: Settings,
  ): Uint8Array | null {
    const host = this.#host!;
    const atLogin = host.settingsAtLogin?.values;
    const now = settings.values.get(name);
    const value = name === SEARCH_PATH ? schemaOf(quoted ?? bare!.toLowerCase()) : timeOf(quoted, bare);
    // Whether it is a default, which may become another one, or was SET to the same, only a server knows.
    if (value === null || atLogin === undefined || atLogin.get(name) === value) return null;
    const isReported = atLogin.has(name);
    if (now === value && (!isReported || settings.wereSet.has(name))) return SET_COMPLETE;
    host.sets(name, value);
    return isReported && now !== value
      ? concat(SET_COMPLETE, encodeParameterStatus(name, value))
      : SET_COMPLETE;
  }
}

/** Whether a text may be one of these by its first bytes: SET, RESET, DISCARD, CLOSE or UNLISTEN. */
function mayBeOne(bytes: Uint8Array, at: number): boolean {
  const second = bytes[at + 1]! | 0x20;
  const third = bytes[at + 2]! | 0x20;
  switch (bytes[at]! | 0x20) {
    case 0x73: // s
      return second === 0x65 && third === 0x74;
    case 0x72: // r
      return second === 0x65 && third === 0x73;
    case 0x64: // d
      return second === 0x69 && third === 0x73;
    case 0x63: // c
      return second === 0x6c && third === 0x6f;
    case 0x75: // u
      return second === 0x6e && third === 0x6c;
    default:
      return false;
  }
}

/** Settings of libraries that a backend loads when it needs them: until then they look as if they took any text. */
const LIBRARIES =
  /^(?:plperl|plpgsql|pltcl|plv8|isn|pg_trgm|pgcrypto|postgres_fdw|hnsw|ivfflat|postgis|citus|timescaledb|pg_hint_plan)\./;

/** Longer ones are not looked at. */
const TEXT_BYTES_MAX = 1024;

const SEARCH_PATH = "search_path";
const ROLE = "role";
const USER = "session_authorization";

/** A setting that anybody may set to whatever its type allows, a name or a time: no server is needed to judge it. */
const SET =
  /^set +(?:session +)?(search_path|statement_timeout|lock_timeout|idle_in_transaction_session_timeout) *(?:=|to ) *(?:'([^'\\]*)'|(\w+)) *;?$/i;

const COMMAND = /^(reset all|discard all|close all|unlisten \*) *;?$/i;

const SET_COMPLETE = encodeCommandComplete("SET");
const RESET_COMPLETE = encodeCommandComplete("RESET");
const DISCARD_COMPLETE = encodeCommandComplete("DISCARD ALL");
const CLOSE_COMPLETE = encodeCommandComplete("CLOSE CURSOR ALL");
const UNLISTEN_COMPLETE = encodeCommandComplete("UNLISTEN");

/**
 * A path of this one schema as SHOW shows it; null where that may need quotes, or is DEFAULT: no keyword has a digit in it. What is shown
 * proves nothing, as set_config takes any text.
 */
function schemaOf(name: string): BinaryString | null {
  if (!/^(?!pg_)[a-z_][a-z0-9_]*$/.test(name) || name.length > NAME_BYTES_MAX) return null;
  return name === "public" || /[0-9]/.test(name) ? name : null;
}

/** A time as SHOW shows it; null where it is not plain, or too long. */
function timeOf(quoted: string | undefined, bare: string | undefined): BinaryString | null {
  const [, digits, unit = "ms"] = /^(0|[1-9]\d{0,8})(ms|s|min|h|d)?$/.exec(quoted ?? bare!) ?? [];
  // A number with a unit is none without quotes.
  if (digits === undefined || (quoted === undefined && !/^\d+$/.test(bare!))) return null;
  const ms = Number(rawSetting(`${digits}${unit}`));
  return ms > 0x7fffffff ? null : shownTime(ms);
}
