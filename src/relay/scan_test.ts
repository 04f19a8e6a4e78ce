import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { StatementStore } from "../backend/mod.ts";
import { encodeTextColumn, encodeTextRow } from "../protocol/mod.ts";
import { Rig, RigServer } from "../../tests/harness/rig.ts";

const { message, int16, int32, cstring, text } = frontend;

/** What servers say. */
const back = {
  parseComplete: message("1"),
  bindComplete: message("2"),
  closeComplete: message("3"),
  noData: message("n"),
  suspended: message("s"),
  empty: message("I"),
  copyIn: message("G", Uint8Array.of(0), int16(0)),
  copyOut: message("H", Uint8Array.of(0), int16(0)),
  row: message("D", int16(1), int32(1), text("1")),
  rowDescription: message("T", int16(0)),
  parameters: message("t", int16(0)),
  functionResult: message("V", int32(-1)),
  notification: message("A", int32(7), cstring("channel"), cstring("payload")),
  ready: (status = "I") => message("Z", text(status)),
  complete: (tag: string) => message("C", cstring(tag)),
  notice: (what: string) => message("N", cstring("SNOTICE"), cstring(`M${what}`), text("\0")),
  error: (sqlstate: string, what: string, severity = "ERROR") =>
    message(
      "E",
      cstring(`S${severity}`),
      cstring(`V${severity}`),
      cstring(`C${sqlstate}`),
      cstring(`M${what}`),
      text("\0"),
    ),
  parameter: (name: string, value: string) => message("S", cstring(name), cstring(value)),
};

/** What servers run for SHOW pgplex.tag. */
const SHOW_SELECT =
  `SELECT coalesce(nullif(pg_catalog.current_setting('pgplex.tag', true), ''), '') AS "pgplex.tag"`;

/** One step of a conversation: who speaks, and what the other side is to hear of it. */
type Step =
  | { readonly client: Uint8Array[]; readonly hears: Uint8Array[] }
  | { readonly server: Uint8Array[]; readonly hears: Uint8Array[] };

interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Whether the server connection is held at the end, in transaction pooling. */
  readonly held?: boolean;
}

/** The conversation goes through a session of its own; whether a lease is left at the end. */
async function converse(steps: readonly Step[], renames: boolean): Promise<Rig> {
  const statements = new StatementStore();
  const server = new RigServer({ statements });
  const rig = new Rig({ statements, renames, acquire: () => server });
  for (const step of steps) {
    if ("client" in step) {
      equal((await rig.say(frontend.concat(step.client))).length, 0);
      // What pgplex answers itself comes out on the client's side.
      deepEqual(
        shown(frontend.concat([server.stream.taken(), rig.out.taken()])),
        shown(frontend.concat(step.hears)),
      );
    } else {
      await server.say(frontend.concat(step.server));
      deepEqual(shown(rig.out.taken()), shown(frontend.concat(step.hears)));
    }
  }
  return rig;
}

/** Bytes as text that a person can compare. */
function shown(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte}`)
    .join("");
}

const says = (...client: Uint8Array[]): Step => ({ client, hears: client });
const answers = (...server: Uint8Array[]): Step => ({ server, hears: server });
const execute = [frontend.bind(), frontend.execute(), frontend.sync()];
const executed = [back.bindComplete, back.row, back.complete("SELECT 1"), back.ready()];

/** Conversations that pass as they are in both modes. */
const SAME: readonly Case[] = [
  {
    name: "a simple query with rows",
    steps: [
      says(frontend.query("SELECT 1")),
      answers(back.rowDescription, back.row, back.row, back.complete("SELECT 2"), back.ready()),
    ],
  },
  {
    name: "an empty query",
    steps: [says(frontend.query("")), answers(back.empty, back.ready())],
  },
  {
    name: "a function call",
    steps: [says(frontend.functionCall(5)), answers(back.functionResult, back.ready())],
  },
  {
    name: "a function call in place of a batch's Sync",
    steps: [
      says(frontend.parse("SELECT 1"), frontend.functionCall(5)),
      answers(back.parseComplete, back.functionResult, back.ready()),
    ],
  },
  {
    name: "an error, with what is told besides",
    steps: [
      says(frontend.query("SELECT 1/0")),
      answers(back.notice("n"), back.error("22012", "division by zero"), back.ready()),
    ],
  },
  {
    name: "a transaction, which holds the server until it ends",
    steps: [
      says(frontend.query("BEGIN")),
      answers(back.complete("BEGIN"), back.ready("T")),
      says(frontend.query("x")),
      answers(back.error("42601", "syntax error"), back.ready("E")),
      says(frontend.query("ROLLBACK")),
      answers(back.complete("ROLLBACK"), back.ready()),
    ],
  },
  {
    name: "a transaction that is still open",
    steps: [says(frontend.query("BEGIN")), answers(back.complete("BEGIN"), back.ready("T"))],
    held: true,
  },
  {
    name: "an extended query of the unnamed statement",
    steps: [
      says(
        frontend.parse("SELECT 1"),
        frontend.bind(),
        frontend.describe("P"),
        frontend.execute(),
        frontend.sync(),
      ),
      answers(back.parseComplete, back.bindComplete, back.rowDescription, ...executed.slice(1)),
    ],
  },
  {
    name: "a described statement without rows, and a portal that is suspended",
    steps: [
      says(
        frontend.parse("X"),
        frontend.describe("S"),
        frontend.bind(),
        frontend.execute({ rowsMax: 1 }),
        frontend.flush(),
      ),
      answers(back.parseComplete, back.parameters, back.noData, back.bindComplete, back.row, back.suspended),
      says(frontend.execute(), frontend.close("P"), frontend.sync()),
      answers(back.row, back.complete("SELECT 1"), back.closeComplete, back.ready()),
    ],
  },
  {
    name: "a batch without its Sync, which holds the server",
    steps: [says(frontend.parse("SELECT 1"), frontend.flush()), answers(back.parseComplete)],
    held: true,
  },
  {
    name: "an error in a batch, whose rest is skipped",
    steps: [
      says(frontend.parse("bad"), frontend.bind(), frontend.execute()),
      answers(back.error("42601", "syntax error")),
      says(frontend.describe("P"), frontend.sync()),
      answers(back.ready()),
    ],
  },
  {
    name: "COPY to the client",
    steps: [
      says(frontend.query("COPY t TO STDOUT")),
      answers(back.copyOut, message("d", text("a\n")), message("c"), back.complete("COPY 1"), back.ready()),
    ],
  },
  {
    name: "COPY from the client",
    steps: [
      says(frontend.query("COPY t FROM STDIN")),
      answers(back.copyIn),
      says(frontend.copyData("a\n"), frontend.copyData("b\n"), frontend.copyDone()),
      answers(back.complete("COPY 2"), back.ready()),
    ],
  },
  {
    name: "COPY from the client that fails on either side",
    steps: [
      says(frontend.query("COPY t FROM STDIN")),
      answers(back.copyIn),
      says(frontend.copyFail("no")),
      answers(back.error("57014", "COPY from stdin failed: no"), back.ready()),
    ],
  },
  {
    name: "COPY by Execute, whose first Sync the server ignores",
    steps: [
      says(frontend.parse("COPY t FROM STDIN"), ...execute),
      answers(back.parseComplete, back.bindComplete, back.copyIn),
      says(frontend.copyData("a\n"), frontend.copyDone(), frontend.sync()),
      answers(back.complete("COPY 1"), back.ready()),
    ],
  },
  {
    name: "pipelined queries",
    steps: [
      says(frontend.query("a"), frontend.query("b"), frontend.query("c")),
      answers(back.complete("A"), back.ready()),
      answers(back.complete("B"), back.ready(), back.complete("C"), back.ready()),
    ],
  },
  {
    name: "settings that the server reports, and notifications",
    steps: [
      says(frontend.query("SET TimeZone = 'UTC'")),
      answers(back.parameter("TimeZone", "UTC"), back.complete("SET"), back.notification, back.ready()),
    ],
  },
];

for (const { name, steps, held = false } of SAME) {
  for (const renames of [true, false]) {
    Deno.test(`the relay passes ${name}, in ${renames ? "transaction" : "session"} pooling`, async () => {
      const rig = await converse(steps, renames);
      equal(rig.server !== null, held || !renames);
    });
  }
}

/** Conversations in which pgplex takes part: transaction pooling. */
const CHANGED: readonly Case[] = [
  {
    name: "gives a named statement its name on servers, in Parse, Bind and Describe",
    steps: [
      {
        client: [
          frontend.parse("SELECT $1", { name: "mine", types: [23] }),
          frontend.describe("S", "mine"),
          frontend.bind({ statement: "mine", values: ["1"] }),
          frontend.execute(),
          frontend.sync(),
        ],
        hears: [
          frontend.parse("SELECT $1", { name: "pgplex:1", types: [23] }),
          frontend.describe("S", "pgplex:1"),
          frontend.bind({ statement: "pgplex:1", values: ["1"] }),
          frontend.execute(),
          frontend.sync(),
        ],
      },
      answers(back.parseComplete, back.parameters, back.rowDescription, ...executed),
    ],
  },
  {
    name: "answers Close of a statement itself, behind what the server owes",
    steps: [
      {
        client: [frontend.parse("SELECT 1"), frontend.close("S", "x"), frontend.bind(), frontend.sync()],
        hears: [frontend.parse("SELECT 1"), frontend.bind(), frontend.sync()],
      },
      {
        server: [back.parseComplete, back.bindComplete, back.ready()],
        hears: [back.parseComplete, back.closeComplete, back.bindComplete, back.ready()],
      },
    ],
  },
  {
    name: "answers Close of a statement itself as soon as its turn has come, though nothing follows",
    steps: [
      {
        client: [frontend.parse("SELECT 1"), frontend.close("S", "x"), frontend.flush()],
        hears: [frontend.parse("SELECT 1"), frontend.flush()],
      },
      { server: [back.parseComplete], hears: [back.parseComplete, back.closeComplete] },
    ],
    held: true,
  },
  {
    name: "makes a Bind of an unknown statement fail where it stands, in PostgreSQL's words",
    steps: [
      {
        client: [frontend.bind({ statement: "nope" }), frontend.execute(), frontend.sync()],
        hears: [frontend.bind({ statement: "pgplex:poison" }), frontend.execute(), frontend.sync()],
      },
      {
        server: [back.error("26000", 'prepared statement "pgplex:poison" does not exist'), back.ready()],
        hears: [back.error("26000", 'prepared statement "nope" does not exist'), back.ready()],
      },
    ],
  },
  {
    name: "passes another error than the one that it provoked",
    steps: [
      {
        client: [frontend.bind({ statement: "nope" }), frontend.sync()],
        hears: [frontend.bind({ statement: "pgplex:poison" }), frontend.sync()],
      },
      answers(back.error("57014", "canceling statement due to user request"), back.ready()),
    ],
  },
  {
    name: "parses a statement anew that the client parses anew after it closed it",
    steps: [
      {
        client: [frontend.parse("A", { name: "s" }), frontend.sync()],
        hears: [frontend.parse("A", { name: "pgplex:1" }), frontend.sync()],
      },
      answers(back.parseComplete, back.ready()),
      { client: [frontend.close("S", "s"), frontend.sync()], hears: [back.closeComplete, back.ready()] },
      {
        client: [frontend.parse("A", { name: "t" }), frontend.sync()],
        hears: [frontend.close("S", "pgplex:1"), frontend.parse("A", { name: "pgplex:1" }), frontend.sync()],
      },
      {
        server: [back.closeComplete, back.parseComplete, back.ready()],
        hears: [back.parseComplete, back.ready()],
      },
    ],
  },
  {
    name: "answers what needs no server without one",
    steps: [
      { client: [frontend.sync()], hears: [back.ready()] },
      { client: [frontend.flush()], hears: [] },
      {
        client: [frontend.close("S", "x"), frontend.close("S", ""), frontend.sync()],
        hears: [back.closeComplete, back.closeComplete, back.ready()],
      },
      { client: [frontend.copyData("late"), frontend.copyDone(), frontend.copyFail("late")], hears: [] },
    ],
  },
  {
    name: "answers SHOW of an option without a server, by a query and in a batch of its own",
    steps: [
      {
        client: [frontend.query("SHOW pgplex.tag"), frontend.query("SHOW pgplex.intent")],
        hears: [
          ...[encodeTextColumn("pgplex.tag"), encodeTextRow(""), back.complete("SHOW"), back.ready()],
          ...[encodeTextColumn("pgplex.intent"), encodeTextRow("write"), back.complete("SHOW"), back.ready()],
        ],
      },
      {
        client: [
          frontend.parse("SHOW pgplex.tag", { name: "s" }),
          frontend.describe("S", "s"),
          frontend.flush(),
        ],
        hears: [back.parseComplete, back.parameters, encodeTextColumn("pgplex.tag")],
      },
      { client: [frontend.bind({ statement: "s", resultFormats: [1] })], hears: [] },
      { client: [frontend.describe("P"), frontend.execute({ rowsMax: 1 }), frontend.execute()], hears: [] },
      {
        client: [frontend.close("P"), frontend.sync()],
        hears: [
          back.bindComplete,
          encodeTextColumn("pgplex.tag", 1),
          encodeTextRow(""),
          back.suspended,
          back.complete("SHOW"),
          back.closeComplete,
          back.ready(),
        ],
      },
    ],
  },
  {
    name: "leaves a batch to the server that is about more than SHOW, or wants an answer before it runs",
    held: true,
    steps: [
      {
        client: [frontend.parse("SHOW pgplex.tag", { name: "s" }), frontend.sync()],
        hears: [back.parseComplete, back.ready()],
      },
      { client: [frontend.bind({ statement: "s" })], hears: [] },
      {
        client: [frontend.flush()],
        hears: [
          frontend.parse(SHOW_SELECT, { name: "pgplex:1" }),
          frontend.bind({ statement: "pgplex:1" }),
          frontend.flush(),
        ],
      },
      { server: [back.parseComplete, back.bindComplete], hears: [back.bindComplete] },
      says(frontend.execute()),
      { server: [back.row, back.complete("SELECT 1")], hears: [back.row, back.complete("SHOW")] },
    ],
  },
  {
    name: "drops the statements when the client discards all",
    steps: [
      {
        client: [frontend.parse("A", { name: "s" }), frontend.sync()],
        hears: [frontend.parse("A", { name: "pgplex:1" }), frontend.sync()],
      },
      answers(back.parseComplete, back.ready()),
      says(frontend.query("DISCARD ALL")),
      answers(back.complete("DISCARD ALL"), back.ready()),
      {
        client: [frontend.describe("S", "s"), frontend.sync()],
        hears: [frontend.bind({ statement: "pgplex:poison" }), frontend.sync()],
      },
      {
        server: [back.error("26000", "x"), back.ready()],
        hears: [back.error("26000", 'prepared statement "s" does not exist'), back.ready()],
      },
    ],
  },
];

for (const { name, steps, held = false } of CHANGED) {
  Deno.test(`the relay ${name}`, async () => {
    equal((await converse(steps, true)).server !== null, held);
  });
}
