import { PgplexError } from "../../kernel/mod.ts";
import { Back } from "../../protocol/mod.ts";
import { type Column, isTable } from "../answer/mod.ts";
import { type Invocation, lexStatements, paramCount } from "../command/mod.ts";
import {
  type ClientMessage,
  encodeEmpty,
  encodeParameterDescription,
  encodeRowDescription,
  type Format,
  formatOf,
  paramText,
} from "../wire/mod.ts";
import type { AnswerSender } from "./answer_sender.ts";
import type { DialoguePort } from "./dialogue_port.ts";
import { type Portal, PreparedSet, type PreparedStatement } from "./prepared.ts";

/** The oid of text: what a parameter is when Parse does not say. */
const TEXT_OID = 25;

/** The extended protocol: Parse, Bind, Describe, Execute and Close over the client's statements and portals. */
export class ExtendedQuery {
  readonly prepared = new PreparedSet();
  readonly #port: DialoguePort;
  readonly #sender: AnswerSender;

  constructor(port: DialoguePort, sender: AnswerSender) {
    this.#port = port;
    this.#sender = sender;
  }

  /** Parse: keeps the statement, without running it. @throws PgplexError */
  parse({ name, text, types }: ClientMessage & { kind: "parse" }): void {
    const statements = lexStatements(text);
    if (statements.length > 1) {
      throw new PgplexError("syntax_error", "cannot insert multiple commands into a prepared statement");
    }
    const [statement] = statements;
    const directed = this.#sender.directed(text);
    const invocation = statement === undefined ? directed.show : this.#port.commands.find(statement);
    const count = Math.max(types.length, statement === undefined ? 0 : paramCount(statement));
    const paramTypes = Array.from({ length: count }, (_, index) => types[index] || TEXT_OID);
    this.prepared.addStatement(name, { invocation, directed, paramTypes, chars: text.length + 4 * count });
    this.#port.send(encodeEmpty(Back.ParseComplete));
  }

  /** Bind: keeps a portal. @throws PgplexError */
  bind(message: ClientMessage & { kind: "bind" }): void {
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

  /** Describe. @throws PgplexError */
  async describe({ target, name }: ClientMessage & { kind: "describe" }): Promise<void> {
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

  /** The columns of a statement before its parameters are known. Only a SHOW, which has no effect, is run to find out. */
  async #columnsOf({ invocation, directed }: PreparedStatement): Promise<readonly Column[] | null> {
    if (invocation === null) return null;
    const { columns } = invocation.command;
    if (columns !== undefined) return typeof columns === "function" ? columns(invocation.args()) : columns;
    if (!isShow(invocation)) return null;
    const answer = await this.#port.run(invocation, [], directed);
    return isTable(answer) ? answer.columns : null;
  }

  /** A SHOW that is described keeps its answer for Execute, so that both agree. */
  async #portalColumns(portal: Portal): Promise<readonly Column[] | null> {
    const { statement: { invocation, directed }, params } = portal;
    if (invocation === null || !isShow(invocation)) return await this.#columnsOf(portal.statement);
    const answer = portal.answer ??
      this.prepared.keep(portal, await this.#port.run(invocation, params, directed));
    return isTable(answer) ? answer.columns : null;
  }

  /** Execute: runs the portal's command, or sends more of its rows. @throws PgplexError */
  async execute({ portal: name, rowsMax }: ClientMessage & { kind: "execute" }): Promise<void> {
    const portal = this.prepared.portal(name);
    const { statement: { invocation, directed }, params, formats } = portal;
    if (portal.sent === 0 && !portal.finished) this.#port.apply(directed);
    if (invocation === null) return this.#port.send(encodeEmpty(Back.EmptyQueryResponse));
    if (portal.finished && !(portal.answer !== null && isTable(portal.answer))) {
      throw new PgplexError("portal_missing", `portal "${name}" cannot be run`, { sqlstate: "55000" });
    }
    const answer = portal.answer ??
      this.prepared.keep(portal, await this.#port.run(invocation, params, directed));
    if (portal.sent === 0 && !portal.finished) this.#sender.notices(answer);
    if (isTable(answer)) {
      checkFormats(formats, answer.columns);
      const end = rowsMax === 0 ? answer.rows.length : Math.min(answer.rows.length, portal.sent + rowsMax);
      await this.#sender.rows(
        { columns: answer.columns, rows: answer.rows.slice(portal.sent, end) },
        formats,
      );
      portal.sent = end;
      if (end < answer.rows.length) return this.#port.send(encodeEmpty(Back.PortalSuspended));
    }
    this.prepared.finish(portal);
    this.#sender.complete(invocation, answer);
  }

  /** Close: as in PostgreSQL no error for a name that does not exist. */
  close({ target, name }: ClientMessage & { kind: "close" }): void {
    if (target === "statement") this.prepared.closeStatement(name);
    else this.prepared.closePortal(name);
    this.#port.send(encodeEmpty(Back.CloseComplete));
  }
}

function isShow({ command }: Invocation): boolean {
  return command.words[0] === "SHOW" || command.words[0] === "SELECT";
}

function checkFormats(formats: readonly Format[], columns: readonly Column[]): void {
  if (formats.length <= 1 || formats.length === columns.length) return;
  const counts = `${formats.length} result formats but query has ${columns.length} columns`;
  throw new PgplexError("protocol_violation", `bind message has ${counts}`);
}
