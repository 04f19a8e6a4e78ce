import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import {
  encodeBack,
  encodeBind,
  encodeError,
  encodeExecute,
  encodeQuery,
  encodeReadyForQuery,
  encodeSync,
  encodeTextRow,
  TxStatus,
} from "../protocol/mod.ts";
import { fakeServer } from "./fake_server_test.ts";
import { ASIDE_NAMES, runOwn } from "./own_transaction.ts";
import { Settings } from "./settings.ts";

const COMPLETE = encodeBack("C".charCodeAt(0), new Uint8Array(1));

/** What fails in one try: at BEGIN, or at what was asked. */
type Failure = { readonly at: "begin" | "asked"; readonly sqlstate: string } | null;

/** A server that shows each setting as its name in capitals, and answers what is asked by a row of its SQL. */
class Script implements AsyncDisposable {
  readonly server: ReturnType<typeof fakeServer>["server"];
  /** What was asked, a message each: its type, and of a query its statements. */
  readonly asked: string[] = [];
  /** Transactions that were begun. */
  tries = 0;
  /** What fails in each try; those behind are well. */
  failures: readonly Failure[] = [];
  /** The status behind COMMIT. */
  ends: number = TxStatus.Idle;
  readonly #stream: ReturnType<typeof fakeServer>["stream"];
  readonly #reader: Promise<void>;
  #status: number = TxStatus.Idle;

  constructor(settings: Record<string, string> = {}) {
    const { server, stream } = fakeServer({ settings: Settings.from(Object.entries(settings)) });
    this.server = server;
    this.#stream = stream;
    stream.onWrite = (bytes) => this.#answer(bytes);
    this.#reader = server.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.onWrite = null;
    this.server.close();
    await this.#reader;
  }

  #answer(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
      const type = String.fromCharCode(bytes[at]!);
      const sql = type === "Q" ? new TextDecoder().decode(bytes.subarray(at + 5, end - 1)) : null;
      this.asked.push(sql === null ? type : `Q ${sql}`);
      at = end;
      if (sql !== null) this.#stream.say(...this.#replies(sql), encodeReadyForQuery(this.#status));
      if (type === "S") this.#stream.say(encodeReadyForQuery(this.#status));
    }
  }

  #replies(sql: string): Uint8Array[] {
    if (sql === "COMMIT") {
      this.#status = this.ends;
      return [COMPLETE];
    }
    if (this.#status === TxStatus.Failed) return [errorOf("25P02")];
    const isBegin = sql.startsWith("BEGIN");
    const failure = this.failures[isBegin ? this.tries++ : this.tries - 1];
    if (failure != null && (failure.at === "begin") === isBegin) {
      // BEGIN itself was done: what fails is behind it.
      this.#status = TxStatus.Failed;
      return [errorOf(failure.sqlstate)];
    }
    this.#status = TxStatus.InTransaction;
    if (!isBegin) return [encodeTextRow(sql), COMPLETE];
    return [...sql.matchAll(/SHOW (\w+)/g)].map(([, name]) => encodeTextRow(name!.toUpperCase()));
  }
}

function errorOf(sqlstate: string): Uint8Array {
  return encodeError("ERROR", new PgplexError("internal", "no", { sqlstate }));
}

/** The statements with which the last transaction began. */
const beginning = ({ asked }: Script): string[] =>
  asked.findLast((message) => message.startsWith("Q BEGIN"))!.slice(2).split(";");

Deno.test("runOwn shows what it puts aside before it does, asks in order, and commits", async () => {
  await using script = new Script({ server_version: "17.2" });
  const { aside, roleDefault, rows } = await runOwn(script.server, [
    [encodeQuery("SELECT 1")],
    [encodeBind("s", []), encodeExecute(), encodeSync()],
    [encodeQuery("SELECT 2")],
  ]);
  deepEqual(script.asked.slice(1), ["Q SELECT 1", "B", "E", "S", "Q SELECT 2", "Q COMMIT"]);
  const statements = beginning(script);
  equal(statements[0], "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE");
  const shown = [...ASIDE_NAMES, "role", "session_authorization"];
  equal(statements[1], "SET LOCAL client_encoding TO 'SQL_ASCII'", "what is shown may have any character");
  deepEqual(statements.slice(2, shown.length + 2), shown.map((name) => `SHOW ${name}`));
  deepEqual(statements.slice(shown.length + 2).map((sql) => sql.replace(/ TO .*/, "")), [
    "SET LOCAL ROLE",
    "SHOW role",
    "SET LOCAL ROLE NONE",
    ...ASIDE_NAMES.filter((name) => name !== "client_encoding").map((name) => `SET LOCAL ${name}`),
  ]);
  deepEqual([...aside], shown.map((name) => [name, name.toUpperCase()]));
  equal(roleDefault, "ROLE");
  deepEqual(rows, [["SELECT 1"], ["SELECT 2"]], "without what SHOW showed");
});

Deno.test("runOwn puts aside what could make it fail, wait or be slow", async () => {
  await using script = new Script({ server_version: "18.0" });
  await runOwn(script.server, []);
  const put = (name: string) => beginning(script).find((sql) => sql.startsWith(`SET LOCAL ${name} TO `));
  for (const name of ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]) {
    equal(put(name), `SET LOCAL ${name} TO 0`);
  }
  equal(put("search_path"), "SET LOCAL search_path TO pg_catalog");
  equal(put("client_encoding"), "SET LOCAL client_encoding TO 'SQL_ASCII'");
  equal(put("lock_timeout"), "SET LOCAL lock_timeout TO '50ms'");
});

Deno.test("runOwn knows of transaction_timeout since 17, and of none where the version is not known", async () => {
  for (
    const [version, knows] of [["12.22", false], ["16.4", false], ["17beta1", true], ["18.0", true]] as const
  ) {
    await using script = new Script({ server_version: version });
    const { aside } = await runOwn(script.server, []);
    equal(script.asked[0]!.includes("transaction_timeout"), knows, version);
    equal(aside.has("transaction_timeout"), knows, version);
  }
  await using script = new Script();
  await runOwn(script.server, []);
  equal(script.asked[0]!.includes("transaction_timeout"), false);
});

Deno.test("runOwn is whoever logged in: a session user of another name goes aside with its role", async () => {
  const login = { server_version: "16.1", session_authorization: "app" };
  await using own = new Script(login);
  await runOwn(own.server, []);
  const users = (script: Script) =>
    beginning(script).filter((sql) => /SET.*(?:ROLE|AUTHORIZATION)/.test(sql));
  deepEqual(users(own), ["SET LOCAL ROLE TO DEFAULT", "SET LOCAL ROLE NONE"]);
  await using other = new Script(login);
  other.server.noteParameter("session_authorization", "alice");
  await runOwn(other.server, []);
  deepEqual(users(other), ["SET LOCAL ROLE TO DEFAULT", "SET LOCAL SESSION AUTHORIZATION DEFAULT"]);
});

Deno.test("runOwn tries again where a timeout of the session's own ended it, twenty times at most", async () => {
  const canceled: Failure = { at: "begin", sqlstate: "57014" };
  await using script = new Script();
  script.failures = [canceled, { at: "asked", sqlstate: "57014" }];
  deepEqual((await runOwn(script.server, [[encodeQuery("SELECT 1")]])).rows, [["SELECT 1"]]);
  equal(script.tries, 3);
  await using busy = new Script();
  busy.failures = Array<Failure>(19).fill(canceled);
  await runOwn(busy.server, []);
  equal(busy.tries, 20);
  await using busier = new Script();
  busier.failures = Array<Failure>(20).fill(canceled);
  await rejects(runOwn(busier.server, []), { sqlstate: "57014" });
  equal(busier.tries, 20);
});

Deno.test("runOwn fails at once by any other error, and leaves no transaction behind", async () => {
  await using script = new Script();
  script.failures = [{ at: "asked", sqlstate: "55P03" }];
  await rejects(runOwn(script.server, [[encodeQuery("SELECT 1")], [encodeQuery("SELECT 2")]]), {
    sqlstate: "55P03",
  });
  deepEqual([script.tries, script.asked.at(-1), script.server.txStatus], [1, "Q COMMIT", TxStatus.Idle]);
});

Deno.test("runOwn fails where the server says that its transaction did not end", async () => {
  await using script = new Script();
  script.ends = TxStatus.InTransaction;
  await rejects(runOwn(script.server, []), { code: "server_protocol" });
});

Deno.test("runOwn takes the unnamed statement from whoever had it, and fails with the connection", async () => {
  await using script = new Script();
  const { server } = script;
  server.unnamed.parseSent(script, 1, 0);
  await runOwn(server, []);
  equal(server.unnamed.holds(script, 1), false);
  server.close();
  await rejects(runOwn(server, []), { code: "server_lost" });
});

Deno.test("runOwn leaves as the session has it what it is told to keep, and shows it all the same", async () => {
  await using script = new Script({ server_version: "17.2" });
  const { aside } = await runOwn(script.server, [], ["work_mem", "jit"]);
  const statements = beginning(script);
  for (const name of ["work_mem", "jit"]) {
    equal(statements.some((sql) => sql.startsWith(`SET LOCAL ${name} `)), false);
    equal(aside.get(name), name.toUpperCase());
  }
  equal(statements.some((sql) => sql.startsWith("SET LOCAL lock_timeout ")), true);
});
