import { type Effect, runInternal, type ServerConnection, SqlTexts } from "../../backend/mod.ts";
import type { StateWatch } from "../../learning/mod.ts";
import { type BinaryString, TxStatus } from "../../protocol/mod.ts";
import type { Progress } from "../progress.ts";
import type { TransactionControl } from "../transaction_control.ts";
import type { NameDrops } from "./name_drops.ts";

/** What the statements that SQL made depend on. */
export interface SqlStatementsParts {
  readonly watch: StateWatch;
  readonly changes: { readonly drops: NameDrops };
  readonly control: TransactionControl;
  readonly progress: Progress;
}

/** The session's prepared statements that SQL made, as of the last boundary, and how a server comes to have them. Pure. */
export class SqlStatements {
  readonly #parts: SqlStatementsParts;
  readonly #texts = new SqlTexts();

  constructor(parts: SqlStatementsParts) {
    this.#parts = parts;
  }

  /** All of them: by name, the PREPARE. */
  get texts(): ReadonlyMap<BinaryString, BinaryString> {
    return this.#texts.map;
  }

  /** Whether `name` is one, or SQL may have made it just now: then the server has it under this name. */
  mayBe(name: BinaryString): boolean {
    return this.#texts.has(name) || this.#parts.watch.mentions(name);
  }

  /** Whether it was made on another connection, and the aborted transaction keeps it from this one. */
  outOfReach(server: ServerConnection, name: BinaryString): boolean {
    return server.txStatus === TxStatus.Failed && this.#texts.has(name) && !server.sqlStatements.has(name);
  }

  /** The server is made to have one that was made on another connection, before a message that names it. */
  ensure(server: ServerConnection, name: BinaryString, simple: boolean): void {
    const { changes: { drops }, control, progress } = this.#parts;
    const sql = this.#texts.get(name);
    if (sql === undefined || server.sqlStatements.has(name)) return;
    if (control.refuses(server) || drops.standsBefore(server.owed)) return;
    server.sqlStatements.add(name, sql);
    const undo = () => server.sqlStatements.delete(name);
    runInternal(server, sql, { effect: { done() {}, undo } });
    progress.syncAhead(server, simple);
  }

  /** A Close ends it, on whichever connection it was made. @returns what is to be undone where the server skips that */
  close(name: BinaryString): Effect {
    const { drops } = this.#parts.changes;
    const sql = this.#texts.get(name);
    const { count } = drops;
    this.#texts.delete(name);
    const undo = () => {
      if (sql !== undefined && drops.count === count) this.#texts.add(name, sql);
    };
    return { done() {}, undo };
  }

  /** A look at the server `found` these: SQL made or deallocated what differs. Whether anything does. */
  found(server: ServerConnection, found: ReadonlyMap<BinaryString, BinaryString>): boolean {
    const before = this.#texts.map;
    const after = new Map(before);
    // What the server had and has no more was deallocated; what it never had is still the session's.
    for (const [name] of server.sqlStatements) if (!found.has(name)) after.delete(name);
    for (const [name, sql] of found) after.set(name, sql);
    server.sqlStatements.replace(found);
    const changed = after.size !== before.size || [...after].some(([name, sql]) => before.get(name) !== sql);
    if (changed) this.#texts.replace(after);
    return changed;
  }

  /** DISCARD ALL or DEALLOCATE ALL went through on `server`. */
  allDropped(server: ServerConnection): void {
    server.sqlStatements.clear();
    this.#texts.clear();
  }
}
