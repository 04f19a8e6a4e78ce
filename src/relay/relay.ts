import {
  type Description,
  type Effect,
  InFlight,
  Mark,
  Owed,
  type OwedReplies,
  runTask,
  type ServerConnection,
  type Statement,
  type StatementStore,
} from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeCloseStatement,
  encodeExecute,
  encodeFront,
  encodeParse,
  encodeSync,
  Front,
  type SqlTraits,
  TxStatus,
} from "../protocol/mod.ts";
import type { PoolCounters } from "../telemetry/mod.ts";
import type { ByteSink } from "../transport/mod.ts";
import type { StandingOrder } from "../options/mod.ts";
import { type Fingerprint, type Fingerprints, StateWatch } from "../learning/mod.ts";
import { NameDrops } from "./statements/name_drops.ts";
import { PreparedNames } from "./statements/prepared_names.ts";

const NO_STATEMENTS: ReadonlyMap<BinaryString, BinaryString> = new Map();

/** A name that was SET is left alone. Returns no row, which would reach the client. */
const RESTORE_NAME: BinaryString = "SELECT FROM pg_catalog.pg_settings s WHERE CASE WHEN " +
  "s.name OPERATOR(pg_catalog.=) 'application_name' AND s.source OPERATOR(pg_catalog.<>) 'session' " +
  "THEN pg_catalog.set_config('application_name', $1, false) IS NULL ELSE false END";

/** What a session's channels do before a statement goes to the server; {@link "../listen/session_channels.ts"}. */
export interface ChannelLender {
  /** Whether messages of pgplex's own go before a statement with these traits. */
  wants(traits: SqlTraits): boolean;
  /** A statement with these traits goes to the server next. */
  before(server: ServerConnection, traits: SqlTraits, simple: boolean): void;
  /** A batch ends with the next message. */
  beforeSync(server: ServerConnection): void;
  /** DISCARD ALL went through. */
  discarded(): void;
}

/** What both directions of one session share. Pure: it puts bytes into sinks and never awaits. */
export class Relay {
  readonly names: PreparedNames;
  /** What ran in the current lease. */
  readonly watch: StateWatch;
  /** Names for which a Parse or Close was sent and not answered yet. */
  readonly namesInFlight = new InFlight<BinaryString>();
  /** The session's prepared statements that SQL made, as of the last boundary: by name, the PREPARE. */
  sqlStatements: ReadonlyMap<BinaryString, BinaryString> = NO_STATEMENTS;
  readonly #store: StatementStore;
  /** What ends all names at once. */
  readonly drops = new NameDrops();
  /** The batch in which the last ROLLBACK or its kin of the extended protocol went to the server. */
  #endsIn = -1;
  #endsOn: OwedReplies | null = null;
  /** Towards the client; something that keeps the bytes while others must come first. */
  client: ByteSink;
  /** Of a session that has listened to a channel. */
  lender: ChannelLender | null = null;
  /** The leased server connection. */
  server: ServerConnection | null = null;
  /**
   * Whether prepared statements are renamed: in transaction pooling, where the next lease may be of another connection.
   * Session pooling leaves names as they are.
   */
  readonly renames: boolean;
  /** Statements kept on one server connection, at most. */
  preparedMax: number;
  /** Messages to the server are looked at one by one: a statement has a time of its own, or may be SHOW of an option. */
  attentive = false;
  /** A message to the server has begun and not ended: not a boundary. */
  midMessage = false;
  /** A message to the client has begun and not ended: not a boundary, and nothing else may be put there. */
  midReply = false;
  /** Answers of pgplex's own that wait for the end of that message. */
  #held: Uint8Array[] = [];
  /** Extended-query messages went to the server and no Sync behind them yet: not a boundary, even with all answered. */
  openBatch = false;
  /** One of those messages went to the server: what pgplex puts there now stands in the client's batch. */
  batchSent = false;
  /** The lease's boundary was reached: it may end once everything is written. */
  boundary = false;
  /** The application_name of the client's startup packet, with which the server connection was not opened; null: none. */
  loginName: BinaryString | null = null;
  /** The server connection's application_name may be what RESET makes of it there. */
  nameMayBeReset = false;
  /** It was made the client's own again, which the server is about to report. */
  nameRestored = false;
  /** What the server connection remembers of sequences may be another session's. */
  sequencesForeign = false;
  // Since they were last collected: added to while messages pass.
  /** ReadyForQuery messages seen, that is, queries and batches. */
  queryCount = 0;
  /** Those that said that no transaction is open. */
  xactCount = 0;
  /** Parse and Bind messages of the client. */
  parseCount = 0;
  bindCount = 0;
  /** Parse messages of pgplex's own, for statements that the client prepared elsewhere. */
  ownParseCount = 0;

  constructor(
    client: ByteSink,
    store: StatementStore,
    options: { renames: boolean; preparedMax: number; fingerprints: Fingerprints },
  ) {
    this.client = client;
    this.#store = store;
    this.names = new PreparedNames(store);
    this.watch = new StateWatch(options.fingerprints);
    this.renames = options.renames;
    this.preparedMax = options.preparedMax;
  }

  /** What passed since the last time counts for the pool. */
  collectCounts(counters: PoolCounters): void {
    counters.queries += this.queryCount;
    counters.xacts += this.xactCount;
    counters.clientParses += this.parseCount;
    counters.serverParses += this.parseCount + this.ownParseCount;
    counters.binds += this.bindCount;
    this.queryCount =
      this.xactCount =
      this.parseCount =
      this.bindCount =
      this.ownParseCount =
        0;
  }

  /** Notes whether the lease may end: nothing owed, no transaction, no half message. */
  checkBoundary(): void {
    this.boundary = this.server !== null && this.quiet;
  }

  /** Whether the client has heard all that it is to hear for now, and is in no transaction. */
  get quiet(): boolean {
    const server = this.server;
    if (server === null) return !this.midReply;
    return !this.midMessage && !this.midReply && !this.openBatch &&
      server.txStatus === TxStatus.Idle && server.owed.settled &&
      !server.owed.skipping;
  }

  /**
   * Makes sure that the server has `statement` when the next message arrives there, with the types of `parameters` that the
   * client was told, if it was.
   */
  ensureStatement(
    server: ServerConnection,
    statement: Statement,
    parameters: BinaryString | null = null,
  ): void {
    const { prepared } = server;
    if (
      prepared.touch(statement) && !prepared.isStale(statement, server.settings.searchPath) &&
      (parameters === null || prepared.descriptionOf(statement)!.parameters === parameters)
    ) return;
    this.makeStatement(server, statement, parameters);
  }

  /** Makes `statement` on the server, anew where it has it. */
  makeStatement(server: ServerConnection, statement: Statement, parameters: BinaryString | null): void {
    if (server.prepared.touch(statement)) {
      server.prepared.delete(statement);
      this.closeOnServer(server, statement);
    }
    server.out.put(statement.encodeParse(statement.name, parameters));
    this.ownParseCount++;
    server.prepared.add(statement, server.settings.searchPath, parameters);
    server.prepared.inFlight.begin(statement, server.owed.batch);
    server.owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, {
      done: () => server.prepared.inFlight.settle(statement),
      undo: () => {
        server.prepared.inFlight.settle(statement);
        server.prepared.delete(statement);
      },
    });
    this.evictStatements(server);
  }

  /** Makes sure that the server's unnamed statement is this session's. Whether there is one at all. */
  ensureUnnamed(server: ServerConnection): boolean {
    const { names } = this;
    if (server.unnamedOwner === names && server.unnamedSerial === names.unnamedSerial) return true;
    const body = names.unnamedTyped;
    if (body === null) return false;
    server.out.put(encodeFront(Front.Parse, body));
    this.ownParseCount++;
    this.ownUnnamed(server);
    server.owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, {
      done: () => server.unnamedInFlight--,
      undo: () => {
        if (--server.unnamedInFlight === 0) server.unnamedOwner = null;
      },
    });
    return true;
  }

  /** The server's unnamed statement is this session's, once the Parse that goes to it now is answered. */
  ownUnnamed(server: ServerConnection): void {
    server.unnamedOwner = this.names;
    server.unnamedSerial = this.names.unnamedSerial;
    server.unnamedInFlight++;
    server.unnamedBatch = server.owed.batch;
  }

  /** Whether an earlier batch decides what the server's unnamed statement is. */
  unnamedDoubtful(server: ServerConnection): boolean {
    return server.unnamedInFlight > 0 && server.unnamedBatch !== server.owed.batch;
  }

  /** Ends what is too much on the server, the longest unused first. */
  evictStatements(server: ServerConnection): void {
    for (;;) {
      const old = server.prepared.evict(this.preparedMax, server.owed.batch);
      if (old === null) return;
      this.closeOnServer(server, old);
    }
  }

  /** Closes a statement that was taken out of the server's set; skipped by the server, it is back in. */
  closeOnServer(server: ServerConnection, statement: Statement): void {
    server.out.put(statement.encodeClose());
    server.prepared.inFlight.begin(statement, server.owed.batch);
    server.owed.sent(Owed.Close | Mark.Swallow | Mark.Effect, {
      done: () => server.prepared.inFlight.settle(statement),
      undo: () => {
        server.prepared.inFlight.settle(statement);
        server.prepared.add(statement);
      },
    });
  }

  /** A statement goes to the server with the next message. */
  runs(server: ServerConnection, fingerprint: Fingerprint, simple: boolean): void {
    const { statements, listsStatements, sequences, resetsName, neutral } = fingerprint.traits;
    if (this.nameMayBeReset) this.#restoreName(server, simple);
    if (resetsName && this.loginName !== null) this.nameMayBeReset = true;
    if (sequences === "read" && this.sequencesForeign) this.#discardSequences(server, simple);
    this.watch.runs(fingerprint);
    if (this.lender !== null) this.lender.before(server, fingerprint.traits, simple);
    if (neutral && !simple) {
      this.#endsIn = server.owed.batch;
      this.#endsOn = server.owed;
    }
    if (statements.includes("all") || (sequences === "discard" && resetsName)) {
      this.drops.begin(server.owed, simple);
    }
    this.#ensureNamed(server, statements, simple);
    if (listsStatements) this.#showOwnStatements(server, simple);
  }

  /** A statement is parsed or described, and does nothing yet: the server must have those that it names. */
  parses(server: ServerConnection, { traits }: Fingerprint): void {
    this.#ensureNamed(server, traits.statements, false);
  }

  #ensureNamed(server: ServerConnection, names: readonly BinaryString[], simple: boolean): void {
    for (const name of names) {
      // One that was made behind a DEALLOCATE ALL still on its way takes the name of what that ends.
      if (this.names.findName(name) !== null) this.#lendName(server, name, simple);
      else this.ensureSqlStatement(server, name, simple);
    }
  }

  /**
   * RESET goes back to the application_name of the client's startup packet: where it went back to what the server connection
   * was opened with, and nothing was set since, that is put right in the client's own transaction.
   */
  #restoreName(server: ServerConnection, simple: boolean): void {
    this.nameMayBeReset = false;
    if (this.#refuses(server)) return;
    // Where no transaction was begun, what stands next may be a CALL that commits, which must stand first.
    const { owed } = server;
    const begun = this.#endsIn === owed.batch && this.#endsOn === owed;
    if (!simple && server.txStatus === TxStatus.Idle && !begun) return;
    server.out.put(encodeParse("", RESTORE_NAME));
    server.out.put(encodeBind("", [this.loginName!]));
    server.out.put(encodeExecute());
    server.unnamedOwner = null;
    this.nameRestored = true;
    this.ownMessages(server, [Owed.Parse, Owed.Bind, Owed.Execute], simple);
  }

  /** What another session did with sequences is not this one's to read: rather it hears that there is nothing yet. */
  #discardSequences(server: ServerConnection, simple: boolean): void {
    this.sequencesForeign = false;
    // What ran in this lease already may have done something of its own.
    const { owed, txStatus } = server;
    if (!this.watch.ranNothing || owed.skipping || txStatus === TxStatus.Failed) return;
    server.out.put(encodeParse("", "DISCARD SEQUENCES"));
    server.out.put(encodeBind("", []));
    server.out.put(encodeExecute());
    server.unnamedOwner = null;
    this.ownMessages(server, [Owed.Parse, Owed.Bind, Owed.Execute], simple);
  }

  /** Whether messages of pgplex's own go to the server before a statement. */
  interferes({ traits }: Fingerprint): boolean {
    return this.nameMayBeReset || traits.statements.length > 0 || traits.listsStatements ||
      traits.sequences === "read" ||
      (this.lender !== null && this.lender.wants(traits));
  }

  /** Whether everything that is owed has to come before messages of pgplex's own go there: they need to know where they stand. */
  mustSettle(server: ServerConnection, { traits }: Fingerprint): boolean {
    // A COPY is not waited for: it may need what stands next to end.
    if (server.owed.readies > 0 && !server.owed.copyIn && this.#namesUnsettled(server, traits)) return true;
    return this.lender !== null && !this.batchSent && !server.owed.settled && this.lender.wants(traits);
  }

  /** Whether what is on its way decides which names there are, or whether anything may be sent for a statement at all. */
  #namesUnsettled(server: ServerConnection, { statements, listsStatements }: SqlTraits): boolean {
    if (statements.length === 0 && !listsStatements && !this.nameMayBeReset) return false;
    if (this.drops.doubtful(server.owed)) return true;
    if (
      !this.batchSent &&
      (server.txStatus === TxStatus.Failed || (listsStatements && this.namesInFlight.size > 0))
    ) {
      return true;
    }
    return statements.some((name) => this.namesInFlight.doubtful(name, server.owed.batch));
  }

  /** Whether the server takes nothing from pgplex before the statement at hand. */
  #refuses({ owed, txStatus }: ServerConnection): boolean {
    if (owed.skipping) return true;
    // Behind a ROLLBACK in the same batch it does.
    return txStatus === TxStatus.Failed &&
      !(this.#endsIn === owed.batch && this.#endsOn === owed && !owed.settled);
  }

  /** The view is to show the session's own statements under its own names: pgplex's are closed, and made again when needed. */
  #showOwnStatements(server: ServerConnection, simple: boolean): void {
    if (server.owed.skipping) return;
    for (const statement of server.prepared.all()) {
      server.prepared.delete(statement);
      this.closeOnServer(server, statement);
    }
    // An aborted transaction keeps Close from nothing, but Parse.
    if (this.#refuses(server)) return;
    this.#ensureNamed(server, [...this.names.names()], simple);
    this.#ensureNamed(server, [...this.sqlStatements.keys()], simple);
  }

  /** Whether `name` is a prepared statement that SQL made, or may have made just now: then the server has it under this name. */
  isSqlStatement(name: BinaryString): boolean {
    return this.sqlStatements.has(name) || this.watch.mentions(name);
  }

  /** Whether SQL made this statement on another connection, and the aborted transaction keeps it from this one. */
  isOutOfReach(server: ServerConnection, name: BinaryString): boolean {
    return server.txStatus === TxStatus.Failed && this.sqlStatements.has(name) &&
      !server.sqlStatements.has(name);
  }

  /** The server is made to have a statement that SQL made on another connection, before a message that names it. */
  ensureSqlStatement(server: ServerConnection, name: BinaryString, simple: boolean): void {
    const sql = this.sqlStatements.get(name);
    const { owed } = server;
    if (sql === undefined || server.sqlStatements.has(name)) return;
    if (this.#refuses(server) || this.drops.standsBefore(owed)) return;
    server.out.put(encodeParse("", sql));
    server.out.put(encodeBind("", []));
    server.out.put(encodeExecute());
    server.unnamedOwner = null;
    const before = server.sqlStatements;
    server.sqlStatements = new Map([...before, [name, sql]]);
    const undo = () =>
      server.sqlStatements = new Map([...server.sqlStatements].filter(([other]) => other !== name));
    owed.sent(Owed.Parse | Mark.Swallow);
    owed.sent(Owed.Bind | Mark.Swallow);
    owed.sent(Owed.Execute | Mark.Swallow | Mark.Effect, { done() {}, undo });
    if (simple) this.#syncForItself(server);
  }

  /** SQL names a statement that came by Parse: the server is made to have it under the session's own name, for this lease. */
  #lendName(server: ServerConnection, name: BinaryString, simple: boolean): void {
    const statement = this.names.findName(name);
    const { foreignStatements, owed } = server;
    if (statement === null || foreignStatements.has(name)) return;
    if (this.#refuses(server) || this.drops.frees(server.owed, name)) return;
    server.out.put(statement.encodeParse(name, this.names.toldOf(name)?.parameters));
    foreignStatements.add(name);
    this.namesInFlight.begin(name, owed.batch);
    owed.sent(Owed.Parse | Mark.Swallow | Mark.Effect, {
      done: () => this.namesInFlight.settle(name),
      undo: () => {
        this.namesInFlight.settle(name);
        foreignStatements.delete(name);
      },
    });
    if (simple) this.#syncForItself(server);
  }

  /** Messages of pgplex's own were put: nobody else hears of their replies. Before a simple query they get a Sync. */
  ownMessages(server: ServerConnection, kinds: readonly number[], simple: boolean): void {
    for (const kind of kinds) server.owed.sent(kind | Mark.Swallow);
    if (simple) this.#syncForItself(server);
  }

  /**
   * A failure of what pgplex sent must not make the server skip the simple query behind it. Behind messages of a batch without
   * Sync it does: a Sync would commit what they did, and end their failure, before the query that belongs to them.
   */
  #syncForItself(server: ServerConnection): void {
    if (this.batchSent) return;
    server.out.put(encodeSync());
    server.owed.sent(Owed.Sync | Mark.Swallow);
  }

  /** After a probe: what SQL made or deallocated meanwhile. Whether anything did. */
  settleSqlStatements(server: ServerConnection, found: ReadonlyMap<BinaryString, BinaryString>): boolean {
    const before = this.sqlStatements;
    const after = new Map(before);
    // What the server had and has no more was deallocated; what it never had is still the session's.
    for (const name of server.sqlStatements.keys()) if (!found.has(name)) after.delete(name);
    for (const [name, sql] of found) after.set(name, sql);
    server.sqlStatements = found;
    const changed = after.size !== before.size || [...after].some(([name, sql]) => before.get(name) !== sql);
    if (changed) this.sqlStatements = after;
    return changed;
  }

  /** What was to take a name away was skipped; unless something took all names since, by {@link drops}. */
  restoreName(
    name: BinaryString,
    statement: Statement,
    order: StandingOrder | null,
    told: Description | null,
    drops: number,
  ): void {
    if (this.drops.survived(drops)) {
      this.names.set(name, statement, order, told ?? undefined);
      if (order !== null && order.show !== null) this.attentive = true;
    } else this.#store.release(statement);
  }

  /** A Close ended the statement that SQL made, on whichever connection it was. */
  forgetSqlStatement(name: BinaryString): void {
    if (!this.sqlStatements.has(name)) return;
    this.sqlStatements = new Map([...this.sqlStatements].filter(([other]) => other !== name));
  }

  /** After a probe: names that were lent and are gone were deallocated by the session; the others are taken back. */
  async settleForeignStatements(server: ServerConnection, found: readonly BinaryString[]): Promise<void> {
    for (const name of server.foreignStatements) {
      if (found.includes(name)) continue;
      const statement = this.names.remove(name);
      if (statement !== null) this.#store.release(statement);
    }
    server.foreignStatements.clear();
    if (found.length === 0) return;
    await runTask(server, [...found.map((name) => encodeCloseStatement(name)), encodeSync()], 1);
  }

  /** Answers the client by pgplex itself, behind all that the server owes. */
  answer(kind: number, effect: Effect): void {
    const reply = this.server === null ? takeNow(effect) : this.server.owed.local(kind, effect);
    if (reply === null) return;
    if (this.midReply) this.#held.push(reply);
    else this.client.put(reply);
  }

  /** Whether answers wait for the end of the message that is passing to the client. */
  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** That message has ended. */
  putHeld(): void {
    for (const reply of this.#held.splice(0)) this.client.put(reply);
  }

  /** DISCARD ALL or DEALLOCATE ALL went through: no named statement is left, but for those that are made behind it. */
  forgetStatements(server: ServerConnection): void {
    this.drops.done();
    server.prepared.forget();
    for (const name of server.foreignStatements) {
      if (!this.namesInFlight.has(name)) server.foreignStatements.delete(name);
    }
    server.sqlStatements = this.sqlStatements = new Map();
    this.names.forget(this.namesInFlight);
  }
}

function takeNow(effect: Effect): Uint8Array | null {
  effect.done();
  return effect.reply ?? null;
}

/** A statement's name in an error, as PostgreSQL quotes it. */
export function missingStatement(name: string): PgplexError {
  return new PgplexError(
    "statement_missing",
    name === "" ? "unnamed prepared statement does not exist" : `prepared statement "${name}" does not exist`,
  );
}
