import {
  type Effect,
  encodingIn,
  hasLiterals,
  InFlight,
  type ReadBy,
  readIn,
  runInternalAmid,
  type ServerConnection,
  SqlTexts,
} from "../../backend/mod.ts";
import type { StateWatch } from "../../learning/mod.ts";
import {
  type BinaryString,
  type ClientEncoding,
  isAscii,
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

/** By what settings a statement was made; where its search_path is not known that is null. */
interface MadeBy {
  readonly literals: BinaryString;
  readonly path: BinaryString | null;
}

/** The session's prepared statements that SQL made, as of the last boundary, and how a server comes to have them. Pure. */
export class SqlStatements {
  readonly #parts: SqlStatementsParts;
  readonly #texts = new SqlTexts();
  /** By what settings they were read, as far as that is known. */
  #readings: Map<BinaryString, MadeBy> | null = null;
  /** Under which search_path those are made that a text since the last look prepares; null for one that is not known. */
  #paths: Map<BinaryString, BinaryString | null> | null = null;
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
    const sql = this.#texts.get(name);
    if (sql === undefined || server.sqlStatements.has(name)) return;
    if (control.refuses(server) || drops.standsBefore(server.owed)) return;
    server.sqlStatements.add(name, sql);
    const done = () => this.#inFlight.settle(name);
    const undo = () => {
      done();
      server.sqlStatements.delete(name);
    };
    readAs(server, this.#readingOf(server, name, sql, sure), () => {
      this.#inFlight.begin(name, server.owed.batch);
      runInternalAmid(server, sql, { effect: { done, undo } });
    });
    progress.syncAhead(server, simple);
  }

  /** How the server is to read its text, which is as the server keeps it. */
  #readingOf(server: ServerConnection, name: BinaryString, sql: BinaryString, sure: boolean): ReadBy {
    const now = readNow(server);
    const then = this.#readings?.get(name);
    const path = (sure ? then?.path : null) ?? now.path;
    if (!hasLiterals(sql)) return { literals: now.literals, path };
    const kept = this.#parts.encoding.differs && !isAscii(sql);
    const encoding = kept ? "SQL_ASCII" : encodingIn(now.literals);
    return { literals: readIn(then?.literals ?? now.literals, encoding), path };
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

  /** A text that names statements goes to the server: those that it prepares are read by the search_path that holds now. */
  texted(server: ServerConnection, { statements, setsPath, outlasts }: SqlTraits): void {
    if (!outlasts) return; // it prepares none
    const { encoding, watch } = this.#parts;
    const isKnown = !setsPath && (!watch.setsPath || knowsPath(server, this.#parts));
    const paths = this.#paths ??= new Map();
    for (const name of encoding.allToServer(statements)) {
      paths.set(name, isKnown ? server.settings.searchPath : null);
    }
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
    if (changed || this.#paths !== null) this.#replace(after, server);
    this.#paths = null;
    return changed;
  }

  #replace(texts: ReadonlyMap<BinaryString, BinaryString>, { settings }: ServerConnection): void {
    const { literals } = settings.reading;
    const paths = this.#paths;
    // What failed may have been the PREPARE of a name that was taken.
    const { undone } = this.#parts.watch;
    const before = this.#readings;
    this.#readings = texts.size === 0 ? null : new Map();
    for (const [name, sql] of texts) {
      const isSame = this.#texts.get(name) === sql && (undone || paths?.has(name) !== true);
      const known = isSame ? before?.get(name) : undefined;
      this.#readings!.set(name, known ?? { literals, path: paths?.get(name) ?? null });
    }
    this.#texts.replace(texts);
  }

  /** DISCARD ALL or DEALLOCATE ALL went through on `server`. */
  allDropped(server: ServerConnection): void {
    server.sqlStatements.clear();
    this.#texts.clear();
    this.#readings = null;
    this.#paths = null;
  }
}
