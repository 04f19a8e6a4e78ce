import type { Effect, ServerConnection, StatementStore } from "../backend/mod.ts";
import { type Fingerprints, StateWatch } from "../learning/mod.ts";
import { ClientEncoding } from "../protocol/mod.ts";
import type { ByteSink } from "../transport/mod.ts";
import { Attention } from "./attention.ts";
import { ClientSink } from "./client_sink.ts";
import { CommitGuard } from "./commit_guard.ts";
import { RelayCounts } from "./counts.ts";
import { LoginName } from "./login_name.ts";
import { PassingWords } from "./passing_words.ts";
import { Preamble } from "./preamble.ts";
import { Progress } from "./progress.ts";
import { Reads } from "./reads.ts";
import { ClientNamed } from "./statements/client_named.ts";
import { NameChanges } from "./statements/name_changes.ts";
import { PreparedNames } from "./statements/prepared_names.ts";
import { ServerStatements } from "./statements/server_statements.ts";
import { SqlStatements } from "./statements/sql_statements.ts";
import { TransactionControl } from "./transaction_control.ts";

/** How a session's {@link Relay} is made. */
export interface RelayOptions {
  /** As {@link Relay.renames}. */
  readonly renames: boolean;
  /** As {@link Relay.refusesBlocks}; false unless given. */
  readonly refusesBlocks?: boolean;
  /** Prepared statements that a server connection keeps at most. */
  readonly preparedMax: number;
  readonly fingerprints: Fingerprints;
}

/** What both directions of one session share, a class for each part of it. Pure: it puts bytes into sinks, and never waits. */
export class Relay {
  /** In which the client names things, as it was last told. */
  readonly encoding = new ClientEncoding();
  /** The session's prepared statements that came by Parse. */
  readonly names: PreparedNames;
  /** Those that SQL made. */
  readonly sql: SqlStatements;
  /** Changes of names that are on their way. */
  readonly changes: NameChanges;
  /** Statements as the server must have them. */
  readonly onServer: ServerStatements;
  /** Statements that the server has under the client's names. */
  readonly clientNamed: ClientNamed;
  /** What ran in the current lease. */
  readonly watch: StateWatch;
  /** What is noted before a COMMIT. */
  readonly guard = new CommitGuard();
  /** What goes before a statement. */
  readonly preamble: Preamble;
  /** The application_name of the client's startup packet. */
  readonly loginName = new LoginName();
  /** Whether the lease may end. */
  readonly progress = new Progress();
  /** Where a transaction was begun or ended last. */
  readonly control = new TransactionControl();
  readonly attention = new Attention();
  /** In session pooling; null where texts are looked at anyway. */
  readonly words: PassingWords | null;
  /** Which statements only read. */
  readonly reads = new Reads(this.progress);
  readonly counts = new RelayCounts();
  /** Towards the client. */
  readonly client: ClientSink;
  /**
   * Whether prepared statements are renamed: in transaction pooling, where the next lease may be of another connection.
   * Session pooling leaves names as they are.
   */
  readonly renames: boolean;
  /** Statement pooling: no transaction may be left open. */
  readonly refusesBlocks: boolean;
  #leftMore = false;

  constructor(
    client: ByteSink,
    store: StatementStore,
    options: RelayOptions,
  ) {
    this.names = new PreparedNames(store, this.encoding);
    this.watch = new StateWatch(options.fingerprints, this.encoding);
    this.changes = new NameChanges(this.names, store, this.attention);
    // Each of them takes what it needs of this: an object of parts for each would cost every session its memory.
    this.sql = new SqlStatements(this);
    this.onServer = new ServerStatements(this.names, this.counts, options.preparedMax);
    this.clientNamed = new ClientNamed(this);
    this.preamble = new Preamble(this);
    this.client = new ClientSink(client);
    this.renames = options.renames;
    this.refusesBlocks = options.refusesBlocks ?? false;
    this.words = options.renames ? null : new PassingWords();
  }

  /** The leased server connection, or null. */
  get server(): ServerConnection | null {
    return this.progress.server;
  }

  /**
   * A lease of `server` begins, or goes on after a look at it.
   *
   * @param sequencesForeign what it remembers of sequences may be another session's
   */
  leaseBegins(server: ServerConnection, sequencesForeign: boolean): void {
    this.progress.leaseBegins(server);
    this.watch.begin();
    this.preamble.leaseBegins(sequencesForeign);
    this.loginName.leaseBegins();
    this.changes.drops.leaseBegins();
  }

  /** Whether the session has had a server connection on which it left more than anybody knows the name of. */
  get leftMore(): boolean {
    return this.#leftMore;
  }

  /** The session has no server connection any more, or not for now. */
  leaseEnds(): void {
    if (this.server?.state.mixed === true) this.#leftMore = true;
    this.progress.leaseEnds();
  }

  /** Answers the client by pgplex itself, behind all that the server owes. */
  answer(kind: number, effect: Effect): void {
    const { server } = this;
    const reply = server === null ? takeNow(effect) : server.owed.local(kind, effect);
    if (reply === null) return;
    if (this.progress.midReply) this.client.hold(reply);
    else this.client.put(reply);
  }

  /**
   * DISCARD PLANS went through: the server reads what is prepared there anew, by the settings of its next use. So it is with the
   * session's own statements, on any connection; those of others are prepared again, and read as they were.
   */
  plansDiscarded(server: ServerConnection): void {
    server.prepared.expire();
    if (!this.onServer.hasUnnamed(server)) server.unnamed.clear();
    this.names.plansDiscarded();
    this.sql.plansDiscarded(server);
  }

  /** DISCARD ALL or DEALLOCATE ALL went through: no statement is left, but for those that are made behind it. */
  forgetStatements(server: ServerConnection): void {
    server.prepared.forget();
    this.changes.allDropped(server);
    this.sql.allDropped(server);
  }
}

function takeNow(effect: Effect): Uint8Array | null {
  effect.done();
  return effect.reply ?? null;
}
