import {
  type Effect,
  encodingIn,
  hasLiterals,
  InFlight,
  readIn,
  runInternalAmid,
  type ServerConnection,
  SqlTexts,
} from "../../backend/mod.ts";
import type { StateWatch } from "../../learning/mod.ts";
import { type BinaryString, type ClientEncoding, isAscii, TxStatus } from "../../protocol/mod.ts";
import type { Progress } from "../progress.ts";
import type { TransactionControl } from "../transaction_control.ts";
import type { NameDrops } from "./name_drops.ts";
import { readAs } from "./read_as.ts";

/** What the statements that SQL made depend on. */
export interface SqlStatementsParts {
  readonly encoding: ClientEncoding;
  readonly watch: StateWatch;
  readonly changes: { readonly drops: NameDrops };
  readonly control: TransactionControl;
  readonly progress: Progress;
}

/** The session's prepared statements that SQL made, as of the last boundary, and how a server comes to have them. Pure. */
export class SqlStatements {
  readonly #parts: SqlStatementsParts;
  readonly #texts = new SqlTexts();
  /** By what settings their literals were read, as far as that is known. */
  #readings: Map<BinaryString, BinaryString> | null = null;
  /** Those that a server is being made to have. */
  readonly #inFlight = new InFlight<BinaryString>();

  constructor(parts: SqlStatementsParts) {
    this.#parts = parts;
  }

  /** All of them: by name, the PREPARE, both as the server keeps them. */
  get texts(): ReadonlyMap<BinaryString, BinaryString> {
    return this.#texts.map;
  }

  /** Whether `name` is one, or SQL may have made it just now: then the server has it under this name. */
  mayBe(name: BinaryString): boolean {
    return this.#texts.has(name) || this.#parts.watch.mentions(name);
  }

  /** Whether it is one that shows what statements there are. */
  lists(name: BinaryString): boolean {
    return /pg_prepared_statement/i.test(this.#texts.get(name) ?? "");
  }

  /** Whether it was made on another connection, and the aborted transaction keeps it from this one. */
  outOfReach(server: ServerConnection, name: BinaryString): boolean {
    return server.txStatus === TxStatus.Failed && this.#texts.has(name) && !server.sqlStatements.has(name);
  }

  /** Whether a server is being made to have any. */
  get pending(): boolean {
    return this.#inFlight.size > 0;
  }

  /** Whether a server is being made to have it in another batch than `batch`, and may skip that. */
  doubtful(name: BinaryString, batch: number): boolean {
    return this.#inFlight.doubtful(name, batch);
  }

  /** The server is made to have one that was made on another connection, before a message that names it. */
  ensure(server: ServerConnection, name: BinaryString, simple: boolean): void {
    const { changes: { drops }, control, progress } = this.#parts;
    const sql = this.#texts.get(name);
    if (sql === undefined || server.sqlStatements.has(name)) return;
    if (control.refuses(server) || drops.standsBefore(server.owed)) return;
    server.sqlStatements.add(name, sql);
    const done = () => this.#inFlight.settle(name);
    const undo = () => {
      done();
      server.sqlStatements.delete(name);
    };
    readAs(server, this.#readingOf(server, name, sql), () => {
      this.#inFlight.begin(name, server.owed.batch);
      runInternalAmid(server, sql, { effect: { done, undo } });
    });
    progress.syncAhead(server, simple);
  }

  /** How the server is to read its text, which is as the server keeps it. */
  #readingOf({ settings }: ServerConnection, name: BinaryString, sql: BinaryString): BinaryString {
    const now = settings.reading.literals;
    if (!hasLiterals(sql)) return now;
    const then = this.#readings?.get(name) ?? now;
    const kept = this.#parts.encoding.differs && !isAscii(sql);
    return readIn(then, kept ? "SQL_ASCII" : encodingIn(now));
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
    if (changed) this.#replace(after, server.settings.reading.literals);
    return changed;
  }

  #replace(texts: ReadonlyMap<BinaryString, BinaryString>, reading: BinaryString): void {
    const before = this.#readings;
    this.#readings = texts.size === 0 ? null : new Map();
    for (const [name, sql] of texts) {
      const known = this.#texts.get(name) === sql ? before?.get(name) : undefined;
      this.#readings!.set(name, known ?? reading);
    }
    this.#texts.replace(texts);
  }

  /** DISCARD ALL or DEALLOCATE ALL went through on `server`. */
  allDropped(server: ServerConnection): void {
    server.sqlStatements.clear();
    this.#texts.clear();
    this.#readings = null;
  }
}
