import { PgplexError } from "../../kernel/mod.ts";
import type { Answer, Column } from "../answer/mod.ts";
import { type Args, type Command, type CommandContext, keywordOf, syntaxErrorAt } from "../command/mod.ts";
import {
  IMITATED_VERSION,
  resetDriverSetting,
  showDriverSetting,
  transactionWords,
} from "./driver_settings.ts";

/**
 * What drivers, connection pools and dashboards send to any PostgreSQL about their own connection: transactions, DISCARD,
 * keep-alive queries. Nothing here changes anything of pgplex, and nothing of the console is transactional.
 */
export const CONNECTION_COMMANDS: readonly Command[] = [
  command(["BEGIN"], (args, { asker }) => begin(args, asker, "BEGIN")),
  command(["START", "TRANSACTION"], (args, { asker }) => begin(args, asker, "START TRANSACTION")),
  command(["COMMIT"], (args, { asker }) => finish(args, asker, "COMMIT")),
  command(["END"], (args, { asker }) => finish(args, asker, "COMMIT")),
  command(["ROLLBACK"], (args, { asker }) => finish(args, asker, "ROLLBACK")),
  command(["ABORT"], (args, { asker }) => finish(args, asker, "ROLLBACK")),
  command(["SAVEPOINT"], (args) => (args.texts(1, 1), {})),
  command(["RELEASE"], (args) => (args.texts(1, 2), {})),
  command(["DISCARD"], discard),
  command(["DEALLOCATE"], (args, { asker }) => {
    const values = args.texts(1, 2);
    // PREPARE is a noise word, and a name where nothing follows, as in PostgreSQL.
    if (values.length === 2 && args.keyword(0) !== "PREPARE") throw syntaxErrorAt(args.tokens[1]!);
    const all = args.keyword(args.count - 1) === "ALL";
    asker.deallocate(all ? null : values.at(-1)!);
    return { tag: all ? "DEALLOCATE ALL" : "DEALLOCATE" };
  }),
  command(["CLOSE", "ALL"], (args) => (args.none(), { tag: "CLOSE CURSOR ALL" })),
  command(["UNLISTEN"], (args) => (args.texts(1, 1), {})),
  command(["SET", "SESSION", "CHARACTERISTICS"], () => ({})),
  command(["SET", "SESSION", "AUTHORIZATION", "DEFAULT"], (args) => (args.none(), {})),
  command(["SET", "ROLE", "NONE"], (args) => (args.none(), {})),
  command(["RESET", "ROLE"], (args) => (args.none(), {})),
  command(["RESET", "SESSION", "AUTHORIZATION"], (args) => (args.none(), {})),
  command(["SET", "TRANSACTION"], () => ({})),
  command(["SET", "NAMES"], () => ({})),
  command(["SET", "TIME", "ZONE"], () => ({})),
  command(
    ["SHOW", "TRANSACTION", "ISOLATION", "LEVEL"],
    (_, { asker }) => showDriverSetting("transaction_isolation", asker),
  ),
  command(["SHOW", "TIME", "ZONE"], (_, { asker }) => showDriverSetting("TimeZone", asker)),
  command(["SELECT"], select),
];

function command(words: readonly string[], run: Command["run"]): Command {
  return { words, access: "stats", run };
}

function begin(args: Args, asker: CommandContext["asker"], tag: string): Answer {
  transactionWords(args);
  const already = asker.inTransaction;
  asker.inTransaction = true;
  if (!already) return { tag };
  const message = "there is already a transaction in progress";
  return { tag, notices: [{ severity: "WARNING", message, sqlstate: "25001" }] };
}

function finish(args: Args, asker: CommandContext["asker"], tag: string): Answer {
  transactionWords(args);
  if (args.keyword(0) === "TO" || args.keyword(1) === "TO") return { tag };
  const was = asker.inTransaction;
  asker.inTransaction = false;
  if (was) return { tag };
  const message = "there is no transaction in progress";
  return { tag, notices: [{ severity: "WARNING", message, sqlstate: "25P01" }] };
}

function discard(args: Args, { asker }: CommandContext): Answer {
  const what = args.keyword(0);
  if (args.count !== 1 || !["ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY"].includes(what ?? "")) {
    throw new PgplexError("syntax_error", "syntax error: DISCARD takes ALL, PLANS, SEQUENCES or TEMP");
  }
  if (what === "ALL") {
    asker.deallocate(null);
    resetDriverSetting(null, asker);
  }
  return { tag: `DISCARD ${what}` };
}

/**
 * Keep-alive queries of drivers and dashboards: a number, a text, or one of a few functions without arguments. Any other
 * SELECT is a SHOW, as in PgBouncer: `SELECT pools`.
 */
async function select(args: Args, context: CommandContext): Promise<Answer> {
  const [first] = args.tokens;
  const count = selectItemTokens(args);
  const name = columnName(args.rest(count));
  const one = (type: Column["type"], value: string | number | boolean, called: string): Answer => ({
    columns: [{ name: name ?? called, type }],
    rows: [[value]],
    tag: "SELECT 1",
  });
  if (first?.kind === "string" && name !== undefined) return one("text", first.text, "?column?");
  if (first?.kind === "name" && name !== undefined) {
    const word = args.text(0).toLowerCase().replace(/^pg_catalog\./, "");
    if (/^\d{1,9}$/.test(word) && count === 1) return one("int4", Number(word), "?column?");
    const value = FUNCTIONS.get(word)?.(context);
    if (value !== undefined && (count === 3 || NO_PARENTHESES.has(word))) {
      return one(TYPE_OF[typeof value as keyof typeof TYPE_OF], value, word);
    }
  }
  const types = typeColumns(args);
  if (types !== null) return { columns: types, rows: [], tag: "SELECT 0" };
  const show = context.commands.findShow(args.tokens);
  try {
    return { tag: "SHOW", ...await show.command.run(show.args(args.params), context) };
  } catch (thrown) {
    throw thrown instanceof PgplexError && thrown.code === "syntax_error" ? noSql() : thrown;
  }
}

/** The error for SQL: PgBouncer's message, with a hint what to send instead. */
function noSql(): PgplexError {
  return new PgplexError("syntax_error", "invalid command 'SELECT …', use SHOW HELP;", {
    hint: "The console takes no SQL: SHOW and a name show what there is, as SHOW pools.",
  });
}

const TYPE_OF = { number: "int4", string: "text", boolean: "bool" } as const;

const FUNCTIONS: ReadonlyMap<string, (context: CommandContext) => string | number | boolean> = new Map<
  string,
  (context: CommandContext) => string | number | boolean
>([
  // Programs look for PostgreSQL's name and version in it.
  ["version", ({ version }) => `PostgreSQL ${IMITATED_VERSION} (pgplex ${version})`],
  ["current_database", ({ worker }) => worker.config.console.database],
  ["current_user", ({ asker }) => asker.user],
  ["session_user", ({ asker }) => asker.user],
  ["user", ({ asker }) => asker.user],
  ["current_schema", () => ""],
  ["pg_advisory_unlock_all", () => ""],
  ["pg_is_in_recovery", () => false],
  ["pg_backend_pid", ({ asker }) => asker.id],
]);

const NO_PARENTHESES: ReadonlySet<string> = new Set(["current_user", "session_user", "user"]);

/**
 * The columns of a plain `SELECT a, b FROM pg_catalog.pg_type …`, with which postgres.js and others look for arrays of types as
 * they connect: the console has none, so that the answer has no rows. Null for any other statement.
 */
function typeColumns({ tokens }: Args): Column[] | null {
  const from = tokens.findIndex((token) => keywordOf(token) === "FROM");
  const table = tokens[from + 1];
  if (from < 1 || table?.kind !== "name" || table.parts.at(-1)!.text.toLowerCase() !== "pg_type") return null;
  const columns: Column[] = [];
  for (const [index, token] of tokens.slice(0, from).entries()) {
    const isName = token.kind === "name";
    // Names and commas take turns.
    if (isName !== (index % 2 === 0) || (!isName && (token.kind !== "mark" || token.text !== ","))) {
      return null;
    }
    if (isName) columns.push({ name: token.parts.at(-1)!.text, type: "int4" });
  }
  return columns;
}

/** 3 for `name()`, else 1. */
function selectItemTokens({ tokens }: Args): number {
  const [, open, close] = tokens;
  return open?.kind === "mark" && open.text === "(" && close?.kind === "mark" && close.text === ")" ? 3 : 1;
}

/** The name that `AS name` or a bare name gives; null for none, undefined for anything else. */
function columnName(args: Args): string | null | undefined {
  if (args.count === 0) return null;
  const start = args.keyword(0) === "AS" ? 1 : 0;
  return args.count === start + 1 && args.tokens[start]!.kind === "name" ? args.text(start) : undefined;
}
