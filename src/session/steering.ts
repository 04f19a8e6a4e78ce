import { Owed, type ServerConnection } from "../backend/mod.ts";
import { type PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  binaryFromUtf8,
  type BinaryString,
  binaryString,
  encodeBind,
  encodeCloseStatement,
  encodeExecute,
  encodeNotice,
  encodeParse,
  HEAD_BYTES_MAX,
  headMayConcern,
  type OptionStatement,
  type SqlHead,
  sqlHead,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { type Directive, type DirectiveProblem, type OptionChange, parseDirective } from "./directives.ts";
import type { Relay } from "./relay.ts";
import { notAllowed, OPTION_PREFIX, optionValue, type SessionOptions } from "./session_options.ts";

/** The statement that pgplex makes for itself to SET what a directive says. */
const OWN_STATEMENT = "pgplex_option";

/** What a statement's head asks of pgplex. */
export interface Steered {
  /** The statement fails with this. */
  readonly error: PgplexError | null;
  /** WARNINGs for the client. */
  readonly warnings: readonly PgplexError[];
  /** What the server gets in place of the client's text. */
  readonly text: BinaryString | null;
  /** Options that hold for this statement. */
  readonly statement: readonly OptionChange[];
  readonly transaction: readonly OptionChange[];
  /** Options that directives set for the session. */
  readonly session: readonly OptionChange[];
  readonly pin: boolean | null;
  /** SET or RESET of an option in the text itself. */
  readonly option: { readonly name: string; readonly value: unknown } | null;
}

/** Whom a session's statements steer. */
export interface SteeringHost {
  readonly options: SessionOptions;
  /** What holds without the client. */
  readonly poolSettings: PoolSettings;
  /** A SET of an option may be refused for what the session is. */
  refusal(change: { readonly name: string; readonly value: unknown }): PgplexError | null;
  /** Options, or the time for which they hold, have changed. */
  steered(): void;
  /** Rows of `show session`: name and value. */
  describe(): readonly (readonly [string, string | null])[];
  /** Rows of `show options`: name, value, source, description. */
  describeOptions(): readonly (readonly string[])[];
}

/** Statements that speak to pgplex: directives in comments, and SET, RESET and SHOW of its own options. Pure. */
export class Steering {
  readonly #relay: Relay;
  readonly #host: SteeringHost;

  constructor(relay: Relay, host: SteeringHost) {
    this.#relay = relay;
    this.#host = host;
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
    const complete = textEnd <= end && textEnd - start <= HEAD_BYTES_MAX;
    const text = binaryString(bytes, start, complete ? textEnd - 1 : Math.min(end, start + HEAD_BYTES_MAX));
    const head = sqlHead(text);
    const { directives: policy } = this.#host.poolSettings;
    const read = policy === "off" ? [] : head.directives;
    const option = complete ? head.option : null;
    if (read.length === 0 && option === null) return null;
    return this.#decide(
      text,
      { directives: read, empty: complete && head.empty, option },
      policy === "strict",
    );
  }

  #decide(text: BinaryString, head: SqlHead, strict: boolean): Steered {
    const problems: PgplexError[] = [];
    const changes = {
      statement: [] as OptionChange[],
      transaction: [] as OptionChange[],
      session: [] as OptionChange[],
    };
    let pin: boolean | null = null;
    let show: Directive["show"] = null;
    for (const { arguments: args, index } of head.directives) {
      const directive = this.#check(parseDirective(utf8FromBinary(args)), head.empty);
      if ("message" in directive) {
        problems.push(this.#problem(directive, text, index));
        continue;
      }
      changes[directive.scope].push(...directive.changes);
      pin = directive.pin ?? pin;
      show = directive.show ?? show;
    }
    const outcome: Steered = {
      ...changes,
      pin,
      error: null,
      warnings: [],
      option: null,
      text: show === null ? null : this.#showTable(show),
    };
    if (problems.length > 0 && strict) return { ...outcome, error: problems[0]! };
    try {
      return { ...outcome, warnings: problems, ...this.#option(head.option) };
    } catch (thrown) {
      if (thrown instanceof PgplexError) return { ...outcome, error: thrown };
      throw thrown;
    }
  }

  /** What a directive may be refused for though it is well formed. */
  #check(directive: Directive | DirectiveProblem, alone: boolean): Directive | DirectiveProblem {
    if ("message" in directive) return directive;
    const { options_allowed: allowed } = this.#host.poolSettings;
    const refuse = (message: string, hint: string | undefined) => ({ index: 0, message, hint });
    if (directive.show !== null && !alone) {
      return refuse(`"show ${directive.show}" must stand alone`, "Send the directive without a statement.");
    }
    for (const { spec, value } of directive.changes) {
      const error = allowed.includes(spec.name)
        ? directive.scope === "session" ? this.#host.refusal({ name: spec.name, value }) : null
        : notAllowed(spec);
      if (error !== null) return refuse(error.message, error.extra.hint);
    }
    return directive;
  }

  #problem({ index, message, hint }: DirectiveProblem, text: BinaryString, at: number): PgplexError {
    const argumentsAt = text.indexOf("pgplex", at) + "pgplex".length + index;
    return new PgplexError("invalid_directive", message, {
      ...(hint === undefined ? {} : { hint }),
      position: utf8FromBinary(text.slice(0, argumentsAt)).length + 1,
    });
  }

  #option(option: OptionStatement | null): Partial<Steered> {
    if (option === null) return {};
    const { poolSettings, options } = this.#host;
    const name = utf8FromBinary(option.name);
    if (option.kind === "show") {
      const { spec } = optionValue(name, null, poolSettings.options_allowed.concat(name));
      const { text, overridden } = options.base(spec, poolSettings);
      const setting = `${OPTION_PREFIX}${spec.name}`;
      const value = overridden
        ? literal(text)
        : `coalesce(nullif(pg_catalog.current_setting('${setting}', true), ''), ${literal(text)})`;
      return { text: binaryFromUtf8(`SELECT ${value} AS "${setting}"`) };
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
    const values = rows.map((row) =>
      `(${row.map((cell) => cell === null ? "NULL" : literal(cell)).join(", ")})`
    );
    return binaryFromUtf8(`SELECT * FROM (VALUES ${values.join(", ")}) AS ${what} (${names})`);
  }

  /**
   * Before a server connection is had for a statement: what its head says of the wait holds already.
   *
   * @returns false when more of it must come first.
   */
  foresee(bytes: Uint8Array, start: number, textEnd: number, end: number): boolean {
    if (!headMayConcern(bytes, start, Math.min(end, textEnd - 1))) return true;
    if (!this.sees(textEnd - start, end - start)) return false;
    const steered = this.peek(bytes, start, textEnd, end);
    if (steered === null || steered.error !== null) return true;
    const { options } = this.#host;
    for (const { spec, value } of steered.transaction) options.setForTransaction(spec.name, value);
    this.beginStatement(steered.statement);
    return true;
  }

  /** Does what {@link peek} found, in front of the statement, which goes to the server next. */
  apply(server: ServerConnection, steered: Steered, simple: boolean): void {
    const { options } = this.#host;
    for (const warning of steered.warnings) {
      this.#relay.answer(Owed.Close, { done() {}, undo() {}, reply: encodeNotice("WARNING", warning) });
    }
    for (const { spec, value } of steered.transaction) options.setForTransaction(spec.name, value);
    for (const { spec, value, text } of steered.session) {
      options.set(spec.name, value);
      this.#setOnServer(server, spec.name, text, simple);
    }
    if (steered.option !== null) options.set(steered.option.name as never, steered.option.value);
    if (steered.session.length > 0 || steered.option !== null) this.#relay.watch.mentionsOptions();
    if (steered.pin !== null) options.pinned = steered.pin;
    this.beginStatement(steered.statement);
  }

  /** A statement with these options of its own begins; what the one before had is over. */
  beginStatement(changes: readonly OptionChange[] | null): void {
    const { options } = this.#host;
    options.setForStatement(
      changes === null || changes.length === 0
        ? null
        : new Map(changes.map(({ spec, value }) => [spec.name, value])),
    );
    this.#host.steered();
  }

  /** The server keeps the option as it keeps a SET of the client's, so that one truth holds for both. */
  #setOnServer(server: ServerConnection, name: string, text: string, simple: boolean): void {
    const { owed } = server;
    if (owed.skipping || server.txStatus === TxStatus.Failed) return;
    const sql = `SET ${OPTION_PREFIX}${name} TO ${literal(text)}`;
    server.out.put(encodeParse(OWN_STATEMENT, binaryFromUtf8(sql)));
    server.out.put(encodeBind(OWN_STATEMENT, []));
    server.out.put(encodeExecute());
    server.out.put(encodeCloseStatement(OWN_STATEMENT));
    this.#relay.ownMessages(server, [Owed.Parse, Owed.Bind, Owed.Execute, Owed.Close], simple);
  }
}

/** As quote_literal: right whatever standard_conforming_strings says. */
function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return text.includes("\\") ? `E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}
