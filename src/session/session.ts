import { cancelOn, Owed, type OwedReplies, type ServerConnection, type Settings } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { type Clock, PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBackendKeyData,
  encodeReadyForQuery,
  int32At,
  putInt32,
  TxStatus,
} from "../protocol/mod.ts";
import { type ByteStream, Outbox, type PeerAddress } from "../transport/mod.ts";
import type { CancelKey, Cancellable } from "./cancel_keys.ts";
import { ClientBuffer } from "./client_buffer.ts";
import {
  ClientScan,
  Need,
  type PreparedNames,
  Relay,
  ServerScan,
  Steering,
  type SteeringHost,
  ToldSettings,
} from "../relay/mod.ts";
import { Farewell } from "./farewell.ts";
import {
  type FindingsHost,
  findOptions,
  Lease,
  type LeaseHolder,
  type PinReason,
  Pins,
  type PinsHost,
  type ProbeResult,
  takeFindings,
} from "../lease/mod.ts";
import { Presence } from "./presence.ts";
import { describeOptions, describeSession } from "./session_description.ts";
import { type OptionValues, SessionOptions } from "../options/mod.ts";
import type { StateWatch } from "../learning/mod.ts";
import type { Base, Destination } from "../servers/mod.ts";
import { TimeLimits, type TimeLimitsHost } from "./time_limits.ts";
import { WorkTime } from "./work_time.ts";
import { type ChannelsHost, Listening } from "../listen/mod.ts";
import type { SessionParts } from "./session_parts.ts";

/** Full buffers that one client may send in a row before others get their turn. */
const FULL_READS_PER_TURN = 16;

/** Who a client is and what it asked for, as its login found out. */
export interface SessionFacts {
  readonly id: number;
  readonly peer: PeerAddress;
  readonly user: string;
  /** The database name that the client gave. */
  readonly database: string;
  readonly minor: number;
  readonly tls: string | null;
  readonly mode: "session" | "transaction";
  readonly base: Base;
  /** As given; in transaction mode kept apart from the base, as it differs from client to client; null when not given. */
  readonly applicationName: BinaryString | null;
  /** Options of pgplex in the connection string. */
  readonly options: OptionValues;
}

/**
 * One client after login: it reads what the client sends, leases server connections for it, and takes their replies.
 *
 * Invariants: `relay.server` is set exactly while a lease is held; only the client loop begins leases; a lease ends in
 * {@link settle}, at a boundary, or with the session.
 */
export class Session implements LeaseHolder, Cancellable, SteeringHost, TimeLimitsHost, PinsHost {
  readonly facts: SessionFacts;
  readonly destination: Destination;
  readonly base: Base;
  /** What the client set for itself. */
  readonly options: SessionOptions;
  /** When the last lease began or ended, or pgplex answered something itself; clock milliseconds. */
  sinceMs: number;
  readonly connectedMs: number;

  readonly #parts: SessionParts;
  readonly #clock: Clock;
  readonly #stream: ByteStream;
  readonly #out: Outbox;
  readonly #relay: Relay;
  readonly #told: ToldSettings;
  readonly #steering: Steering;
  readonly #clientScan: ClientScan;
  readonly #serverScan: ServerScan;
  readonly #key: CancelKey;
  readonly #lease: Lease;
  readonly #in: ClientBuffer;
  readonly #work: WorkTime;
  readonly #pins: Pins;
  readonly #times: TimeLimits;
  /** Of a client that sends no more. */
  #presence: Presence | null = null;
  readonly #listening: Listening;
  readonly #farewell: Farewell;
  #cancels = 0;
  #ending = false;
  /** The client sends no more, and was seen to be gone. */
  #gone = false;
  #wake: (() => void) | null = null;

  constructor(parts: SessionParts, stream: ByteStream, destination: Destination, facts: SessionFacts) {
    this.#parts = parts;
    const { buffers, clock, statements } = parts.runtime;
    this.#clock = clock;
    this.#stream = stream;
    this.destination = destination;
    this.facts = facts;
    this.base = facts.base;
    this.connectedMs = this.sinceMs = clock.nowMs();
    this.#out = new Outbox(stream, buffers);
    this.#in = new ClientBuffer(buffers, stream);
    this.#relay = new Relay(this.#out, statements, {
      renames: facts.mode === "transaction",
      preparedMax: destination.settings.max_prepared_statements,
      fingerprints: destination.fingerprints,
    });
    this.#told = new ToldSettings(this.#relay, this.#out, facts.applicationName);
    this.options = new SessionOptions(facts.options);
    this.#steering = new Steering(this.#relay, this);
    this.#clientScan = new ClientScan(this.#relay, statements, this.#steering);
    this.#serverScan = new ServerScan(this.#relay, {
      parameter: (name, value) => this.#told.reported(this.server!, name, value),
      notification: (server, bytes, at, end) => this.#notification(server, bytes, at, end),
      fatal: (error) => {
        this.server!.noteFatal(error);
        this.#farewell.serverSaid();
      },
      canceled: () => this.#times.canceledReply(),
    });
    this.#farewell = new Farewell(parts, this.#out, this.#serverScan);
    this.#pins = new Pins(this);
    this.#lease = new Lease(parts, destination, this, this.#pins);
    this.#times = new TimeLimits(clock, this);
    this.#work = new WorkTime(clock, destination.counters);
    this.#listening = new Listening(parts.listeners, () => this.#channelsHost());
    this.#key = parts.cancelKeys.issue(this, facts.minor);
  }

  /** What this client was last told of its settings; null until it is greeted. */
  get settings(): Settings | null {
    return this.#told.current;
  }
  set settings(settings: Settings) {
    this.#told.current = settings;
  }

  get sqlStatements(): ReadonlyMap<BinaryString, BinaryString> {
    return this.#relay.sqlStatements;
  }

  get loginName(): BinaryString | null {
    return this.#told.loginName;
  }

  /** The server connection that is leased, or null. */
  get server(): ServerConnection | null {
    return this.#relay.server;
  }

  /** Whether the session waits for a server connection. */
  get waiting(): boolean {
    return this.#lease.waiting;
  }

  /** Whether the client can be sent away without harm: no lease, or in session pooling nothing but an idle one. */
  get idle(): boolean {
    return !this.busy && !this.waiting && this.#clientScan.atMessageStart && this.#in.empty;
  }

  /**
   * Whether the session can be ended before its client is: it waits for its greeting, is {@link idle}, or its client stopped where
   * the server has nothing to run, in the middle of a message or behind a Parse.
   */
  get endable(): boolean {
    const { server, openBatch, watch } = this.#relay;
    if (this.settings === null) return true;
    // All answered, and yet the server is in the implicit transaction of a batch.
    if (server !== null && openBatch && watch.ran.length > 0) return false;
    if (this.idle) return true;
    if (this.waiting || this.#clientScan.need !== Need.Bytes) return false;
    return !this.busy || this.#runsNothing(server!);
  }

  /** Whether what the server owes is nothing that it could run as it stands. */
  #runsNothing({ txStatus, owed }: ServerConnection): boolean {
    if (txStatus !== TxStatus.Idle) return false;
    if (owed.length === 1 && this.#torn(owed)) return true;
    return this.facts.mode === "transaction" && owed.readies === 0 && this.#relay.watch.ran.length === 0;
  }

  /** Whether of the last thing that is owed the server has not got the whole message. */
  #torn(owed: OwedReplies): boolean {
    const last = owed.lastKind();
    return this.#relay.midMessage && (last === Owed.Query || last === Owed.FunctionCall);
  }

  /** A reload changed the pool's settings, or ended the pool: a session in a transaction goes on to its end. */
  configurationChanged(): void {
    this.#relay.preparedMax = this.destination.settings.max_prepared_statements;
    this.#endIfGone();
  }

  /** A reload took away where the session goes, or the node of the server connection that it keeps. Whether that ended it. */
  #endIfGone(): boolean {
    const closed = this.destination.closed ?? this.#lease.home?.pool.closed ?? null;
    if (closed === null || !this.idle) return false;
    this.end(closed);
    return true;
  }

  /** Does what time demands. Called about once a second. */
  checkTimeouts(nowMs: number): void {
    if (this.waiting) this.#watchClient();
    if (!this.#endIfGone()) this.#times.check(nowMs); // a transaction may have gone on behind a reload
  }

  /** The pool's settings with what the client set over them. */
  get limits(): PoolSettings {
    return this.options.settings(this.destination.settings);
  }

  /** When the session last became idle, or its lease began; clock milliseconds. */
  get idleSinceMs(): number {
    return Math.max(this.sinceMs, this.#work.endedMs);
  }

  get poolSettings(): PoolSettings {
    return this.destination.settings;
  }

  get queryWaitTimeoutMs(): number {
    return this.limits.query_wait_timeout;
  }

  refusal({ name, value }: { readonly name: string; readonly value: unknown }): PgplexError | null {
    if (name !== "pool_mode" || this.facts.mode !== "session" || value !== "transaction") return null;
    return new PgplexError("option_fixed", 'parameter "pgplex.pool_mode" cannot be changed now', {
      detail: "The session began in session pooling.",
      hint: "Give pgplex.pool_mode in the connection string.",
    });
  }

  statementBegins(timeoutMs: number | null): void {
    this.#times.statementBegins(timeoutMs);
  }

  get optionsKnown(): boolean {
    return !this.#lease.held && this.options.settled;
  }

  answered(): void {
    this.sinceMs = this.nowMs();
  }

  describe(): readonly (readonly [string, string | null])[] {
    return describeSession(this, this.#clock.nowMs());
  }

  describeOptions(): readonly (readonly string[])[] {
    return describeOptions(this);
  }

  /** The client's last statement is answered: nothing of its own holds any more. */
  #statementEnds(): void {
    this.#times.statementEnds();
    this.#steering.statementEnds();
  }

  /** Why the session keeps its server connection between transactions. */
  get pins(): readonly PinReason[] {
    return this.#pins.reasons;
  }

  // What the console shows.

  /** What holds of this session: as it began, or as an option says since. */
  get poolMode(): PoolSettings["pool_mode"] {
    return this.facts.mode === "session" ? "session" : this.options.poolMode ?? "transaction";
  }

  /** The server connection that the session holds, also while pgplex looks at it between two leases; or null. */
  get held(): ServerConnection | null {
    return this.#lease.connection;
  }

  /** The node of the server connection that the session holds, or of the one that it would get now; null where there is none. */
  get node(): string | null {
    return (this.#lease.home ?? this.destination.pool)?.node.name ?? null;
  }

  /** Since when the session waits for a server connection, if it does, and when it last sent something on; clock milliseconds. */
  get waitingSinceMs(): number {
    return this.#lease.waitingSinceMs;
  }
  get requestMs(): number {
    return this.#work.requestMs;
  }

  /** Since when the server owes a reply, in clock milliseconds; -1 when it owes none. */
  get querySinceMs(): number {
    return this.#work.querySinceMs;
  }

  /** What ran in the current lease. */
  get watch(): StateWatch {
    return this.#relay.watch;
  }

  get holdsUnnamed(): boolean {
    return this.#relay.names.unnamedHolds;
  }

  /** Whether the server connection is this session's until it ends. */
  get keepsServer(): boolean {
    return this.facts.mode === "session";
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** Since when the session is pinned, in clock milliseconds, and the statement that did it, without its literals. */
  get pinned(): { readonly sinceMs: number; readonly statement: string | null } | null {
    return this.#pins.pinned;
  }

  /** Prepared statements that the client has, by protocol and by SQL. */
  get preparedCount(): number {
    return this.#relay.names.size + this.#relay.sqlStatements.size;
  }

  /** What they are called, by protocol. */
  get preparedNames(): PreparedNames {
    return this.#relay.names;
  }

  /** Channels to which a shared listener listens for the session. */
  get channels(): Iterable<BinaryString> {
    return this.#listening.channels;
  }

  /** Whether the session is over, and only tidies up. */
  get ending(): boolean {
    return this.#ending;
  }

  /** CancelRequests on their way to the server. */
  get cancelCount(): number {
    return this.#cancels;
  }

  /** Whether bytes wait that one of both sides has not taken. */
  get writing(): boolean {
    return this.#out.writing || (this.server?.out.writing ?? false);
  }

  /** Whether the server owes this client something. */
  get busy(): boolean {
    return this.server !== null && !(this.server.owed.settled && this.server.txStatus === TxStatus.Idle);
  }

  /**
   * Serves the client until it or pgplex ends the session. Never rejects.
   *
   * @param admission what the greeting opens with
   * @param rest what was read behind the login
   */
  async run(admission: Uint8Array, rest: Uint8Array): Promise<void> {
    this.#out.put(admission);
    this.#parts.counters.sessionsOpened++;
    try {
      await this.#passSuspension();
      await this.#greet();
      this.#in.fill(rest);
      await this.#serve();
    } catch (thrown) {
      if (!this.#ending) await this.#farewell.fail(thrown, this.facts.id);
    } finally {
      await this.#finish();
    }
  }

  /** Ends the session from outside: a FATAL for the client, then the connection closes. */
  end(error: PgplexError): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#farewell.say(error);
    const server = this.server;
    if (server !== null && server.out.writing) {
      // The client's loop waits for a server that reads nothing, and would keep its lease: only the connection's end frees it.
      void cancelOn(
        server.identity,
        this.#parts.runtime.network,
        this.#clock,
        this.destination.settings.server_connect_timeout,
      );
      server.close();
    }
    void this.#farewell.written().then(() => this.#stream.close());
    this.#lease.close();
    this.#wake?.();
  }

  async cancel(): Promise<void> {
    const server = this.server;
    if (this.#lease.waiting) {
      this.#lease.stopWaiting(new PgplexError("query_canceled", "canceling statement due to user request"));
      return;
    }
    if (server === null || server.owed.settled) return;
    this.#times.clientCancels();
    await this.cancelOn(server);
  }

  /** The lease does not end while the cancel is on its way: it meets no other session's statement. */
  async cancelOn(server: ServerConnection): Promise<void> {
    this.#cancels++;
    await cancelOn(
      server.identity,
      this.#parts.runtime.network,
      this.#clock,
      this.destination.settings.server_connect_timeout,
    );
    this.#cancels--;
    this.settle();
  }

  // The server's side.

  receive(bytes: Uint8Array, start: number, end: number): number {
    this.destination.counters.bytesToClients += end - start;
    return this.#serverScan.scan(this.server!, bytes, start, end);
  }

  flush(): Promise<void> | null {
    return this.#listening.holding ? this.#listening.flushHeld() : this.#out.flushSoon();
  }

  settle(): void {
    this.#wake?.();
    if (this.#listening.holding) return;
    this.#listening.deliver();
    const { server, watch } = this.#relay;
    if (server !== null && server.owed.readies === 0 && !this.#relay.openBatch) this.#statementEnds();
    if (!this.#relay.boundary || this.#cancels > 0 || this.#ending) {
      if (server !== null && server.owed.settled) this.#work.answered();
      return;
    }
    this.options.transactionEnds();
    if (watch.wasReset && this.options.wasSet) watch.mentionsOptions();
    if (this.facts.mode !== "transaction") {
      this.#relay.boundary = false;
      this.#rests();
      if (watch.optionsMentioned) {
        this.#relay.server = null;
        this.#lease.look((connection) => findOptions(this.#findingsHost(), connection));
      }
    } else if (
      !server!.owed.doubtful &&
      (watch.suspicious(this.limits.state_check, this.sinceMs) || server!.foreignStatements.size > 0 ||
        this.#listening.suspicious)
    ) {
      this.#relay.server = null;
      this.#relay.boundary = false;
      this.#rests();
      this.#lease.probe(this.destination.fingerprints);
    } else {
      this.#pins.transactionEnds();
      if (this.pins.length > 0) {
        this.#relay.boundary = false;
        this.#rests();
        watch.begin();
      } else this.#endLease("clean");
    }
  }

  async stateFound(server: ServerConnection, found: ProbeResult): Promise<void> {
    await takeFindings(this.#findingsHost(), server, found);
    this.#times.idles();
  }

  #findingsHost(): FindingsHost {
    return {
      destination: this.destination,
      pools: this.#parts.pools,
      relay: this.#relay,
      told: this.#told,
      options: this.options,
      pins: this.#pins,
      listening: this.#listening,
      refusal: (change) => this.refusal(change),
    };
  }

  notified(server: ServerConnection, message: Uint8Array): void {
    if (!this.#notification(server, message, 0, message.length)) return;
    this.#relay.client.put(message);
    void this.#out.flush();
  }

  /** What a server connection says is for the client, unless it comes another way; its own pid is the one that it knows. */
  #notification(server: ServerConnection, bytes: Uint8Array, at: number, end: number): boolean {
    const { key } = server.identity;
    if (key !== null && end - at >= 9 && int32At(bytes, at + 5) === key.pid) {
      putInt32(bytes, at + 5, this.#key.pid);
    }
    return this.#listening.fromOwn(bytes, at, end);
  }

  #channelsHost(): ChannelsHost {
    return {
      destination: this.destination,
      relay: this.#relay,
      out: this.#out,
      pid: this.#key.pid,
      lookAgain: () => {
        if (this.#ending || this.server === null) return;
        this.#relay.checkBoundary();
        this.settle();
      },
      overflowed: () => {
        const text = "terminating connection because too many notifications wait for it";
        this.end(new PgplexError("notifications_overflow", text));
      },
      end: (error) => this.end(error),
    };
  }

  warnOfPins(reasons: readonly PinReason[], statement: string | null): void {
    const { id, user, database } = this.facts;
    const reason = reasons.join(", ");
    this.#parts.warnings.say(
      `pin ${reason} ${user} ${database}`,
      "session pinned to its server connection",
      {
        session: id,
        user,
        database,
        reason,
        statement: statement ?? undefined,
      },
    );
  }

  stateLost(): void {
    if (!this.#listening.lost(this.#relay.watch)) return;
    this.end(new PgplexError("server_lost", "the server connection was lost"));
  }

  ended(error: PgplexError): void {
    // The connection has let go of its sink: the lease is over whatever the session was doing.
    this.destination.counters.lost++;
    const { cluster } = this.destination.key;
    this.#parts.warnings.say(`lost ${cluster}`, "server connection lost while in use", {
      cluster,
      session: this.facts.id,
      error: error.message,
      cause: error.extra.log,
    });
    this.#endLease("broken");
    this.end(error);
  }

  // The client's side.

  async #greet(): Promise<void> {
    if (this.#ending) return;
    const { facts, destination } = this;
    const { greetings } = destination;
    let settings = greetings.of(facts.base);
    if (facts.mode === "session" && (settings === null || destination.hasRoom)) {
      // A session of its own begins now, as on a server; only where the pool is full it begins with the first message.
      await this.#login();
      settings = this.server!.settings;
    } else if (settings === null) {
      await this.#login();
      settings = this.server!.identity.parameters;
      this.#endLease("clean");
    }
    this.#out.put(greetings.encoded(this.#told.greet(settings)));
    this.#out.put(encodeBackendKeyData(this.#key.pid, this.#key.secret));
    this.#out.put(encodeReadyForQuery(TxStatus.Idle));
    destination.counters.logins++;
    await this.#out.flush();
  }

  /** The lease that a greeting needs. @throws PgplexError when there is none to be had */
  async #login(): Promise<void> {
    const obtained = this.#lease.obtain();
    if (obtained !== null) {
      this.#watchClient();
      await obtained;
    }
    if (this.#lease.error !== null) throw this.#lease.error;
    if (!this.#lease.held) throw new PgplexError("shutting_down", "the session is over");
  }

  async #serve(): Promise<void> {
    const scan = this.#clientScan;
    const input = this.#in;
    let fullReads = 0;
    while (!this.#ending) {
      if (this.#parts.pools.control.mode === "suspended") await this.#passSuspension();
      if (this.#times.cancelling !== null) {
        await this.#times.cancelling;
        continue;
      }
      if (!input.empty) {
        input.start = scan.scan(input.bytes, input.start, input.end);
        const server = this.#relay.server;
        if (server !== null) {
          if (!server.owed.settled) this.#work.sent();
          const written = server.out.flushSoon();
          if (written !== null) await written;
        }
        const answered = this.#out.flush();
        if (answered !== null) await answered;
        if (scan.need !== Need.Bytes) {
          if (scan.need === Need.End) return await this.#lastReplies();
          if (scan.need === Need.Lease) {
            const obtained = this.#lease.obtain();
            if (obtained !== null) await obtained;
            this.#work.leased(this.sinceMs);
            // Without the BEGIN that waited in vain, what stands behind it would be committed.
            if (this.#gone && !this.#lease.held) return;
            if (this.#lease.error !== null && !this.#ending) this.#failPending(this.#lease.error);
          } else if (scan.blocked) await this.#replies();
          continue;
        }
        // A boundary may have been reached by what the client sent: the end of COPY data that nobody wanted.
        if (this.#relay.boundary) this.settle();
      }
      if (this.#ending) return;
      const n = await input.read(scan.wanted);
      if (n === 0) {
        this.#clientEnds();
        return await this.#lastReplies();
      }
      input.took(n);
      this.destination.counters.bytesFromClients += n;
      fullReads = input.full ? fullReads + 1 : 0;
      if (fullReads >= FULL_READS_PER_TURN) {
        fullReads = 0;
        await this.#parts.runtime.turn();
      }
    }
  }

  /** Waits until the server has answered something. */
  async #replies(): Promise<void> {
    await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = null;
  }

  /** What the client sent before it ended its side is done, and answered, as a server would; unless it is gone. */
  async #lastReplies(): Promise<void> {
    while (!this.#ending && !this.#gone && this.#owesLast) await this.#replies();
  }

  /** Whether the server will answer something, though the client sends no more. */
  get #owesLast(): boolean {
    const { server } = this.#relay;
    // A batch without its Sync is not waited for: the server keeps its replies, and drops it at the end.
    if (server === null || server.owed.copyIn || server.owed.readies === 0) return false;
    return !this.#torn(server.owed) || server.owed.readies > 1;
  }

  /** The message for which no server could be had is answered by an error; the session goes on. */
  #failPending(error: PgplexError): void {
    // What a reload removed does not come back for this session: its client must log in anew to hear what there is.
    if (error.code === "internal" || error.code === "config_changed") throw error;
    this.options.transactionEnds();
    this.#statementEnds();
    this.#clientScan.failPending(this.#in.bytes[this.#in.start]!, error);
  }

  leaseBegins(server: ServerConnection, nowMs: number): void {
    this.#relay.server = server;
    this.#relay.boundary = false;
    this.#relay.openBatch = this.#relay.batchSent = false;
    this.#relay.watch.begin();
    this.options.forgetPending();
    this.#relay.sequencesForeign = server.lastHolder !== this.facts.id && this.limits.currval === "pin";
    server.lastHolder = this.facts.id;
    this.#relay.nameMayBeReset = this.#relay.nameRestored = false;
    this.#listening.leased(server);
    this.sinceMs = nowMs;
    this.#told.leaseBegins(server);
  }

  #endLease(end: "clean" | "broken"): void {
    this.#relay.server = null;
    this.#relay.boundary = false;
    this.sinceMs = this.#lease.end(end);
    this.#work.ended(this.sinceMs);
    this.#times.idles();
    this.#relay.collectCounts(this.destination.counters);
  }

  /** A transaction has ended, and its lease goes on. */
  #rests(): void {
    this.#work.rests();
    this.#relay.collectCounts(this.destination.counters);
  }

  /** While clients are suspended they are read no further. */
  async #passSuspension(): Promise<void> {
    const { control } = this.#parts.pools;
    while (control.mode === "suspended" && !this.#ending) {
      let stop = () => {};
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        stop = control.onResumed(resolve);
      });
      this.#wake = null;
      stop();
    }
  }

  /** Reads ahead while there is room, to notice a client that leaves while it waits. */
  #watchClient(): void {
    const ahead = this.#in.readAhead();
    if (ahead === null) return;
    ahead.then((n) => n === 0 && this.#clientEnds(), () => this.#left());
  }

  /** The client sends no more. It may be gone. */
  #clientEnds(): void {
    // What it has not been greeted with cannot be said to it.
    if (this.settings === null) return this.#left();
    this.#presence ??= new Presence(this.#clock, this.#out, {
      sayNothing: () => this.#told.repeat(),
      left: () => this.#left(),
    });
    this.#presence.watch();
  }

  #left(): void {
    this.#gone = true;
    this.#lease.stopWaiting(new PgplexError("shutting_down", "the client is gone"));
    this.#wake?.();
  }

  async #finish(): Promise<void> {
    this.#ending = true;
    this.#times.close();
    this.#presence?.close();
    this.#parts.cancelKeys.revoke(this, this.#key);
    void this.#out.flush(); // what was put off until the round ends
    this.#stream.close();
    // What was not written has no taker; a write in progress ends with the stream, and gives its buffer back.
    await this.#out.flush();
    this.#relay.names.clear();
    this.#in.release();
    this.#lease.close();
    this.#listening.close();
    const server = this.server;
    const { midMessage, openBatch } = this.#relay;
    this.#relay.server = null;
    const midWork = server !== null &&
      (!server.owed.settled || server.owed.skipping || midMessage || openBatch || this.#cancels > 0);
    if (this.#lease.held) {
      await this.#lease.abandon(midWork);
      this.#rests();
    }
    this.#parts.counters.sessionsClosed++;
  }
}
