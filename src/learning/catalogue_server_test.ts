import { strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import type { ServerConnection } from "../backend/mod.ts";
import * as frontend from "../../tests/harness/frontend.ts";

type Row = readonly (string | null)[];

const { concat, int16, int32, text, message } = frontend;

/** What pgplex's own transactions are made of, besides what they ask: see `runOwn`. */
const AROUND = /^(?:BEGIN ISOLATION LEVEL|SET LOCAL |COMMIT)/;

/** A server connection that answers each question by the next rows; what it was asked. */
export class CatalogueServer implements AsyncDisposable {
  readonly server: ServerConnection;
  /** The questions, without the transactions around them. */
  readonly asked: string[] = [];
  /** What stands around them, in order; a `?` for each question. */
  readonly around: string[] = [];
  readonly #reader: Promise<void>;
  readonly #answers: readonly (readonly Row[] | string | null)[];
  #status = "I";

  /** Each answer is the rows of one question, or the SQLSTATE of an error, or null: the connection ends. */
  constructor(answers: readonly (readonly Row[] | string | null)[]) {
    const { server, stream } = fakeServer();
    this.server = server;
    this.#answers = answers;
    stream.onWrite = (bytes) => {
      for (const sql of queriesIn(bytes)) {
        const said = this.#answer(sql);
        if (said === null) return stream.end();
        stream.say(said, message("Z", text(this.#status)));
      }
    };
    this.#reader = server.start();
  }

  /** All but ReadyForQuery; null: the connection ends. */
  #answer(sql: string): Uint8Array | null {
    const isAround = AROUND.test(sql);
    this.around.push(isAround ? sql : "?");
    if (sql === "COMMIT") {
      this.#status = "I";
      return new Uint8Array(0);
    }
    if (this.#status === "E") return errorOf("25P02");
    this.#status = "T";
    if (isAround) return concat([...sql.matchAll(/SHOW \w+/g)].map(() => rowOf(["none"])));
    const answer = this.#answers[this.asked.push(sql) - 1];
    if (answer === null) return null;
    if (typeof answer !== "string") return concat((answer ?? []).map(rowOf));
    this.#status = "E";
    return errorOf(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    await this.#reader;
  }
}

/** The texts of simple queries: nothing else is asked. */
function queriesIn(bytes: Uint8Array): string[] {
  const queries: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
    equal(String.fromCharCode(bytes[at]!), "Q");
    queries.push(new TextDecoder("latin1").decode(bytes.subarray(at + 5, end - 1)));
    at = end;
  }
  return queries;
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
