import { fakeServer } from "../backend/fake_server_test.ts";
import type { ServerConnection } from "../backend/mod.ts";
import * as frontend from "../../tests/harness/frontend.ts";

type Row = readonly (string | null)[];

const { concat, int16, int32, text, message } = frontend;

/** A server connection that answers each question by the next rows; what it was asked. */
export class CatalogueServer implements AsyncDisposable {
  readonly server: ServerConnection;
  readonly asked: string[] = [];
  readonly #reader: Promise<void>;

  /** Each answer is the rows of one question, or the SQLSTATE of an error, or null: the connection ends. */
  constructor(
    answers: readonly (readonly Row[] | string | null)[],
    { ahead = [["2s"]] as readonly Row[] } = {},
  ) {
    const { server, stream } = fakeServer();
    this.server = server;
    let next = 0;
    stream.onWrite = (bytes) => {
      this.asked.push(new TextDecoder().decode(bytes));
      const answer = next < answers.length ? answers[next]! : [];
      next++;
      if (answer === null) return stream.end();
      // What is asked by the extended protocol puts the timeout aside first.
      const rows = bytes[0] === 0x50 ? [...ahead, ...answer] : answer;
      stream.say(
        typeof answer === "string" ? errorOf(answer) : concat((rows as readonly Row[]).map(rowOf)),
        message("Z", text("I")),
      );
    };
    this.#reader = server.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    await this.#reader;
  }
}

function rowOf(row: Row): Uint8Array {
  const cells = row.map((cell) => cell === null ? int32(-1) : concat([int32(cell.length), text(cell)]));
  return message("D", int16(row.length), ...cells);
}

function errorOf(sqlstate: string): Uint8Array {
  return message(
    "E",
    ...["SERROR", "VERROR", `C${sqlstate}`, "Mno"].map((field) => frontend.cstring(field)),
    text("\0"),
  );
}
