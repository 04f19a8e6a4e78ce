import { runInternal, type ServerConnection } from "../backend/mod.ts";
import type { Fingerprint, StateWatch } from "../learning/mod.ts";
import {
  type BinaryString,
  type ClientEncoding,
  Control,
  isAscii,
  type SqlTraits,
  sqlTraits,
  TxStatus,
} from "../protocol/mod.ts";
import type { ChannelLender } from "./channel_lender.ts";
import type { CommitGuard } from "./commit_guard.ts";
import type { LoginName } from "./login_name.ts";
import type { Progress } from "./progress.ts";
import type { ClientNamed } from "./statements/client_named.ts";
import type { NameChanges } from "./statements/name_changes.ts";
import { dropsNames } from "./statements/name_drops.ts";
import type { PreparedNames } from "./statements/prepared_names.ts";
import type { ServerStatements } from "./statements/server_statements.ts";
import { knowsPath } from "./statements/read_as.ts";
import type { Lending, SqlStatements } from "./statements/sql_statements.ts";
import type { TransactionControl } from "./transaction_control.ts";

/** With this begin the names that servers know pgplex's statements by. */
const OWN_PREFIX = "pgplex:";

/** What of a session decides what goes before its statements. */
export interface PreambleParts {
  readonly encoding: ClientEncoding;
  readonly names: PreparedNames;
  readonly watch: StateWatch;
  readonly progress: Progress;
  readonly control: TransactionControl;
  readonly loginName: LoginName;
  readonly changes: NameChanges;
  readonly sql: SqlStatements;
  readonly clientNamed: ClientNamed;
  readonly onServer: ServerStatements;
  readonly guard: CommitGuard;
}

/** What a statement may need besides messages in front of it. */
export interface PreambleHost {
  /** Ends the lease, where that can be done, for one of a connection whose backend has made no temporary schema. Whether it did. */
  renew(): boolean;
  /** Sees to it that no server connection is in a database, or in any other, while a statement runs that needs it for itself. */
  vacate(database: BinaryString): void;
  /** Whether `commit_guard` is on. */
  readonly guardsCommits: boolean;
  /** A text that nobody else uses, of letters and digits. */
  commitMarker(): string;
}

/** The statements that a text is about, as servers keep their names; `lists`: it may show which there are. */
interface Named {
  readonly names: readonly BinaryString[];
  /** What is known of those that came by protocol. */
  readonly known: readonly Fingerprint[];
  readonly lists: boolean;
}

const NAMES_NONE: Named = Object.freeze({ names: [], known: [], lists: false });
const LISTS_ALONE: Named = Object.freeze({ names: [], known: [], lists: true });

/**
 * What must go to the server before a statement of the client's, so that it finds there what it would find without a pool: the prepared
 * statements that it names, its channels, its application_name, no other session's sequences. Pure.
 *
 * In order: {@link mustSettle} says whether replies have to come first, {@link interferes} whether anything goes before, {@link runs}
 * or {@link parses} puts it.
 */
export class Preamble {
  readonly #parts: PreambleParts;
  #lender: ChannelLender | null = null;
  #sequencesForeign = false;
  #host: PreambleHost | null = null;

  constructor(parts: PreambleParts) {
    this.#parts = parts;
  }

  /** Of a session that has listened to a channel. */
  get lender(): ChannelLender | null {
    return this.#lender;
  }

  /** Whether what the server connection remembers of sequences may be another session's. */
  get sequencesForeign(): boolean {
    return this.#sequencesForeign;
  }

  /** The session listens to channels: `lender` lends them from now on. */
  lendBy(lender: ChannelLender): void {
    this.#lender = lender;
  }

  /** Whom statements ask for what they need. */
  serveBy(host: PreambleHost): void {
    this.#host = host;
  }

  /** Whether a statement has to have another connection, and the lease has ended for it. */
  renews(server: ServerConnection, fingerprint: Fingerprint): boolean {
    const { progress, watch } = this.#parts;
    if (fingerprint.plain || !server.state.hasTempSchema || progress.batchSent) return false;
    if (!watch.setsTempBuffers(fingerprint)) return false;
    const { openBatch } = progress;
    if (openBatch) progress.batchWaits(); // nothing of it went to the server
    if (this.#host?.renew() ?? false) return true;
    if (openBatch) progress.batchBegins();
    return false;
  }

  /** A lease begins of a server connection which may remember what other sessions did with sequences. */
  leaseBegins(sequencesForeign: boolean): void {
    this.#sequencesForeign = sequencesForeign;
  }

  /** A statement goes to the server with the next message. */
  runs(server: ServerConnection, fingerprint: Fingerprint, simple: boolean): void {
    const { loginName, watch, control, changes, sql } = this.#parts;
    const { traits } = fingerprint;
    const { sequences, resetsName } = traits;
    if (loginName.mayBeReset) this.#restoreName(server, simple);
    if (resetsName && server.identity.parameters.applicationName !== loginName.name) loginName.wasReset();
    if (sequences === "read" && this.#sequencesForeign) this.#discardSequences(server, simple);
    const names = traits.statements.length > 0 || traits.listsStatements;
    const lending = names ? { simple, sure: knowsPath(server, this.#parts) } : null;
    if (lending !== null) sql.texted(server, traits);
    watch.runs(fingerprint, simple);
    if (traits.vacates !== null) this.#host?.vacate(traits.vacates);
    if (this.#lender !== null) this.#lender.before(server, traits, simple);
    if (traits.neutral && !simple) control.sent(server.owed);
    // One that is bound does nothing before it is executed.
    if (simple && dropsNames(traits)) changes.drops.begin(server.owed, simple);
    if (traits.statements.some((name) => name.startsWith(OWN_PREFIX))) this.#closeOwn(server);
    if (lending !== null) this.#lend(server, traits, lending);
    if ((traits.control & Control.Commits) !== 0) this.#guardCommit(server, traits.control, simple);
  }

  /** In session pooling, where nothing else is looked at: a text that is about a database goes to the server. */
  vacates(text: BinaryString): void {
    const { vacates } = sqlTraits(text.replace(/\0.*$/s, ""));
    if (vacates !== null) this.#host?.vacate(vacates);
  }

  /** A statement is parsed or described, and does nothing yet: the server must have those that it names. */
  parses(server: ServerConnection, { traits }: Fingerprint): void {
    if (traits.statements.some((name) => name.startsWith(OWN_PREFIX))) this.#closeOwn(server);
    const { names } = this.#namedBy(traits);
    if (names.length === 0) return;
    this.#parts.clientNamed.ensure(server, names, { simple: false, sure: knowsPath(server, this.#parts) });
  }

  /** Whether anything goes to the server before a statement. */
  interferes({ traits }: Fingerprint): boolean {
    return this.#parts.loginName.mayBeReset || traits.statements.length > 0 || traits.listsStatements ||
      traits.sequences === "read" || this.#guards(traits) ||
      (this.#lender !== null && this.#lender.wants(traits));
  }

  /** Whether all that is owed has to come before: what goes before the statement depends on where the server stands. */
  mustSettle(server: ServerConnection, { traits }: Fingerprint): boolean {
    // A COPY is not waited for: it may need what stands next to end.
    if (server.owed.readies > 0 && !server.owed.copyIn && this.#namesUnsettled(server, traits)) return true;
    return this.#lender !== null && !this.#parts.progress.batchSent && !server.owed.settled &&
      this.#lender.wants(traits);
  }

  /** Whether what is on its way decides which names there are, or whether anything may be sent for a statement at all. */
  #namesUnsettled(server: ServerConnection, traits: SqlTraits): boolean {
    const { loginName, changes, sql, progress, watch } = this.#parts;
    const { statements, listsStatements } = traits;
    if (statements.length === 0 && !listsStatements && !loginName.mayBeReset) return false;
    if (changes.drops.doubtful(server.owed)) return true;
    // What is on its way may change the encoding that they are written in.
    const { names, lists } = this.#namedBy(traits);
    if (!progress.batchSent && (lists || !statements.every(isAscii))) return true;
    // Or the settings by which what is made again is read.
    if (statements.length > 0 && watch.readingComes) return true;
    if (!progress.batchSent && server.txStatus === TxStatus.Failed) return true;
    const { batch } = server.owed;
    return (lists && changes.anyDoubtful(batch)) ||
      names.some((name) => changes.doubtful(name, batch) || sql.doubtful(name, batch));
  }

  /**
   * Names of the statements that a text is about, as servers keep them: a statement of the protocol that it executes may be an EXECUTE
   * itself, and has to come behind what that names, as servers look then whether it returns rows. `lists`: any of them may show what
   * statements there are.
   */
  #namedBy({ statements, listsStatements }: SqlTraits): Named {
    // As nearly every text: nothing is made for it.
    if (statements.length === 0) return listsStatements ? LISTS_ALONE : NAMES_NONE;
    const { encoding, names, sql, watch } = this.#parts;
    const named = encoding.allToServer(statements);
    const all = [...named];
    const found: Fingerprint[] = [];
    let lists = listsStatements;
    // Those that are found are looked at in turn.
    for (const name of all) {
      const hash = names.findName(name)?.hash ?? 0;
      const known = hash === 0 ? null : watch.fingerprints.find(hash);
      if (known === null) {
        lists ||= sql.lists(name);
        continue;
      }
      found.push(known);
      lists ||= known.traits.listsStatements;
      for (const next of encoding.allToServer(known.traits.statements)) {
        if (!all.includes(next)) all.push(next);
      }
    }
    return { names: all.reverse(), known: found, lists };
  }

  #lend(server: ServerConnection, traits: SqlTraits, lending: Lending): void {
    const { clientNamed, watch } = this.#parts;
    const { names, known, lists } = this.#namedBy(traits);
    // What it executes runs as well: no probe sees all that it may leave.
    if (traits.anything) known.forEach((executed) => watch.runs(executed));
    clientNamed.ensure(server, names, lending);
    if (lists) this.#showStatements(server, lending);
  }

  #guardCommit(server: ServerConnection, control: number, simple: boolean): void {
    const { guard, progress } = this.#parts;
    const host = this.#host;
    const marker = host !== null && host.guardsCommits ? host.commitMarker() : null;
    guard.before(server, control, { progress, simple, marker });
  }

  #guards({ control }: SqlTraits): boolean {
    return (control & Control.CommitsAlone) !== 0 && this.#host !== null && this.#host.guardsCommits;
  }

  #restoreName(server: ServerConnection, simple: boolean): void {
    const { loginName, control, progress } = this.#parts;
    loginName.restore(server, { control, progress, simple });
  }

  /** What another session did with sequences is not this one's to read: rather it hears that there is nothing yet. */
  #discardSequences(server: ServerConnection, simple: boolean): void {
    this.#sequencesForeign = false;
    // What ran in this lease already may have used them.
    const { owed, txStatus } = server;
    if (!this.#parts.watch.ranNothing || owed.skipping || txStatus === TxStatus.Failed) return;
    runInternal(server, "DISCARD SEQUENCES");
    this.#parts.progress.syncAhead(server, simple);
  }

  /** SQL names what may be pgplex's own, and somebody else's text: the session is to find none of that. They are made again when needed. */
  #closeOwn(server: ServerConnection): void {
    if (!server.owed.skipping) this.#parts.onServer.closeAll(server);
  }

  /** The view is to show the session's statements under its names: pgplex's are closed, and made again when needed. */
  #showStatements(server: ServerConnection, lending: Lending): void {
    const { control, clientNamed, names, sql } = this.#parts;
    if (server.owed.skipping) return;
    this.#closeOwn(server);
    // An aborted transaction keeps Close from nothing, but Parse.
    if (control.refuses(server)) return;
    clientNamed.ensure(server, [...names.names()], lending);
    clientNamed.ensure(server, [...sql.texts.keys()], lending);
  }
}
