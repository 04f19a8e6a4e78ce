import { fakeServer, type FakeStream } from "../backend/fake_server_test.ts";
import { type ServerConnection, Settings, type SqlStatement, type StatementStore } from "../backend/mod.ts";
import { PgplexError, SeededRandom } from "../kernel/mod.ts";
import {
  type BinaryString,
  binaryString,
  encodeError,
  encodeParameterStatus,
  encodeReadyForQuery,
  TxStatus,
} from "../protocol/mod.ts";
import { restoreState } from "./restore.ts";

const errorOf = (sqlstate: string) =>
  encodeError("ERROR", new PgplexError("internal", `no: ${sqlstate}`, { sqlstate }));

/** Of what tests set, what is reported, and may be known to be SET. */
const MARKED = ["TimeZone", "DateStyle", "search_path"];

/** A server that reports each setting that it is asked to set, has transactions, and keeps what was asked. */
export class Script implements AsyncDisposable {
  readonly server: ServerConnection;
  readonly stream: FakeStream;
  readonly statements: StatementStore;
  /** What was asked, a message each: its type and its texts. */
  readonly asked: string[] = [];
  /** How many writes that were. */
  writes = 0;
  readonly reader: Promise<void>;
  /** The session's prepared statements that SQL made. */
  sqlStatements: ReadonlyMap<string, SqlStatement> = new Map();
  /** Settings that cannot be set, and statements that fail, each with its SQLSTATE. */
  readonly refuses = new Map<string, string>();
  /** Settings of which it reports nothing. */
  readonly silent = new Set<string>();
  /** Whether it leaves a transaction open. */
  keepsOpen = false;
  /** Settings as they are now: the opening ones, and what was set since. */
  readonly values: Map<string, string>;
  readonly #opening: ReadonlyMap<string, string>;
  readonly #prepared = new Set<string>();
  /** As the transaction began, and at its savepoint. */
  #before: ReadonlyMap<string, string>[] = [];
  #status: number = TxStatus.Idle;
  #said: Uint8Array[] = [];

  constructor(settings: Record<string, string>) {
    this.#opening = new Map(Object.entries(settings));
    this.values = new Map(this.#opening);
    const { server, stream, statements } = fakeServer({ settings: Settings.from(this.#opening) });
    this.server = server;
    this.stream = stream;
    this.statements = statements;
    stream.onWrite = (bytes) => this.#answer(bytes);
    this.reader = server.start();
  }

  /** `wereSet`: what was SET of what is reported; all that is no default, unless said. */
  restore(
    settings: Record<string, string>,
    { wereSet, ...wish }: { readonly loginName?: string; readonly wereSet?: readonly string[] } = {},
  ): ReturnType<typeof restoreState> {
    const isOther = (name: string) =>
      MARKED.includes(name) && this.#opening.has(name) && this.#opening.get(name) !== settings[name];
    const marked = new Set(wereSet ?? Object.keys(settings).filter(isOther));
    const wished = {
      base: { key: "[]", params: new Map() },
      settings: Settings.from(Object.entries(settings), marked),
      tenant: 1,
      sqlStatements: this.sqlStatements,
      ...wish,
    };
    return restoreState(this.server, wished, { statements: this.statements, random: new SeededRandom(1) });
  }

  /** A statement each of what was asked since the last call: `set NAME VALUE` for what sets, however it was asked. */
  taken(): string[] {
    const taken: string[] = [];
    for (const message of this.asked.splice(0)) {
      const [, type, rest] = /^(.) ?(.*)$/s.exec(message)!;
      if (type === "B") taken.push(rest!.replace(/^\S+/, "set"));
      if (type === "Q") taken.push(...statementsIn(rest!));
    }
    return taken;
  }

  /** {@link taken} without the transaction around it. */
  done(): string[] {
    return this.taken().filter((statement) => !/^(?:BEGIN|COMMIT)/.test(statement));
  }

  /** It has no prepared statement of this name any more. */
  forgets(name: string): void {
    this.#prepared.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.onWrite = null;
    this.server.close();
    await this.reader;
  }

  #answer(bytes: Uint8Array): void {
    this.writes++;
    let skips = false;
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
      const type = String.fromCharCode(bytes[at]!);
      const texts = textsIn(binaryString(bytes, at + 5, end));
      this.asked.push([type, ...texts].join(" "));
      at = end;
      if (type === "Q") this.#query(texts.join(" "));
      else if (!skips && type === "C") this.#prepared.delete(texts[0]!.slice(1));
      else if (!skips && type === "P") skips = !this.#parse(texts[0]!);
      else if (!skips && type === "B") skips = !this.#bind(texts);
      if (type !== "S" && type !== "Q") continue;
      this.#said.push(encodeReadyForQuery(this.keepsOpen ? TxStatus.InTransaction : this.#status));
      skips = false;
    }
    this.stream.say(...this.#said.splice(0));
  }

  /** The server has it from now on, whatever becomes of the transaction. Whether it had none of this name. */
  #parse(name: string): boolean {
    if (this.#prepared.has(name)) return this.#fails("42P05");
    this.#prepared.add(name);
    return true;
  }

  #bind([statement = "", name = "", value = ""]: readonly string[]): boolean {
    return this.#prepared.has(statement) ? this.#set(name, value) : this.#fails("26000");
  }

  /** What fails among statements outside of a transaction takes back those before it. */
  #query(sql: string): void {
    const isAlone = this.#status === TxStatus.Idle;
    const before = new Map(this.values);
    for (const statement of statementsIn(sql)) {
      if (this.#run(statement)) continue;
      if (isAlone) this.#become(before);
      return;
    }
  }

  /** Whether it did not fail. */
  #run(statement: string): boolean {
    const refusal = this.refuses.get(statement);
    if (statement === "COMMIT") {
      if (this.#status === TxStatus.Failed) this.#become(this.#before[0]!);
      this.#before = [];
      this.#status = TxStatus.Idle;
      return true;
    }
    if (statement === "ROLLBACK TO pgplex") {
      this.#become(this.#before.at(-1)!);
      this.#status = TxStatus.InTransaction;
      return true;
    }
    if (this.#status === TxStatus.Failed) return this.#fails("25P02");
    if (refusal !== undefined) return this.#fails(refusal);
    const [, name, value] = /^set (.*?) ([^ ]*)$/.exec(statement) ?? [];
    if (name === "seed") return true; // nothing shows it
    if (name !== undefined) return this.#set(name, value!);
    if (statement.startsWith("BEGIN")) {
      this.#status = TxStatus.InTransaction;
      this.#before = [new Map(this.values)];
    } else if (statement === "SAVEPOINT pgplex") this.#before = [this.#before[0]!, new Map(this.values)];
    else if (statement === "RESET ALL") this.#become(this.#opening);
    else if (statement.startsWith('RESET "')) {
      this.values.delete(statement.slice("RESET ".length).replaceAll('"', ""));
    }
    return true;
  }

  /** Whether it could be set. */
  #set(name: string, value: string): boolean {
    if (this.#status === TxStatus.Failed) return this.#fails("25P02");
    const refusal = this.refuses.get(name);
    if (refusal !== undefined) return this.#fails(refusal);
    this.values.set(name, value);
    if (!this.silent.has(name)) this.#said.push(encodeParameterStatus(name, value));
    return true;
  }

  #become(values: ReadonlyMap<string, string>): void {
    for (const [name, value] of values) {
      if (this.values.get(name) !== value && !this.silent.has(name)) {
        this.#said.push(encodeParameterStatus(name, value));
      }
    }
    const now = [...values];
    this.values.clear();
    for (const [name, value] of now) this.values.set(name, value);
  }

  #fails(sqlstate: string): false {
    if (this.#status === TxStatus.InTransaction) this.#status = TxStatus.Failed;
    this.#said.push(errorOf(sqlstate));
    return false;
  }
}

/** The texts in a message: letters of ASCII and beyond. */
function textsIn(body: BinaryString): string[] {
  return body.split(/[^ -~\x80-\xfe]+/).filter(Boolean);
}

/** The statements of a query, SET as {@link Script.taken} shows it. */
function statementsIn(sql: string): string[] {
  return sql.split(/; */).map((statement) => {
    const set = /^SET (.*?) TO '(.*)'$/.exec(statement);
    return set === null ? statement : `set ${set[1]!.replaceAll('"', "")} ${set[2]}`;
  });
}
