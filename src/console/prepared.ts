import { PgplexError } from "../kernel/mod.ts";
import type { ParamValue } from "./args.ts";
import type { Invocation } from "./commands.ts";
import type { Answer } from "./command.ts";
import type { Format } from "./reply.ts";

/** Prepared statements, and portals, that one client of the console may have. */
const ENTRIES_MAX = 1000;

/** A statement that Parse made; null when its text was empty. */
export interface PreparedStatement {
  readonly invocation: Invocation | null;
  readonly paramTypes: readonly number[];
}

/** What Bind made of a statement. */
export interface Portal {
  readonly statement: PreparedStatement;
  readonly params: readonly ParamValue[];
  readonly formats: readonly Format[];
  /** Set once it has run, or was described by running it. */
  answer: Answer | null;
  /** Rows of the answer that Execute has sent. */
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
    keep(this.#statements, name, statement, "prepared statements");
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
    keep(this.#portals, name, portal, "portals");
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

function keep<T>(into: Map<string, T>, name: string, value: T, what: string): void {
  if (!into.has(name) && into.size >= ENTRIES_MAX) {
    throw new PgplexError("statement_too_large", `too many ${what}: the limit is ${ENTRIES_MAX}`);
  }
  into.set(name, value);
}
