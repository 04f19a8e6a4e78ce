import { assertNever, PgplexError, toPgplexError } from "../../kernel/mod.ts";
import { Back, encodeError, encodeReadyForQuery, Front, TxStatus } from "../../protocol/mod.ts";
import { isTable } from "../answer/mod.ts";
import { lexStatements } from "../command/mod.ts";
import { type ClientMessage, encodeEmpty, encodeRowDescription } from "../wire/mod.ts";
import { AnswerSender } from "./answer_sender.ts";
import type { DialoguePort } from "./dialogue_port.ts";
import { ExtendedQuery } from "./extended_query.ts";
import type { PreparedSet } from "./prepared.ts";

/**
 * The console's side of the protocol, simple and extended, from decoded messages to replies.
 *
 * Invariant: after an error in an extended batch nothing is answered until Sync.
 */
export class Dialogue {
  readonly #port: DialoguePort;
  readonly #sender: AnswerSender;
  readonly #extended: ExtendedQuery;
  #skipping = false;

  constructor(port: DialoguePort) {
    this.#port = port;
    this.#sender = new AnswerSender(port);
    this.#extended = new ExtendedQuery(port, this.#sender);
  }

  /** The client's prepared statements and portals. */
  get prepared(): PreparedSet {
    return this.#extended.prepared;
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
          this.#extended.parse(message);
          return false;
        case "bind":
          this.#extended.bind(message);
          return false;
        case "describe":
          await this.#port.pace();
          await this.#extended.describe(message);
          return false;
        case "execute":
          await this.#port.pace();
          await this.#extended.execute(message);
          return false;
        case "close":
          this.#extended.close(message);
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

  /** Sends an ERROR; anything but a PgplexError is reported as a defect as well. */
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
      const directed = this.#sender.directed(text);
      this.#port.apply(directed);
      if (statements.length === 0 && directed.show === null) {
        this.#port.send(encodeEmpty(Back.EmptyQueryResponse));
      }
      for (const statement of directed.show === null ? statements : [null]) {
        await this.#port.pace();
        const invocation = statement === null ? directed.show! : this.#port.commands.find(statement);
        const answer = await this.#port.run(invocation, [], directed);
        this.#sender.notices(answer);
        if (isTable(answer)) {
          this.#port.send(encodeRowDescription(answer.columns));
          await this.#sender.rows(answer, []);
        }
        this.#sender.complete(invocation, answer);
      }
    } catch (thrown) {
      this.fail(thrown);
    } finally {
      this.#ready();
    }
  }
}
