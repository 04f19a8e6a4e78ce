import { encodeNotice as encodeWarning } from "../../protocol/mod.ts";
import type { Done, Table } from "../answer/mod.ts";
import type { Invocation } from "../command/mod.ts";
import { encodeCommandComplete, encodeDataRow, encodeNotice, type Format } from "../wire/mod.ts";
import type { DialoguePort } from "./dialogue_port.ts";
import type { Directed } from "./directives.ts";

/** Rows between two calls of {@link DialoguePort.pace}. */
const ROWS_AT_ONCE = 100;

/** Sends what the simple and the extended protocol have in common: warnings, notices, rows and the command tag. */
export class AnswerSender {
  readonly #port: DialoguePort;

  constructor(port: DialoguePort) {
    this.#port = port;
  }

  /** Reads a text's directives and sends a WARNING for each that is not followed. @throws PgplexError `invalid_directive` */
  directed(text: string): Directed {
    const directed = this.#port.directed(text);
    for (const warning of directed.warnings) this.#port.send(encodeWarning("WARNING", warning));
    return directed;
  }

  notices({ notices = [] }: Done): void {
    for (const notice of notices) this.#port.send(encodeNotice(notice));
  }

  /** Sends rows; waits while the client is behind. @throws PgplexError as {@link DialoguePort.pace} */
  async rows({ columns, rows }: Table, formats: readonly Format[]): Promise<void> {
    for (const [index, row] of rows.entries()) {
      if (index % ROWS_AT_ONCE === 0) await this.#port.pace();
      this.#port.send(encodeDataRow(columns, row, formats));
    }
  }

  /** Sends the command tag. */
  complete({ command }: Invocation, { tag }: Done): void {
    this.#port.send(encodeCommandComplete(tag ?? command.words[0]!));
  }
}
