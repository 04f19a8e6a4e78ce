import { deepStrictEqual as deepEqual, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { fakeServer, type FakeStream } from "../backend/fake_server_test.ts";
import { type ServerConnection, Settings, type StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeError, encodeParameterStatus, encodeReadyForQuery } from "../protocol/mod.ts";
import { restoreState } from "./restore.ts";

const ready = (status: string) => encodeReadyForQuery(status.charCodeAt(0));

/** A server that reports each setting that it is asked to set, and keeps what was asked. */
class Script {
  readonly server: ServerConnection;
  readonly stream: FakeStream;
  readonly statements: StatementStore;
  /** What was asked, a message each: its type and its texts. */
  readonly asked: string[] = [];
  readonly reader: Promise<void>;
  /** The session's prepared statements that SQL made. */
  sqlStatements: ReadonlyMap<string, string> = new Map();
  /** Settings that cannot be set. */
  readonly refuses = new Set<string>();

  constructor(settings: Record<string, string>) {
    const { server, stream, statements } = fakeServer({ settings: Settings.from(Object.entries(settings)) });
    this.server = server;
    this.stream = stream;
    this.statements = statements;
    stream.onWrite = (bytes) => this.#answer(bytes);
    this.reader = server.start();
  }

  restore(settings: Record<string, string>): Promise<void> {
    const wish = {
      base: { key: "[]", params: new Map() },
      settings: Settings.from(Object.entries(settings)),
      sqlStatements: this.sqlStatements,
    };
    return restoreState(this.server, wish, this.statements);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.onWrite = null;
    this.server.close();
    await this.reader;
  }

  #answer(bytes: Uint8Array): void {
    const said: Uint8Array[] = [];
    let failed = false;
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
      const type = String.fromCharCode(bytes[at]!);
      const texts = new TextDecoder().decode(bytes.subarray(at + 5, end)).split(/[^ -~]+/).filter(Boolean);
      this.asked.push([type, ...texts].join(" "));
      at = end;
      if (type === "S" || type === "Q") {
        said.push(ready("I"));
        failed = false;
      } else if (type === "B" && !failed) {
        const [, name = "", value = ""] = texts;
        failed = this.refuses.has(name);
        if (failed) said.push(encodeError("ERROR", new PgplexError("internal", "no", { sqlstate: "22023" })));
        else said.push(encodeParameterStatus(name, value));
      }
    }
    this.stream.say(...said);
  }
}

Deno.test("restoreState asks nothing of a server that says the same already", async () => {
  await using script = new Script({ TimeZone: "UTC", server_version: "16.1" });
  await script.restore({ TimeZone: "UTC" });
  await script.restore({ TimeZone: "UTC", server_version: "15.0", is_superuser: "on" }); // nobody can set these
  deepEqual(script.asked, []);
});

Deno.test("restoreState sets what differs, the encoding in a round trip before the rest", async () => {
  await using script = new Script({ TimeZone: "UTC", DateStyle: "ISO, MDY", client_encoding: "UTF8" });
  await script.restore({
    TimeZone: "CET",
    DateStyle: "ISO, MDY",
    client_encoding: "LATIN1",
    search_path: "a, b",
  });
  deepEqual(script.asked, [
    "P pgplex_1 SELECT pg_catalog.set_config($1, $2, false)",
    "B pgplex_1 client_encoding LATIN1",
    "E",
    "S",
    "B pgplex_1 TimeZone CET",
    "E",
    "B pgplex_1 search_path a, b",
    "E",
    "S",
  ]);
  equal(script.server.settings.values.get("TimeZone"), "CET");
});

Deno.test("restoreState sets the session's user last, and everything else as the login's own, also where it stays the same", async () => {
  await using script = new Script({ session_authorization: "app", TimeZone: "UTC" });
  const binds = () => script.asked.splice(0).filter((message) => message.startsWith("B"));
  await script.restore({ session_authorization: "other", TimeZone: "CET" });
  deepEqual(binds(), ["B pgplex_1 TimeZone CET", "B pgplex_1 session_authorization other"]);
  await script.restore({ session_authorization: "other", TimeZone: "EST" });
  deepEqual(binds(), [
    "B pgplex_1 session_authorization app",
    "B pgplex_1 TimeZone EST",
    "B pgplex_1 session_authorization other",
  ]);
  await script.restore({ session_authorization: "app", TimeZone: "EST" });
  deepEqual(binds(), ["B pgplex_1 session_authorization app"]);
});

Deno.test("restoreState prepares its statement once for each connection, and releases it", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  await script.restore({ TimeZone: "CET" });
  await script.restore({ TimeZone: "EST" });
  equal(script.asked.filter((message) => message.startsWith("P")).length, 1);
  equal(script.statements.size, 1); // the connection's
  script.server.prepared.clear();
  equal(script.statements.size, 0);
});

Deno.test("restoreState resets what should not be there, with the role taken off before and put on after", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  const { state } = script.server;
  state.found(state.settings.with("role", "alice").with("work_mem", "1").with("my app.id", "1"), false);
  await script.restore({ TimeZone: "CET", role: "bob" });
  deepEqual(script.asked.filter((message) => message.startsWith("B") || message.startsWith("Q")), [
    "B pgplex_1 role none",
    'Q RESET "work_mem"',
    'Q RESET "my app"."id"',
    "B pgplex_1 TimeZone CET",
    "B pgplex_1 role bob",
  ]);
  deepEqual([...script.server.settings.values], [["TimeZone", "CET"], ["role", "bob"]]);
});

Deno.test("restoreState deallocates statements that are not the session's, and leaves its own", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  script.server.sqlStatements.add("mine", "PREPARE mine AS SELECT 1");
  script.server.sqlStatements.add('a"b', 'PREPARE "a""b" AS SELECT 2');
  script.sqlStatements = new Map([["mine", "PREPARE mine AS SELECT 1"], [
    "elsewhere",
    "PREPARE elsewhere AS SELECT 3",
  ]]);
  await script.restore({ TimeZone: "UTC" });
  deepEqual(script.asked.filter((message) => message.startsWith("Q")), ['Q DEALLOCATE "a""b"']);
  deepEqual([...script.server.sqlStatements.map.keys()], ["mine"]);
});

Deno.test("restoreState that fails names the settings, keeps the server's SQLSTATE, and no value", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  script.refuses.add("TimeZone");
  await rejects(script.restore({ TimeZone: "secret/zone" }), (error) => {
    ok(error instanceof PgplexError);
    deepEqual([error.code, error.sqlstate, error.extra.detail], [
      "restore_failed",
      "22023",
      "To restore: TimeZone.",
    ]);
    ok(!`${error.message}${error.extra.detail}`.includes("secret"));
    return true;
  });
});

Deno.test("restoreState rejects when the server ends meanwhile", async () => {
  await using script = new Script({ TimeZone: "UTC" });
  script.stream.onWrite = () => script.stream.end();
  await rejects(script.restore({ TimeZone: "CET" }), { code: "server_lost" });
});
