import * as frontend from "./frontend.ts";

const { concat, cstring, int16, int32, message, text } = frontend;

interface Portal {
  readonly sql: string;
  /** Rows sent so far. */
  rows: number;
  /** It ran to its end, and cannot run again. */
  done: boolean;
}

/** What a COPY leaves to be done when its data has ended. */
interface Copy {
  /** Statements of the same simple query behind it; null when it came by Execute. */
  readonly rest: readonly string[] | null;
}

class Failure extends Error {
  readonly sqlstate: string;

  constructor(sqlstate: string, text: string) {
    super(text);
    this.sqlstate = sqlstate;
  }
}

/**
 * A naive PostgreSQL after login, for one connection: which reply comes for which message, errors that skip to Sync, COPY,
 * transactions, prepared statements and portals. Its rules are those of the protocol chapter and of postgres.c; it shares
 * nothing with pgplex. Bytes in any pieces in, bytes out.
 *
 * Its SQL, with comments before it: `rows N SIZE`, `SELECT …` (one row; `SELECT fail` fails, `SELECT bad` does not parse), `SET …`
 * and `RESET …` (that it reports nothing of), `begin`, `commit`, `rollback`, `fail`, `bad` (does not parse), `copyin`, `copyin view`
 * (fails before it reads), `copyout N`, `set NAME VALUE`, `notice SIZE`, `notify`, `discard all`, `deallocate all`, and nothing.
 */
export class ModelServer {
  status: "I" | "T" | "E" = "I";
  /** Everything up to the next Sync is ignored. */
  skipping = false;
  /** Set when the client broke the protocol, or said Terminate. */
  ended = false;
  readonly statements = new Map<string, string>();
  readonly #portals = new Map<string, Portal>();
  readonly #pooled: boolean;
  #copy: Copy | null = null;
  #copied = 0;
  #notifies = 0;
  #input: Uint8Array = new Uint8Array(0);
  #out: Uint8Array[] = [];

  /**
   * With `pooled` it differs from PostgreSQL as transaction pooling does: an aborted transaction describes no statement, as that may have
   * to be parsed first.
   */
  constructor(options: { pooled?: boolean } = {}) {
    this.#pooled = options.pooled ?? false;
  }

  /** Whether it reads COPY data. */
  get copying(): boolean {
    return this.#copy !== null;
  }

  /** Takes the next bytes from the client; returns what it answers to the messages that are complete now. */
  receive(bytes: Uint8Array): Uint8Array {
    this.#input = concat([this.#input, bytes]);
    let at = 0;
    while (this.#input.length - at >= 5 && !this.ended) {
      const length = new DataView(this.#input.buffer).getInt32(at + 1);
      if (length < 4) throw new Error(`The client sent a message of length ${length}`);
      if (this.#input.length - at < 1 + length) break;
      const type = String.fromCharCode(this.#input[at]!);
      this.#message(type, new Body(this.#input.subarray(at + 5, at + 1 + length)));
      at += 1 + length;
    }
    this.#input = this.#input.slice(at);
    const answer = concat(this.#out);
    this.#out = [];
    return answer;
  }

  #message(type: string, body: Body): void {
    if (type === "X") this.ended = true;
    else if (this.#copy !== null) this.#guard(false, () => this.#copyMessage(type, body));
    else if (type === "S") this.#sync();
    else if (!this.skipping) this.#guard(!"QF".includes(type), () => this.#command(type, body));
  }

  /** Runs `work`; a failure of an extended message is skipped to Sync, one of another is followed by ReadyForQuery. */
  #guard(extended: boolean, work: () => void): void {
    const copy = this.#copy;
    try {
      work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#copy = null;
      this.#fail(error);
      if (copy === null ? extended : copy.rest === null) this.skipping = true;
      else this.#ready();
    }
  }

  #command(type: string, body: Body): void {
    switch (type) {
      case "Q":
        this.statements.delete("");
        return this.#query(body.cstring().split(";").map(withoutComments));
      case "F":
        if (this.status === "E") throw aborted();
        if (body.int32() === 0) throw new Failure("42883", "function 0 does not exist");
        this.#say("V", int32(-1));
        return this.#ready();
      case "P":
        return this.#parse(body.cstring(), withoutComments(body.cstring().replace(/;$/, "")));
      case "B":
        return this.#bind(body.cstring(), body.cstring());
      case "D":
        return this.#describe(body.char(), body.cstring());
      case "E":
        return this.#executePortal(body.cstring(), body.int32());
      case "C":
        if (body.char() === "S") this.statements.delete(body.name());
        else this.#portals.delete(body.cstring());
        return this.#say("3");
      case "H":
      case "d":
      case "c":
      case "f":
        return;
      default:
        throw new Error(`The client sent a message of type ${JSON.stringify(type)}`);
    }
  }

  #parse(name: string, sql: string): void {
    const key = name.slice(0, 63);
    if (key === "") this.statements.delete("");
    if (sql === "bad" || sql === "SELECT bad") throw new Failure("42601", "syntax error");
    if (this.status === "E" && !isExit(sql)) throw aborted();
    if (key !== "" && this.statements.has(key)) {
      throw new Failure("42P05", `prepared statement "${name}" already exists`);
    }
    this.statements.set(key, sql);
    this.#say("1");
  }

  #bind(portal: string, statement: string): void {
    const sql = this.#statement(statement);
    if (this.status === "E" && !isExit(sql)) throw aborted();
    if (portal !== "" && this.#portals.has(portal)) {
      throw new Failure("42P03", `cursor "${portal}" already exists`);
    }
    this.#portals.set(portal, { sql, rows: 0, done: false });
    this.#say("2");
  }

  #describe(kind: string, name: string): void {
    const sql = kind === "S" ? this.#statement(name) : this.#portal(name).sql;
    if (this.status === "E" && (hasRows(sql) || (kind === "S" && this.#pooled))) throw aborted();
    if (kind === "S") this.#say("t", int16(0));
    if (hasRows(sql)) this.#rowDescription();
    else this.#say("n");
  }

  #executePortal(name: string, rowsMax: number): void {
    const portal = this.#portal(name);
    if (this.status === "E" && !isExit(portal.sql)) throw aborted();
    if (portal.done) throw new Failure("55000", `portal "${name}" cannot be run`);
    if (!hasRows(portal.sql)) {
      portal.done = true;
      return this.#execute(portal.sql, null);
    }
    const [count, size] = rowsIn(portal.sql);
    for (let sent = 0; portal.rows < count; sent++, portal.rows++) {
      if (rowsMax > 0 && sent === rowsMax) return this.#say("s");
      this.#row(size);
    }
    this.#complete(`SELECT ${count}`);
  }

  #query(statements: readonly string[]): void {
    for (const [index, sql] of statements.entries()) {
      if (sql === "bad") throw new Failure("42601", "syntax error");
      if (this.status === "E" && !isExit(sql)) throw aborted();
      if (hasRows(sql)) this.#rowDescription();
      this.#execute(sql, statements.slice(index + 1));
      if (this.#copy !== null) return;
    }
    this.#ready();
  }

  /** Runs one statement; `rest` are those behind it in the same simple query. */
  #execute(sql: string, rest: readonly string[] | null): void {
    const [word, first = "", second = ""] = sql.split(" ");
    switch (word) {
      case "":
        return this.#say("I");
      case "rows":
      case "SELECT": {
        if (sql === "SELECT fail") throw new Failure("22012", "division by zero");
        const [count, size] = rowsIn(sql);
        for (let i = 0; i < count; i++) this.#row(size);
        return this.#complete(`SELECT ${count}`);
      }
      case "SET":
      case "RESET":
        return this.#complete(word);
      case "begin":
        this.status = "T";
        return this.#complete("BEGIN");
      case "commit":
      case "rollback": {
        const tag = word === "commit" && this.status !== "E" ? "COMMIT" : "ROLLBACK";
        this.status = "I";
        return this.#complete(tag);
      }
      case "fail":
        throw new Failure("22012", "division by zero");
      case "copyin":
        this.#copy = { rest };
        this.#copied = 0;
        this.#say("G", Uint8Array.of(0), int16(0));
        if (first === "view") throw new Failure("42809", "cannot copy to view");
        return;
      case "copyout":
        this.#say("H", Uint8Array.of(0), int16(0));
        for (let i = 0; i < Number(first); i++) this.#say("d", text(`line ${i}\n`));
        this.#say("c");
        return this.#complete(`COPY ${first}`);
      case "set":
        this.#say("S", cstring(first), cstring(second));
        return this.#complete("SET");
      case "notice":
        this.#say(
          "N",
          cstring("SNOTICE"),
          cstring("VNOTICE"),
          cstring(`M${"n".repeat(Number(first))}`),
          text("\0"),
        );
        return this.#complete("DO");
      case "notify":
        this.#notifies++;
        return this.#complete("NOTIFY");
      case "discard":
        if (this.status === "T") {
          throw new Failure("25001", "DISCARD ALL cannot run inside a transaction block");
        }
        this.#forgetStatements();
        return this.#complete("DISCARD ALL");
      case "deallocate":
        this.#forgetStatements();
        return this.#complete("DEALLOCATE ALL");
      default:
        throw new Failure("42601", `syntax error at or near "${word}"`);
    }
  }

  #copyMessage(type: string, body: Body): void {
    const { rest } = this.#copy!;
    switch (type) {
      case "H":
      case "S":
        return;
      case "d":
        if (body.text().startsWith("bad")) {
          throw new Failure("22P04", "extra data after last expected column");
        }
        this.#copied++;
        return;
      case "f":
        throw new Failure("57014", `COPY from stdin failed: ${body.cstring()}`);
      case "c":
        this.#copy = null;
        this.#complete(`COPY ${this.#copied}`);
        if (rest === null) return;
        // What fails from here on fails as any other statement of the query.
        return this.#guard(false, () => this.#query(rest.length === 0 ? [] : rest));
      default:
        throw new Error(`The client sent a message of type ${JSON.stringify(type)} inside of COPY`);
    }
  }

  #sync(): void {
    this.skipping = false;
    this.#ready();
  }

  #ready(): void {
    if (this.status === "I") this.#portals.clear();
    for (; this.#notifies > 0; this.#notifies--) {
      this.#say("A", int32(7), cstring("channel"), cstring("payload"));
    }
    this.#say("Z", text(this.status));
  }

  #fail({ sqlstate, message: what }: Failure): void {
    if (this.status === "T") this.status = "E";
    this.#portals.clear();
    this.#say(
      "E",
      cstring("SERROR"),
      cstring("VERROR"),
      cstring(`C${sqlstate}`),
      cstring(`M${what}`),
      text("\0"),
    );
  }

  #statement(name: string): string {
    const sql = this.statements.get(name.slice(0, 63));
    if (sql !== undefined) return sql;
    throw new Failure(
      "26000",
      name === ""
        ? "unnamed prepared statement does not exist"
        : `prepared statement "${name}" does not exist`,
    );
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (portal === undefined) throw new Failure("34000", `portal "${name}" does not exist`);
    return portal;
  }

  #forgetStatements(): void {
    for (const name of [...this.statements.keys()]) if (name !== "") this.statements.delete(name);
  }

  #rowDescription(): void {
    this.#say("T", int16(1), cstring("c"), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0));
  }

  #row(size: number): void {
    this.#say("D", int16(1), int32(size), new Uint8Array(size).fill(0x78));
  }

  #complete(tag: string): void {
    this.#say("C", cstring(tag));
  }

  #say(type: string, ...body: Uint8Array[]): void {
    this.#out.push(message(type, ...body));
  }
}

/** Reads a message's body from its beginning. */
class Body {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  cstring(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new Failure("08P01", "invalid string in message");
    const value = new TextDecoder().decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return value;
  }

  /** A prepared statement's name, as far as it counts. */
  name(): string {
    return this.cstring().slice(0, 63);
  }

  char(): string {
    return String.fromCharCode(this.#bytes[this.#at++]!);
  }

  int32(): number {
    this.#at += 4;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getInt32(this.#at - 4);
  }

  text(): string {
    return new TextDecoder().decode(this.#bytes.subarray(this.#at));
  }
}

function isExit(sql: string): boolean {
  return sql === "commit" || sql === "rollback";
}

function hasRows(sql: string): boolean {
  return sql.startsWith("rows") || sql.startsWith("SELECT");
}

/** How many rows a statement has, and the size of each; a SELECT has one, which tells how long its text is. */
function rowsIn(sql: string): [count: number, size: number] {
  const [word, count, size] = sql.split(" ");
  return word === "rows" ? [Number(count), Number(size)] : [1, sql.length];
}

function withoutComments(sql: string): string {
  return sql.replace(/^(?:\s|--[^\n]*|\/\*.*?\*\/)+/s, "").trim();
}

function aborted(): Failure {
  return new Failure(
    "25P02",
    "current transaction is aborted, commands ignored until end of transaction block",
  );
}
