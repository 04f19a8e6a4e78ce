import fc from "fast-check";
import * as frontend from "./frontend.ts";

/** What a client sends in one go, and whether it has heard every answer before. */
export interface Turn {
  readonly bytes: Uint8Array;
  readonly waits: boolean;
  readonly shown: string;
}

/** What a client says in its session's life. */
export type Script = readonly Turn[];

/** Part of a turn: its bytes, and how a failure shows it. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly shown: string;
}

const piece = (shown: string, ...bytes: Uint8Array[]): Piece => ({ shown, bytes: frontend.concat(bytes) });
const joined = (pieces: readonly Piece[]): Piece =>
  piece(pieces.map(({ shown }) => shown).join(" "), ...pieces.map(({ bytes }) => bytes));

/** A statement's text, as a failure shows it. */
const shown = (sql: string) => sql.replace(/x{9,}/g, ({ length }) => `x…${length}`).trim();

/** Names of statements: the unnamed one, short ones, and two that PostgreSQL takes for the same. */
const names = fc.constantFrom("", "", "s1", "s2", `${"n".repeat(63)}a`, `${"n".repeat(63)}b`);

const queries = fc.constantFrom(
  "rows 1 5",
  "rows 3 400",
  "rows 2 3000",
  "",
  "begin",
  "commit",
  "rollback",
  "fail",
  "bad",
  "copyout 2",
  "set a b",
  "notice 900",
  "notify",
  "rows 1 1;fail;rows 1 1",
  "begin;rows 1 1",
  "discard all",
  "deallocate all",
);

/** What may be prepared: no COPY, whose Syncs count otherwise; {@link copies} has that. */
const prepared = fc.constantFrom(
  "rows 1 5",
  "rows 5 2000",
  `rows 1 7${" ".repeat(900)}`,
  "",
  "begin",
  "commit",
  "fail",
  "bad",
  "set a b",
  "copyout 1",
);

const extendedOf = (prepared: fc.Arbitrary<string>): fc.Arbitrary<Piece> =>
  fc.oneof(
    fc.tuple(names, prepared).map(([name, sql]) =>
      piece(`Parse(${name.slice(-4)}: ${shown(sql)})`, frontend.parse(sql, { name }))
    ),
    fc.tuple(names, fc.constantFrom("", "", "p1"), fc.constantFrom(0, 0, 700)).map((
      [statement, portal, size],
    ) =>
      piece(
        `Bind(${statement.slice(-4)}, ${portal})`,
        frontend.bind({ statement, portal, values: size === 0 ? [] : ["v".repeat(size)] }),
      )
    ),
    fc.tuple(fc.constantFrom("S" as const, "P" as const), names).map(([kind, name]) =>
      piece(`Describe(${kind} ${name.slice(-4)})`, frontend.describe(kind, kind === "S" ? name : ""))
    ),
    fc.tuple(fc.constantFrom("", "", "p1"), fc.constantFrom(0, 0, 2)).map(([portal, rowsMax]) =>
      piece(`Execute(${portal}, ${rowsMax})`, frontend.execute({ portal, rowsMax }))
    ),
    fc.tuple(fc.constantFrom("S" as const, "P" as const), names).map(([kind, name]) =>
      piece(`Close(${kind} ${name.slice(-4)})`, frontend.close(kind, kind === "S" ? name : "p1"))
    ),
    fc.constant(piece("Flush", frontend.flush())),
    fc.tuple(names, prepared).map(([name, sql]) =>
      piece(
        `ParseBindExecute(${name.slice(-4)}: ${shown(sql)})`,
        frontend.close("S", name),
        frontend.parse(sql, { name }),
        frontend.bind({ statement: name }),
        frontend.describe("P"),
        frontend.execute(),
      )
    ),
  );

const sync = piece("Sync", frontend.sync());
/** What ends a batch: mostly a Sync; what PostgreSQL answers by ReadyForQuery too, unless it skips. */
const batchEnds = fc.oneof(
  { weight: 6, arbitrary: fc.constant(sync) },
  { weight: 1, arbitrary: fc.constant(piece("Query(rows 1 1)", frontend.query("rows 1 1"))) },
  { weight: 1, arbitrary: fc.constant(piece("F(5)", frontend.functionCall(5))) },
);
const batchesOf = (prepared: fc.Arbitrary<string>) =>
  fc.tuple(fc.array(extendedOf(prepared), { maxLength: 7 }), batchEnds).map(([pieces, end]) =>
    joined([...pieces, end])
  );

/** Statements that change no session state by their words. */
export const PLAIN_TEXTS: readonly string[] = [
  "SELECT 1",
  "SELECT 'another'",
  `SELECT * FROM ${"x".repeat(600)}`,
  "SELECT fail",
  "SELECT bad",
];

/** What most drivers send for a statement that they have not prepared, a batch or more in a row. */
const plainBatches = fc.array(
  fc.tuple(
    fc.constantFrom(...PLAIN_TEXTS),
    fc.constantFrom(["1"], ["1"], [], ["v".repeat(700)]),
    fc.boolean(),
  ),
  { minLength: 1, maxLength: 3 },
).map((all) =>
  joined(
    all.map(([sql, values, describes]) =>
      piece(
        `Plain(${shown(sql)})`,
        frontend.parse(sql),
        frontend.bind({ values: [...values] }),
        ...(describes ? [frontend.describe("P")] : []),
        frontend.execute(),
        frontend.sync(),
      )
    ),
  )
);

const copyEnd = fc.constantFrom(
  piece("CopyDone", frontend.copyDone()),
  piece("CopyFail", frontend.copyFail("no")),
);
const copyData = fc.array(fc.constantFrom("line\n", "x".repeat(1500), "bad\n"), { maxLength: 4 }).map((
  lines,
) => joined(lines.map((line) => piece(`CopyData(${line.slice(0, 4).trim()})`, frontend.copyData(line)))));

/** COPY FROM STDIN whose data the client sends without waiting for the server to ask for it. */
const copies = fc.oneof(
  fc.tuple(fc.constantFrom("copyin", "copyin view", "copyin;rows 1 1", "bad"), copyData, copyEnd).map(
    ([sql, data, end]) => joined([piece(`Query(${shown(sql)})`, frontend.query(sql)), data, end]),
  ),
  fc.tuple(copyData, copyEnd).map(([data, end]) =>
    joined([
      piece("Parse(: copyin)", frontend.parse("copyin")),
      piece("Bind()", frontend.bind()),
      piece("Execute()", frontend.execute()),
      data,
      end,
      sync,
      piece("Query()", frontend.query("")), // no Bind meets the COPY again
    ])
  ),
);

interface Statements {
  readonly queries: fc.Arbitrary<string>;
  readonly prepared: fc.Arbitrary<string>;
}

const turnsOf = ({ queries, prepared }: Statements): fc.Arbitrary<Turn> =>
  fc.tuple(
    fc.oneof(
      { weight: 3, arbitrary: queries.map((sql) => piece(`Query(${shown(sql)})`, frontend.query(sql))) },
      { weight: 6, arbitrary: batchesOf(prepared) },
      { weight: 3, arbitrary: plainBatches },
      { weight: 1, arbitrary: copies },
      {
        weight: 1,
        arbitrary: fc.constantFrom(0, 5).map((oid) => piece(`F(${oid})`, frontend.functionCall(oid))),
      },
    ),
    fc.boolean(),
  ).map(([{ bytes, shown }, waits]) => ({ bytes, waits, shown }));

/** Ends any transaction and any batch, so that nothing is left. */
const ending: Turn = {
  bytes: frontend.concat([frontend.sync(), frontend.query("rollback")]),
  waits: true,
  shown: "Sync Query(rollback)",
};

/** What a directive stands in front of. */
const steered = fc.constantFrom(
  "rows 1 5",
  "rows 3 400",
  "",
  "begin",
  "commit",
  "fail",
  "bad",
  "SHOW pgplex.tag",
);
const directives = fc.constantFrom(
  "--!pgplex tag=a\n",
  "--!pgplex timeout=5s\n",
  "/*!pgplex transaction tag=b timeout=0s*/ ",
  "--!pgplex session tag=c intent=read\n",
  "--!pgplex intnt=read\n--!pgplex tag=\n",
  "/* driver */ --!pgplex pin\r\n",
  "\n \t",
  "/* nothing of pgplex's */ ",
  "--!pgplex show session\n",
  `--!pgplex timeout=5s\n--!pgplex intnt=read\n-- ${"x".repeat(4500)}\n`,
  `--!pgplex intnt=read\n/*${"x".repeat(17_000)}*/`,
  `/*${"x".repeat(4071)}*/--!pgplex tag=cut\n`,
);
const steering = fc.oneof(
  fc.tuple(directives, steered).map((parts) => parts.join("")),
  fc.constantFrom(
    "SHOW pgplex.query_timeout",
    " SHOW pgplex.tag;",
    "SHOW pgplex.nothing",
    "SET pgplex.tag = 'x'",
    "SET pgplex.intent = maybe",
    "RESET pgplex.tag",
    "--!pgplex show options",
  ),
);

/**
 * What one client may say. Whoever drops all statements waits until that is done before it names one: pgplex learns of it
 * from the reply.
 */
export const scripts: fc.Arbitrary<Script> = scriptsOf({ queries, prepared });

/** {@link scripts} of a client that speaks to pgplex itself besides. */
export const steeredScripts: fc.Arbitrary<Script> = scriptsOf({
  queries: fc.oneof(queries, steering),
  prepared: fc.oneof(prepared, steering),
});

function scriptsOf(statements: Statements): fc.Arbitrary<Script> {
  return fc.array(turnsOf(statements), { maxLength: 12, size: "max" }).map((all) => {
    const script = [...all, ending].map((turn, index) => {
      const before = index === 0 ? "" : all[index - 1]!.shown;
      return / all\)/.test(before) ? { ...turn, waits: true } : turn;
    });
    const toString = () => script.map(({ shown, waits }) => `${waits ? "| " : ""}${shown}`).join(" ");
    return Object.assign(script, { [fc.toStringMethod]: toString });
  });
}
