import { Buffer } from "node:buffer";
import { Owed, runInternalAs, type ServerConnection } from "../backend/mod.ts";
import { formatOption, type PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  binaryFromUtf8,
  type BinaryString,
  binaryString,
  encodeNotice,
  findNul,
  HEAD_BYTES_MAX,
  headMayConcern,
  type OptionStatement,
  type SqlHead,
  sqlHead,
  sqlLiteral,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import type { ClientCursor } from "./client_cursor.ts";
import {
  headDirectives,
  type Intent,
  OPTION_PREFIX,
  type OptionChange,
  optionValue,
  type OptionValues,
  type SessionOptions,
  type ShownOption,
  type StandingOrder,
} from "../options/mod.ts";
import { intentIn } from "./reads.ts";
import type { Relay } from "./relay.ts";

/** The internal statement that SETs what a directive says. */
const INTERNAL_STATEMENT = "pgplex:option";

/** What a statement's head asks of pgplex. */
export interface Steered {
  /** The statement fails with this. */
  readonly error: PgplexError | null;
  /** WARNINGs for the client. */
  readonly warnings: readonly PgplexError[];
  /** What the server gets in place of the client's text. */
  readonly text: BinaryString | null;
  /** Makes {@link text} again each time that a statement runs which was prepared: what holds then may be something else. */
  readonly remake: (() => BinaryString) | null;
  /** Options that hold for this statement. */
  readonly statement: readonly OptionChange[];
  readonly transaction: readonly OptionChange[];
  /** Options that directives set for the session. */
  readonly session: readonly OptionChange[];
  readonly pin: boolean | null;
  /** SET or RESET of an option in the text itself. */
  readonly option: { readonly name: string; readonly value: unknown } | null;
  /** SHOW of one: {@link text} asks the server what a SET has left, where one is held. */
  readonly show: ShownOption | null;
}

/** Whom a session's statements steer. */
export interface SteeringHost {
  readonly options: SessionOptions;
  /** What holds without the client. */
  readonly poolSettings: PoolSettings;
  /** A SET of an option may be refused for what the session is. */
  refusal(change: { readonly name: string; readonly value: unknown }): PgplexError | null;
  /** From now on a statement may run for so long, in milliseconds; 0: for ever; null: nothing is said of its own. */
  statementBegins(timeoutMs: number | null): void;
  /** Whether what the client set for itself is known: no server connection is being looked at for it. */
  readonly optionsKnown: boolean;
  /** The client had an answer for which no server connection was needed. */
  answeredItself(): void;
  /** Rows of `show session`: name and value. */
  describe(): readonly (readonly [string, string | null])[];
  /** Rows of `show options`: name, value, source, description. */
  describeOptions(): readonly (readonly string[])[];
}

/** Statements that speak to pgplex: directives in comments, and SET, RESET and SHOW of pgplex's options. Pure. */
export class Steering {
  readonly #relay: Relay;
  readonly #host: SteeringHost;
  /** A statement that has a time of its own is on its way. */
  #timed = false;

  constructor(relay: Relay, host: SteeringHost) {
    this.#relay = relay;
    this.#host = host;
  }

  /** Whether a text may concern pgplex by how it begins: as {@link headMayConcern}, or by {@link Reads}. */
  mayConcern(bytes: Uint8Array, start: number, end: number, textEnd: number): boolean {
    return headMayConcern(bytes, start, end, textEnd) ||
      this.#relay.reads.mayConcern(bytes, start, end, textEnd);
  }

  /** Whether of a text of `length` bytes enough is there, when `seen` bytes are, to {@link peek}. */
  sees(length: number, seen: number): boolean {
    return seen >= Math.min(length, HEAD_BYTES_MAX);
  }

  /**
   * What a statement asks of pgplex, if anything; nothing is done yet. Its text, NUL included, lies from `start` to `textEnd`
   * if all of it has come; there is nothing behind `end`.
   */
  peek(bytes: Uint8Array, start: number, textEnd: number, end: number): Steered | null {
    const whole = textEnd <= end && textEnd - start <= HEAD_BYTES_MAX;
    const textStop = whole ? textEnd - 1 : Math.min(end, start + HEAD_BYTES_MAX);
    // Malformed: the server says so.
    if ((whole && bytes[textStop] !== 0) || findNul(bytes, start, textStop) >= 0) return null;
    const text = binaryString(bytes, start, textStop);
    const head = sqlHead(text, whole);
    const { directives: policy } = this.#host.poolSettings;
    const directives = policy === "off" ? [] : head.directives;
    const implied = this.#relay.reads.implied(text);
    if (directives.length === 0 && head.option === null && implied === null) return null;
    const steered = this.#decide(text, { ...head, directives }, policy === "strict");
    if (implied === null) return steered;
    // What stands later holds: directives say it themselves.
    return {
      ...steered,
      statement: [...implied.statement, ...steered.statement],
      transaction: [...implied.transaction, ...steered.transaction],
    };
  }

  #decide(text: BinaryString, head: SqlHead, strict: boolean): Steered {
    const { pin, show, problems, ...changes } = headDirectives(head.directives, text, {
      allowed: this.#host.poolSettings.options_allowed,
      pins: true,
      alone: head.empty,
      refusal: ({ spec, value }, scope) =>
        scope === "session" ? this.#host.refusal({ name: spec.name, value }) : null,
      decode: utf8FromBinary,
    });
    const outcome: Steered = {
      ...changes,
      pin,
      error: null,
      warnings: [],
      option: null,
      show: null,
      text: show === null ? null : this.#showTable(show),
      remake: show !== null || head.option?.kind === "show"
        ? () => this.#decide(text, head, false).text ?? ""
        : null,
    };
    if (problems.length > 0 && strict) return { ...outcome, error: problems[0]! };
    try {
      return { ...outcome, warnings: problems, ...this.#option(head.option, changes) };
    } catch (thrown) {
      if (thrown instanceof PgplexError) return { ...outcome, error: thrown };
      throw thrown;
    }
  }

  #option(
    option: OptionStatement | null,
    changes: Pick<Steered, "statement" | "transaction">,
  ): Partial<Steered> {
    if (option === null) return {};
    const { poolSettings, options } = this.#host;
    const name = utf8FromBinary(option.name);
    if (option.kind === "show") {
      const { spec } = optionValue(name, null, poolSettings.options_allowed.concat(name));
      const last = [...changes.transaction, ...changes.statement].findLast((change) => change.spec === spec);
      const { text, overridden } = last === undefined
        ? options.base(spec, poolSettings)
        : { text: formatOption(spec, last.value), overridden: true };
      const setting = `${OPTION_PREFIX}${spec.name}`;
      const literal = sqlLiteral(text, { unicode: false });
      const value = overridden
        ? literal
        : `coalesce(nullif(pg_catalog.current_setting('${setting}', true), ''), ${literal})`;
      const known = () =>
        last === undefined
          ? options.shown(spec, this.#host.poolSettings).text
          : formatOption(spec, last.value);
      return {
        text: binaryFromUtf8(`SELECT ${value} AS "${setting}"`),
        show: { setting, text: known },
      };
    }
    const given = option.kind === "set" && option.value !== null ? utf8FromBinary(option.value) : null;
    const { spec, value } = optionValue(name, given, poolSettings.options_allowed);
    const change = { name: spec.name, value };
    const error = this.#host.refusal(change);
    if (error !== null) throw error;
    return { option: change };
  }

  #showTable(what: "session" | "options"): BinaryString {
    const [names, rows] = what === "session"
      ? ["name, value", this.#host.describe()]
      : ["name, value, source, description", this.#host.describeOptions()];
    const reported = this.#relay.server?.reported.values;
    const unicode = reported?.get("server_encoding") === "UTF8" && reported.get("client_encoding") === "UTF8";
    const cells = (row: readonly (string | null)[]) =>
      row.map((cell) => cell === null ? "NULL" : sqlLiteral(cell, { unicode })).join(", ");
    const values = rows.map((row) => `(${cells(row)})`);
    return binaryFromUtf8(`SELECT * FROM (VALUES ${values.join(", ")}) AS ${what} (${names})`);
  }

  /**
   * Before a server connection is had for a statement whose head may concern pgplex: what it says of the wait holds already.
   *
   * @returns false when more of it must come first.
   */
  foresee({ bytes, end }: ClientCursor, start: number, textEnd: number): boolean {
    if (!this.sees(textEnd - start, end - start)) return false;
    const steered = this.peek(bytes, start, textEnd, end);
    if (steered === null || steered.error !== null) return true;
    const { options } = this.#host;
    for (const { spec, value } of steered.transaction) options.setForTransaction(spec.name, value);
    this.foreseeStatement(steered.statement);
    return true;
  }

  /** What a statement says of its intent; null for nothing, undefined when more of it must come first. */
  intentOf({ bytes, end }: ClientCursor, start: number, textEnd: number): Intent | null | undefined {
    if (!this.sees(textEnd - start, end - start)) return undefined;
    const steered = this.peek(bytes, start, textEnd, end);
    return steered === null ? null : intentIn([...steered.transaction, ...steered.statement]);
  }

  /** Whether pgplex answers a statement without a server connection: SHOW of an option, or an error. */
  answersItself({ error, show, session, transaction, pin }: Steered): boolean {
    if (session.length > 0 || pin !== null || !this.optionsKnown) return false;
    return error !== null ? transaction.length === 0 : show !== null;
  }

  /** Whether what SHOW of an option says is known without asking a server. */
  get optionsKnown(): boolean {
    return this.#host.optionsKnown;
  }

  /** The client had such an answer. */
  answered(): void {
    this.#host.answeredItself();
  }

  /** {@link foresee} of a statement that was prepared with these options. */
  foreseeStatement(changes: readonly OptionChange[]): void {
    this.#setForTransaction(changes);
    this.#host.options.setForStatement(valuesOf(changes));
  }

  /**
   * Does what {@link peek} found, but for the options of the statement alone, in front of the statement, which goes to the server
   * next. Once for each: the scan does not stop behind it.
   */
  apply(server: ServerConnection, steered: Steered, simple: boolean): void {
    const { options } = this.#host;
    if (steered.warnings.length > 0) {
      const reply = Buffer.concat(steered.warnings.map((warning) => encodeNotice("WARNING", warning)));
      this.#relay.answer(Owed.Close, { done() {}, undo() {}, reply });
    }
    for (const { spec, value } of steered.transaction) options.setForTransaction(spec.name, value);
    const session = new Map(steered.session.map((change) => [change.spec.name, change]));
    for (const [name, { value, text }] of session) {
      options.set(name, value);
      this.#setOnServer(server, name, text, simple);
    }
    if (steered.option !== null) options.set(steered.option.name as never, steered.option.value);
    if (steered.session.length > 0 || steered.option !== null) this.#relay.watch.mentionsOptions();
    if (steered.pin !== null) options.askPin(steered.pin);
    if (steered.show !== null && !simple) this.#relay.attention.begin();
  }

  /** Whether options hold for one statement alone: the next one must {@link begin}. */
  get active(): boolean {
    return this.#host.options.forStatement;
  }

  /** Whether a statement has a time of its own: until it is answered, no other goes to the server. */
  get timed(): boolean {
    return this.#timed;
  }

  /**
   * The message at hand begins a statement for which these options hold, or none; what held for the one before is over.
   *
   * A statement that has a time of its own runs alone. It goes when what was sent before is answered, so that its time is no
   * other's, and what stands behind waits for its answer, so that a cancel meets nothing else.
   *
   * @returns false when the scan has to stop in front of the message.
   */
  begin(cursor: ClientCursor, changes: readonly OptionChange[]): boolean {
    const values = valuesOf(changes);
    this.#setForTransaction(changes);
    const timeoutMs = values?.get("query_timeout") as number | undefined ?? null;
    if ((timeoutMs !== null || this.#timed) && cursor.awaitRuns()) return false;
    this.#host.options.setForStatement(values);
    if (timeoutMs !== null || this.#timed) this.#host.statementBegins(timeoutMs);
    this.#timed = timeoutMs !== null;
    if (this.#timed) this.#relay.attention.begin();
    return true;
  }

  /** What a prepared statement says for its transaction, said again each time that it runs. */
  #setForTransaction(changes: readonly OptionChange[]): void {
    for (const { spec, value, forTransaction } of changes) {
      if (forTransaction === true) this.#host.options.setForTransaction(spec.name, value);
    }
  }

  /** The last statement is answered, or failed for want of a server: nothing of its own holds any more. */
  statementEnds(): void {
    if (!this.active) return;
    this.#host.options.setForStatement(null);
    if (this.#timed) this.#host.statementBegins(null);
    this.#timed = false;
  }

  /** The server keeps the option as it keeps a SET of the client's, so that one truth holds for both. */
  #setOnServer(server: ServerConnection, name: string, text: string, simple: boolean): void {
    const { owed } = server;
    if (owed.skipping || server.txStatus === TxStatus.Failed) return;
    const sql = `SET ${OPTION_PREFIX}${name} TO ${sqlLiteral(text, { unicode: false })}`;
    runInternalAs(server, INTERNAL_STATEMENT, binaryFromUtf8(sql));
    this.#relay.progress.syncAhead(server, simple);
  }
}

/** By name, the later of two; null for none. */
function valuesOf(changes: readonly OptionChange[]): OptionValues | null {
  const ofStatement = changes.filter(({ forTransaction }) => forTransaction !== true);
  return ofStatement.length === 0 ? null : new Map(ofStatement.map(({ spec, value }) => [spec.name, value]));
}

/** What a prepared statement asks of pgplex each time that it runs; null for nothing. */
export function orderOf(steered: Steered | null): StandingOrder | null {
  if (steered === null) return null;
  const { remake, show } = steered;
  const changes = [
    ...steered.statement,
    ...steered.transaction.map((change) => ({ ...change, forTransaction: true })),
  ];
  return changes.length === 0 && remake === null && show === null ? null : { changes, remake, show };
}
