import {
  type Effect,
  encodingIn,
  hasLiterals,
  InFlight,
  type ReadBy,
  readIn,
  runInternalAmid,
  type ServerConnection,
  type SqlStatement,
  SqlTexts,
} from "../../backend/mod.ts";
import type { StateWatch } from "../../learning/mod.ts";
import {
  type BinaryString,
  type ClientEncoding,
  isAscii,
  SetsReading,
  type SqlTraits,
  TxStatus,
} from "../../protocol/mod.ts";
import type { Progress } from "../progress.ts";
import type { TransactionControl } from "../transaction_control.ts";
import type { NameDrops } from "./name_drops.ts";
import { knowsPath, readAs, readNow } from "./read_as.ts";

/** What the statements that SQL made depend on. */
export interface SqlStatementsParts {
  readonly encoding: ClientEncoding;
  readonly watch: StateWatch;
  readonly changes: { readonly drops: NameDrops };
  readonly control: TransactionControl;
  readonly progress: Progress;
}

/** How a server is made to have a statement under its own name. */
export interface Lending {
  /** Before a simple query. */
  readonly simple: boolean;
  /** Nothing ran in this lease that may have set the search_path out of sight: it can be set, and set back. */
  readonly sure: boolean;
}

/** The session's prepared statements that SQL made, as of the last boundary, and how a server comes to have them. Pure. */
export class SqlStatements {
  readonly #parts: SqlStatementsParts;
  readonly #texts = new SqlTexts();
  /** By what settings those are made that a text since the last look prepares; null for what is not known. */
  #prepared: Map<BinaryString, Partial<ReadBy>> | null = null;
  /** Those that a server is being made to have. */
  readonly #inFlight = new InFlight<BinaryString>();

  constructor(parts: SqlStatementsParts) {
    this.#parts = parts;
  }

  /** All of them, by name as the server keeps it. */
  get texts(): ReadonlyMap<BinaryString, SqlStatement> {
    return this.#texts.map;
  }

  /** Whether `name` is one, or SQL may have made it just now: then the server has it under this name. */
  mayBe(name: BinaryString): boolean {
    return this.#texts.has(name) || this.#parts.watch.mentions(name);
  }

  /** Whether it is one that shows what statements there are. */
  lists(name: BinaryString): boolean {
    return /pg_prepared_statement/i.test(this.#texts.get(name)?.sql ?? "");
  }

  /** Whether it was made on another connection, and this one does not have it. */
  isElsewhere(server: ServerConnection, name: BinaryString): boolean {
    const { sqlStatements, foreignNames, owed } = server;
    return this.#texts.has(name) && !sqlStatements.has(name) && !foreignNames.has(name) &&
      !this.#parts.changes.drops.standsBefore(owed);
  }

  /** Whether it was made on another connection, and the aborted transaction keeps it from this one. */
  outOfReach(server: ServerConnection, name: BinaryString): boolean {
    return server.txStatus === TxStatus.Failed && this.isElsewhere(server, name);
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
  ensure(server: ServerConnection, name: BinaryString, { simple, sure }: Lending): void {
    const { changes: { drops }, control, progress } = this.#parts;
    const statement = this.#texts.get(name);
    if (statement === undefined) return;
    if (!this.#parts.watch.readsOtherwise(false)) statement.literals ??= readNow(server).literals;
    if (server.sqlStatements.has(name)) return;
    if (control.refuses(server) || drops.standsBefore(server.owed)) return;
    server.sqlStatements.add(name, statement);
    const done = () => this.#inFlight.settle(name);
    const undo = () => {
      done();
      server.sqlStatements.delete(name);
    };
    readAs(server, this.#readingOf(server, statement, sure), () => {
      this.#inFlight.begin(name, server.owed.batch);
      runInternalAmid(server, statement.sql, { effect: { done, undo } });
    });
    progress.syncAhead(server, simple);
  }

  /** How the server is to read its text, which is as the server keeps it. */
  #readingOf(
    server: ServerConnection,
    { sql, literals, path: madeUnder }: SqlStatement,
    sure: boolean,
  ): ReadBy {
    const now = readNow(server);
    const path = (sure ? madeUnder : null) ?? now.path;
    if (!hasLiterals(sql)) return { literals: now.literals, path };
    const kept = this.#parts.encoding.differs && !isAscii(sql);
    const encoding = kept ? "SQL_ASCII" : encodingIn(now.literals);
    return { literals: readIn(literals ?? now.literals, encoding), path };
  }

  /** A Close ends it, on whichever connection it was made. @returns what is to be undone where the server skips that */
  close(name: BinaryString): Effect {
    const { drops } = this.#parts.changes;
    const statement = this.#texts.get(name);
    const { count } = drops;
    this.#texts.delete(name);
    const undo = () => {
      if (statement !== undefined && drops.count === count) this.#texts.add(name, statement);
    };
    return { done() {}, undo };
  }

  /** A text that names statements goes to the server: those that it prepares are read by the settings that hold now. */
  texted(server: ServerConnection, traits: SqlTraits): void {
    if (!traits.outlasts) return; // it prepares none
    const { encoding, watch } = this.#parts;
    const now = readNow(server);
    const by: Partial<ReadBy> = {
      ...(!traits.setsPath && (!watch.setsPath || knowsPath(server, this.#parts)) && { path: now.path }),
      ...(this.#knowsLiterals(server, traits) && { literals: now.literals }),
    };
    const prepared = this.#prepared ??= new Map();
    for (const name of encoding.allToServer(traits.statements)) prepared.set(name, by);
  }

  /** Whether it is certain by what settings the literals of a text are read: the server has reported them, and nothing else set them. */
  #knowsLiterals({ owed }: ServerConnection, { setsReading, setsByFunction }: SqlTraits): boolean {
    const { watch, progress } = this.#parts;
    if (setsReading !== SetsReading.No || setsByFunction || watch.readsOtherwise(true)) return false;
    return owed.settled && !progress.batchSent;
  }

  /** A look at the server `found` these: SQL made or deallocated what differs. Whether anything does. */
  found(server: ServerConnection, found: ReadonlyMap<BinaryString, BinaryString>): boolean {
    const before = this.#texts.map;
    const after = new Map(before);
    // What the server had and has no more was deallocated; what it never had is still the session's.
    for (const [name] of server.sqlStatements) if (!found.has(name)) after.delete(name);
    const there = new Map([...found].map(([name, sql]) => [name, this.#foundOn(server, name, sql)]));
    for (const [name, statement] of there) after.set(name, statement);
    server.sqlStatements.replace(there);
    this.#prepared = null;
    const changed = after.size !== before.size ||
      [...after].some(([name, statement]) => before.get(name) !== statement);
    if (changed) this.#texts.replace(after);
    return changed;
  }

  /** What was there before, or another one where it may have been made anew. */
  #foundOn(
    { sqlStatements, settings }: ServerConnection,
    name: BinaryString,
    sql: BinaryString,
  ): SqlStatement {
    const before = sqlStatements.get(name);
    const isKnown = before?.sql === sql;
    const prepared = this.#prepared?.get(name);
    if (isKnown && prepared === undefined) return before;
    // What failed may have been the PREPARE of a name that was taken.
    if (isKnown && this.#parts.watch.undone) return { ...before };
    return {
      sql,
      literals: prepared?.literals ?? settings.reading.literals,
      path: prepared?.path ?? null,
    };
  }

  /** DISCARD PLANS went through on `server`: literals are read by the settings of the next use, also by other servers. */
  plansDiscarded({ sqlStatements }: ServerConnection): void {
    for (const [name, { path }] of this.#prepared ?? []) {
      this.#prepared!.set(name, path === undefined ? {} : { path });
    }
    const before = this.#texts.map;
    this.#texts.replace(new Map([...before].map(([name, made]) => [name, { ...made, literals: null }])));
    const there = [...sqlStatements].map(([name, made]): [BinaryString, SqlStatement] => [
      name,
      before.get(name) === made ? this.#texts.get(name)! : made,
    ]);
    sqlStatements.replace(new Map(there));
  }

  /** DISCARD ALL or DEALLOCATE ALL went through on `server`. */
  allDropped(server: ServerConnection): void {
    server.sqlStatements.clear();
    this.#texts.clear();
    this.#prepared = null;
  }
}
