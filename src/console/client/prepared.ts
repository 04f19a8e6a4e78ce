import { PgplexError } from "../../kernel/mod.ts";
import { type Answer, isTable } from "../answer/mod.ts";
import type { Invocation, ParamValue } from "../command/mod.ts";
import type { Format } from "../wire/mod.ts";
import type { Directed } from "./directives.ts";

/** How many prepared statements, and portals, one client of the console may have. */
const ENTRIES_MAX = 1000;

/** Characters in the texts of all prepared statements of one client, and in the values of all its portals. */
const CHARS_MAX = 1_000_000;

/** Cells of tables that the portals of one client keep for a later Execute; a single table may have more. */
const CELLS_MAX = 1_000_000;

/** A statement that Parse made; null when its text was empty. */
export interface PreparedStatement {
  readonly invocation: Invocation | null;
  /** What its text's directives say: they hold each time that it is executed. */
  readonly directed: Directed;
  readonly paramTypes: readonly number[];
  /** Its share of the limit on the texts of all statements. */
  readonly chars: number;
}

/** What Bind made of a statement. */
export interface Portal {
  readonly statement: PreparedStatement;
  readonly params: readonly ParamValue[];
  readonly formats: readonly Format[];
  /** Set once it has run, or was described by running it; without its rows when all were sent. */
  answer: Answer | null;
  /** Rows of the answer that Execute has sent so far. */
  sent: number;
  /** Whether all of the answer was sent: as in PostgreSQL, what is not a query runs once. */
  finished: boolean;
}

/** The prepared statements and portals of one client; the one named "" is replaced silently. */
export class PreparedSet {
  readonly #statements = new Map<string, PreparedStatement>();
  readonly #portals = new Map<string, Portal>();

  get statementCount(): number {
    return this.#statements.size;
  }

  /** @throws PgplexError `duplicate_statement` */
  addStatement(name: string, statement: PreparedStatement): void {
    if (name !== "" && this.#statements.has(name)) {
      throw new PgplexError("duplicate_statement", `prepared statement "${name}" already exists`);
    }
    add(this.#statements, name, statement, { what: "prepared statements", chars: ({ chars }) => chars });
  }

  /** @throws PgplexError `statement_missing` */
  statement(name: string): PreparedStatement {
    const found = this.#statements.get(name);
    if (found !== undefined) return found;
    throw new PgplexError(
      "statement_missing",
      name === ""
        ? "unnamed prepared statement does not exist"
        : `prepared statement "${name}" does not exist`,
    );
  }

  closeStatement(name: string): void {
    this.#statements.delete(name);
  }

  closeAllStatements(): void {
    this.#statements.clear();
  }

  /** @throws PgplexError `duplicate_portal` */
  addPortal(name: string, portal: Portal): void {
    if (name !== "" && this.#portals.has(name)) {
      throw new PgplexError("duplicate_portal", `portal "${name}" already exists`);
    }
    add(this.#portals, name, portal, { what: "portals", chars: paramChars });
  }

  /** A portal keeps its answer for later Executes. @throws PgplexError `statement_too_large` */
  keep(portal: Portal, answer: Answer): Answer {
    let others = 0;
    for (const one of this.#portals.values()) if (one !== portal) others += cellCount(one.answer);
    if (others > 0 && others + cellCount(answer) > CELLS_MAX) throw tooMuch("cells in portals", CELLS_MAX);
    return portal.answer = answer;
  }

  /** All of a portal's answer was sent: its rows are kept no longer. */
  finish(portal: Portal): void {
    portal.finished = true;
    portal.sent = 0;
    if (portal.answer !== null && isTable(portal.answer)) portal.answer = { ...portal.answer, rows: [] };
  }

  /** @throws PgplexError `portal_missing` */
  portal(name: string): Portal {
    const found = this.#portals.get(name);
    if (found === undefined) throw new PgplexError("portal_missing", `portal "${name}" does not exist`);
    return found;
  }

  closePortal(name: string): void {
    this.#portals.delete(name);
  }

  closeAllPortals(): void {
    this.#portals.clear();
  }
}

/** @throws PgplexError `statement_too_large` */
function add<T>(
  into: Map<string, T>,
  name: string,
  value: T,
  { what, chars }: { what: string; chars: (value: T) => number },
): void {
  if (!into.has(name) && into.size >= ENTRIES_MAX) throw tooMuch(what, ENTRIES_MAX);
  let sum = chars(value);
  for (const [other, one] of into) if (other !== name) sum += chars(one);
  if (sum > CHARS_MAX) throw tooMuch(`characters in ${what}`, CHARS_MAX);
  into.set(name, value);
}

function paramChars({ params }: Portal): number {
  return params.reduce((sum, value) => sum + (value?.length ?? 0), 0);
}

function cellCount(answer: Answer | null): number {
  return answer !== null && isTable(answer) ? answer.rows.length * answer.columns.length : 0;
}

function tooMuch(what: string, max: number): PgplexError {
  return new PgplexError("statement_too_large", `too many ${what}: the limit is ${max}`);
}
