/**
 * `deno task functions`: holds the tables of `src/protocol/server_functions.ts` against the functions that PostgreSQL 12 to 18
 * have, and `--write` writes `src/protocol/server_function_names.ts` from them.
 *
 * @module
 */
import {
  HARMLESS_VOLATILE,
  SERVER_FUNCTIONS,
  SESSION_FUNCTIONS,
} from "../../src/protocol/server_functions.ts";
import { ensurePostgres, POSTGRES_MAJORS, type PostgresMajor, startPostgres } from "../embedded/mod.ts";

const USAGE = `Usage: deno task functions [--write]

Starts PostgreSQL 12 to 18, prints the VOLATILE functions of pg_catalog with the majors that have them, and fails where one is not
in the tables of src/protocol/server_functions.ts, or where src/protocol/server_function_names.ts is not what it should be.

  --write   writes src/protocol/server_function_names.ts
  --help    this text
`;

const NAMES_FILE = new URL("../../src/protocol/server_function_names.ts", import.meta.url);

/** Characters of a line of names. */
const LINE_MAX = 1000;

/** Functions that a statement can call by name: no trigger's or handler's, and none that takes what SQL cannot make. */
const CALLABLE = `
  SELECT p.proname AS name, bool_or(p.provolatile = 'v' AND p.prokind <> 'a') AS volatile
  FROM pg_proc p WHERE p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace
    AND NOT 'internal'::regtype = ANY (p.proargtypes) AND p.prorettype <> 'internal'::regtype
    AND p.prorettype <> 'trigger'::regtype AND p.prorettype <> 'event_trigger'::regtype
    AND p.prorettype::regtype::text !~ '_handler$'
  GROUP BY p.proname`;

/** A name, and the majors in which it is a function's. */
interface Named {
  readonly majors: PostgresMajor[];
  volatile: boolean;
}

async function readNames(): Promise<Map<string, Named>> {
  const named = new Map<string, Named>();
  for (const major of POSTGRES_MAJORS) {
    await using node = await startPostgres({ major });
    for (const { name, volatile } of await node.sql(CALLABLE)) {
      const entry = named.get(name) ?? { majors: [], volatile: false };
      entry.majors.push(major);
      entry.volatile ||= volatile;
      named.set(name, entry);
    }
  }
  return new Map([...named].sort(([a], [b]) => a < b ? -1 : 1));
}

/** What is wrong with the tables. */
function problemsOf(named: ReadonlyMap<string, Named>): string[] {
  const problems: string[] = [];
  for (const [name, { volatile }] of named) {
    if (!/^[a-z_][a-z0-9_]*$/.test(name)) problems.push(`${name} is no plain name`);
    const judged = SESSION_FUNCTIONS.has(name) || HARMLESS_VOLATILE.has(name);
    if (volatile && !judged) problems.push(`${name} is VOLATILE, and in neither table`);
    if (!volatile && HARMLESS_VOLATILE.has(name)) {
      problems.push(`${name} is in HARMLESS_VOLATILE, and not VOLATILE`);
    }
  }
  for (const name of [...SESSION_FUNCTIONS.keys(), ...HARMLESS_VOLATILE]) {
    if (!named.has(name)) problems.push(`${name} is in a table, and no function of any major`);
  }
  return problems;
}

/** The text of the file of names. */
function fileOf(names: readonly string[]): string {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + name.length > LINE_MAX) lines.push(name);
    else lines[lines.length - 1] = `${last} ${name}`;
  }
  const majors = `${POSTGRES_MAJORS[0]} to ${POSTGRES_MAJORS.at(-1)}`;
  return `/**
 * Names of the functions of pg_catalog in PostgreSQL ${majors} that leave nothing behind in a session, sorted: see SERVER_FUNCTIONS
 * of \`server_functions.ts\`. Written by \`deno task functions --write\` from pg_proc of each major, not by hand.
 */
export const SERVER_FUNCTION_NAMES: string = \`
${lines.join("\n")}
\`;
`;
}

/** Runs the tool, and returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [option, ...more] = args;
  if (option === "--help") {
    console.log(USAGE);
    return 0;
  }
  if (more.length > 0 || (option !== undefined && option !== "--write")) {
    console.error(USAGE);
    return 2;
  }
  for (const major of POSTGRES_MAJORS) await ensurePostgres(major);
  const named = await readNames();
  for (const [name, { majors, volatile }] of named) {
    if (volatile) console.log(`${name} ${majors.join(",")} ${SESSION_FUNCTIONS.get(name) ?? "harmless"}`);
  }
  const problems = problemsOf(named);
  const harmless = [...named.keys()].filter((name) => !SESSION_FUNCTIONS.has(name));
  const text = fileOf(harmless);
  const isAsWritten = text === await Deno.readTextFile(NAMES_FILE).catch(() => "");
  if (problems.length === 0 && option === "--write") await Deno.writeTextFile(NAMES_FILE, text);
  else if (!isAsWritten) problems.push("server_function_names.ts is not what it should be: see --write");
  for (const problem of problems) console.error(problem);
  console.log(
    `${named.size} names, ${harmless.length} of them harmless, ${SERVER_FUNCTIONS.size} in the file before`,
  );
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
