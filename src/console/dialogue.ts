import { assertNever, PgplexError, toPgplexError } from "../kernel/mod.ts";
import {
  Back,
  encodeError,
  encodeNotice as encodeWarning,
  encodeReadyForQuery,
  Front,
  TxStatus,
} from "../protocol/mod.ts";
import type { ParamValue } from "./args.ts";
import { type ClientMessage, paramText } from "./client_messages.ts";
import { type Answer, type Done, isTable } from "./command.ts";
import type { Commands, Invocation } from "./commands.ts";
import type { Directed } from "./directives.ts";
import { lexStatements, paramCount } from "./lexer.ts";
import { type Portal, PreparedSet, type PreparedStatement } from "./prepared.ts";
import {
  encodeCommandComplete,
  encodeDataRow,
  encodeEmpty,
  encodeNotice,
  encodeParameterDescription,
  encodeRowDescription,
  type Format,
  formatOf,
} from "./reply.ts";
import type { Column, Table } from "./table.ts";

/** The oid of text: what a parameter is when Parse does not say. */
const TEXT_OID = 25;

/** Rows between two looks at the client's pace. */
const ROWS_AT_ONCE = 100;

/** What the dialogue asks of its surroundings. */
export interface DialoguePort {
  readonly commands: Commands;
  /** What the directives at the head of a text say. @throws PgplexError where they must be right and are not */
  directed(text: string): Directed;
  /** Directives for the transaction and for the session take effect. */
  apply(directed: Directed): void;
  /** Runs a command under its text's directives, or says why the client may not. */
  run(invocation: Invocation, params: readonly ParamValue[], directed: Directed): Answer | Promise<Answer>;
  /** Whether the client has said BEGIN. */
  inTransaction(): boolean;
  send(message: Uint8Array): void;
  /**
   * Called between statements and among rows: waits while the client is behind with reading what was sent, or others wait for
   * their turn; null where there is no need.
   *
   * @throws PgplexError why the rest is not wanted any more
   */
  pace(): Promise<void> | null;
  /** A defect of pgplex came to light; the client hears of an internal error. */
  defect(thrown: unknown): void;
}

/**
 * The console's side of the protocol, simple and extended, from decoded messages to replies.
 *
 * Invariant: after an error in an extended batch nothing is answered until Sync.
 */
export class Dialogue {
  readonly prepared = new PreparedSet();
  readonly #port: DialoguePort;
  #skipping = false;

  constructor(port: DialoguePort) {
    this.#port = port;
  }

  /** Answers one message; returns whether what was answered should be written now. Never rejects. */
  async receive(message: ClientMessage): Promise<boolean> {
    if (this.#skipping && message.kind !== "sync") return false;
    try {
      switch (message.kind) {
        case "query":
          await this.#query(message.text);
          return true;
        case "function_call":
          this.fail(
            new PgplexError("unsupported_feature", "function calls are not supported by the console"),
          );
          this.#ready();
          return true;
        case "sync":
          this.#skipping = false;
          if (!this.#port.inTransaction()) this.prepared.closeAllPortals();
          this.#ready();
          return true;
        case "flush":
          return true;
        case "parse":
          this.#parse(message);
          return false;
        case "bind":
          this.#bind(message);
          return false;
        case "describe":
          await this.#port.pace();
          await this.#describe(message);
          return false;
        case "execute":
          await this.#port.pace();
          await this.#execute(message);
          return false;
        case "close":
          if (message.target === "statement") this.prepared.closeStatement(message.name);
          else this.prepared.closePortal(message.name);
          this.#port.send(encodeEmpty(Back.CloseComplete));
          return false;
        case "copy":
        case "terminate":
          return false;
        default:
          assertNever(message);
      }
    } catch (thrown) {
      this.refuse(thrown);
      return true;
    }
  }

  /** A message could not be decoded. */
  refuseMessage(type: number, thrown: unknown): void {
    if (type === Front.Sync) this.#skipping = false;
    if (this.#skipping) return;
    if (type !== Front.Query && type !== Front.Sync) return this.refuse(thrown);
    this.fail(thrown);
    this.#ready();
  }

  /** A message could not be answered: an ERROR, then nothing until Sync. */
  refuse(thrown: unknown): void {
    this.#skipping = true;
    this.fail(thrown);
  }

  /** Sends an ERROR; what nobody meant to throw is a defect besides. */
  fail(thrown: unknown): void {
    if (!(thrown instanceof PgplexError)) this.#port.defect(thrown);
    this.#port.send(encodeError("ERROR", toPgplexError(thrown)));
  }

  #ready(): void {
    this.#port.send(encodeReadyForQuery(this.#port.inTransaction() ? TxStatus.InTransaction : TxStatus.Idle));
  }

  async #query(text: string): Promise<void> {
    try {
      const statements = lexStatements(text);
      const directed = this.#directed(text);
      this.#port.apply(directed);
      if (statements.length === 0 && directed.show === null) {
        this.#port.send(encodeEmpty(Back.EmptyQueryResponse));
      }
      for (const statement of directed.show === null ? statements : [null]) {
        await this.#port.pace();
        const invocation = statement === null ? directed.show! : this.#port.commands.find(statement);
        const answer = await this.#port.run(invocation, [], directed);
        this.#notices(answer);
        if (isTable(answer)) {
          this.#port.send(encodeRowDescription(answer.columns));
          await this.#rows(answer, []);
        }
        this.#port.send(encodeCommandComplete(tagOf(invocation, answer)));
      }
    } catch (thrown) {
      this.fail(thrown);
    } finally {
      this.#ready();
    }
  }

  #parse({ name, text, types }: ClientMessage & { kind: "parse" }): void {
    const statements = lexStatements(text);
    if (statements.length > 1) {
      throw new PgplexError("syntax_error", "cannot insert multiple commands into a prepared statement");
    }
    const [statement] = statements;
    const directed = this.#directed(text);
    const invocation = statement === undefined ? directed.show : this.#port.commands.find(statement);
    const count = Math.max(types.length, statement === undefined ? 0 : paramCount(statement));
    const paramTypes = Array.from({ length: count }, (_, index) => types[index] || TEXT_OID);
    this.prepared.addStatement(name, { invocation, directed, paramTypes, chars: text.length + 4 * count });
    this.#port.send(encodeEmpty(Back.ParseComplete));
  }

  #bind(message: ClientMessage & { kind: "bind" }): void {
    const { portal, formats, values, resultFormats } = message;
    const statement = this.prepared.statement(message.statement);
    const { paramTypes } = statement;
    if (formats.length > 1 && formats.length !== values.length) {
      const counts = `${formats.length} parameter formats but ${values.length} parameters`;
      throw new PgplexError("protocol_violation", `bind message has ${counts}`);
    }
    if (values.length !== paramTypes.length) {
      throw new PgplexError(
        "protocol_violation",
        `bind message supplies ${values.length} parameters, but prepared statement "${message.statement}" ` +
          `requires ${paramTypes.length}`,
      );
    }
    const params = values.map((value, index) =>
      paramText(value, formatOf(formats, index), paramTypes[index]!)
    );
    this.prepared.addPortal(portal, {
      statement,
      params,
      formats: resultFormats,
      answer: null,
      sent: 0,
      finished: false,
    });
    this.#port.send(encodeEmpty(Back.BindComplete));
  }

  async #describe({ target, name }: ClientMessage & { kind: "describe" }): Promise<void> {
    if (target === "statement") {
      const statement = this.prepared.statement(name);
      this.#port.send(encodeParameterDescription(statement.paramTypes));
      this.#describeColumns(await this.#columnsOf(statement), []);
    } else {
      const portal = this.prepared.portal(name);
      this.#describeColumns(await this.#portalColumns(portal), portal.formats);
    }
  }

  #describeColumns(columns: readonly Column[] | null, formats: readonly Format[]): void {
    if (columns === null) return this.#port.send(encodeEmpty(Back.NoData));
    checkFormats(formats, columns);
    this.#port.send(encodeRowDescription(columns, formats));
  }

  /** What a statement will return, its parameters not yet known. Only what has no effect is run to find out. */
  async #columnsOf({ invocation, directed }: PreparedStatement): Promise<readonly Column[] | null> {
    if (invocation === null) return null;
    const { columns } = invocation.command;
    if (columns !== undefined) return typeof columns === "function" ? columns(invocation.args()) : columns;
    if (!isShow(invocation)) return null;
    const answer = await this.#port.run(invocation, [], directed);
    return isTable(answer) ? answer.columns : null;
  }

  /** A SHOW that is described keeps what it found for Execute, so that both say the same. */
  async #portalColumns(portal: Portal): Promise<readonly Column[] | null> {
    const { statement: { invocation, directed }, params } = portal;
    if (invocation === null || !isShow(invocation)) return await this.#columnsOf(portal.statement);
    const answer = portal.answer ??
      this.prepared.keep(portal, await this.#port.run(invocation, params, directed));
    return isTable(answer) ? answer.columns : null;
  }

  async #execute({ portal: name, rowsMax }: ClientMessage & { kind: "execute" }): Promise<void> {
    const portal = this.prepared.portal(name);
    const { statement: { invocation, directed }, params, formats } = portal;
    if (portal.sent === 0 && !portal.finished) this.#port.apply(directed);
    if (invocation === null) return this.#port.send(encodeEmpty(Back.EmptyQueryResponse));
    if (portal.finished && !(portal.answer !== null && isTable(portal.answer))) {
      throw new PgplexError("portal_missing", `portal "${name}" cannot be run`, { sqlstate: "55000" });
    }
    const answer = portal.answer ??
      this.prepared.keep(portal, await this.#port.run(invocation, params, directed));
    if (portal.sent === 0 && !portal.finished) this.#notices(answer);
    if (isTable(answer)) {
      checkFormats(formats, answer.columns);
      const end = rowsMax === 0 ? answer.rows.length : Math.min(answer.rows.length, portal.sent + rowsMax);
      await this.#rows({ columns: answer.columns, rows: answer.rows.slice(portal.sent, end) }, formats);
      portal.sent = end;
      if (end < answer.rows.length) return this.#port.send(encodeEmpty(Back.PortalSuspended));
    }
    this.prepared.finish(portal);
    this.#port.send(encodeCommandComplete(tagOf(invocation, answer)));
  }

  async #rows({ columns, rows }: Table, formats: readonly Format[]): Promise<void> {
    for (const [index, row] of rows.entries()) {
      if (index % ROWS_AT_ONCE === 0) await this.#port.pace();
      this.#port.send(encodeDataRow(columns, row, formats));
    }
  }

  /** @throws PgplexError `invalid_directive` */
  #directed(text: string): Directed {
    const directed = this.#port.directed(text);
    for (const warning of directed.warnings) this.#port.send(encodeWarning("WARNING", warning));
    return directed;
  }

  #notices({ notices = [] }: Done): void {
    for (const notice of notices) this.#port.send(encodeNotice(notice));
  }
}

function isShow({ command }: Invocation): boolean {
  return command.words[0] === "SHOW" || command.words[0] === "SELECT";
}

function tagOf({ command }: Invocation, { tag }: Done): string {
  return tag ?? command.words[0]!;
}

function checkFormats(formats: readonly Format[], columns: readonly Column[]): void {
  if (formats.length <= 1 || formats.length === columns.length) return;
  const counts = `${formats.length} result formats but query has ${columns.length} columns`;
  throw new PgplexError("protocol_violation", `bind message has ${counts}`);
}
