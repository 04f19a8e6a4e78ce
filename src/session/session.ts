import { cancelOn, type ServerConnection, type Settings } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { type Clock, PgplexError } from "../kernel/mod.ts";
import type { StateWatch } from "../learning/mod.ts";
import { type PinReason, Pins, type PinsHost, stateLost } from "../lease/mod.ts";
import { type ChannelsHost, Listening, type ListeningHost } from "../listen/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import { encodeNotice, TxStatus } from "../protocol/mod.ts";
import { ClientScan, Need, Relay, Steering, type SteeringHost, ToldSettings } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import { type ByteStream, Outbox } from "../transport/mod.ts";
import type { CancelKey, Cancellable } from "./cancel_keys.ts";
import { channelsHostOf } from "./channels_host.ts";
import { ClientBuffer } from "./client_buffer.ts";
import { ClientLoop, type ClientLoopHost } from "./client_loop.ts";
import { Farewell } from "./farewell.ts";
import { greet, type GreetedSession, type GreetingParts } from "./greeting.ts";
import { Leaving, type LeavingHost, whyGone } from "./leaving.ts";
import { type OptionChange, refusalOf } from "./option_refusal.ts";
import { warnOfPins } from "./pin_warning.ts";
import { ServerSide } from "./server_side.ts";
import type { ServerSideHost } from "./server_side_parts.ts";
import { describeOptions, describeSession } from "./session_description.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { SessionParts } from "./session_parts.ts";
import { SessionView } from "./session_view.ts";
import { TimeLimits, type TimeLimitsHost, type Waits } from "./time_limits.ts";
import { runsNothing } from "./torn.ts";
import { WorkTime } from "./work_time.ts";

/**
 * One client after login. It makes the parts of a session and ends them: {@link ClientLoop} reads the client, {@link ServerSide}
 * takes what the server sends and decides where a lease ends, {@link SessionView} is what the console may see.
 */
export class Session
  implements
    ClientLoopHost,
    ServerSideHost,
    Cancellable,
    SteeringHost,
    TimeLimitsHost,
    PinsHost,
    ListeningHost,
    LeavingHost,
    GreetedSession {
  readonly facts: SessionFacts;
  readonly destination: Destination;
  /** What the client set for itself. */
  readonly options: SessionOptions;
  readonly #connectedMs: number;
  readonly #parts: SessionParts;
  readonly #clock: Clock;
  readonly #stream: ByteStream;
  readonly #out: Outbox;
  readonly #relay: Relay;
  readonly #told: ToldSettings;
  readonly #clientScan: ClientScan;
  #key: CancelKey;
  readonly #in: ClientBuffer;
  readonly #work: WorkTime;
  readonly #pins: Pins;
  readonly #times: TimeLimits;
  readonly #listening: Listening;
  readonly #serverSide: ServerSide;
  readonly #loop: ClientLoop;
  #cancels = 0;
  #ending = false;
  readonly #leaving = new Leaving(this);
  /** Made when there is something to say. */
  #farewellMade: Farewell | null = null;

  constructor(parts: SessionParts, stream: ByteStream, destination: Destination, facts: SessionFacts) {
    const { buffers, clock, statements } = parts.runtime;
    this.#parts = parts;
    this.#clock = clock;
    this.#stream = stream;
    this.destination = destination;
    this.facts = facts;
    this.#connectedMs = clock.nowMs();
    this.#out = new Outbox(stream, buffers);
    this.#in = new ClientBuffer(buffers, stream);
    this.#relay = new Relay(this.#out, statements, {
      renames: facts.mode === "transaction",
      refusesBlocks: facts.statementsOnly,
      preparedMax: destination.settings.max_prepared_statements,
      fingerprints: destination.fingerprints,
    });
    this.#told = new ToldSettings(this.#relay, this.#out, facts.applicationName);
    this.options = new SessionOptions(facts.options);
    const steering = new Steering(this.#relay, this);
    this.#clientScan = new ClientScan(this.#relay, statements, steering);
    this.#pins = new Pins(this);
    this.#times = new TimeLimits(clock, this, parts.clientLog);
    this.#work = new WorkTime(clock, destination.counters);
    this.#listening = new Listening(parts.listeners, this);
    this.#key = parts.cancelKeys.issue(this, facts.minor);
    this.#serverSide = new ServerSide(parts, {
      facts,
      destination,
      options: this.options,
      relay: this.#relay,
      out: this.#out,
      told: this.#told,
      clientScan: this.#clientScan,
      steering,
      pins: this.#pins,
      times: this.#times,
      work: this.#work,
      listening: this.#listening,
    }, this);
    this.#loop = new ClientLoop({
      clock,
      control: parts.pools.control,
      input: this.#in,
      out: this.#out,
      relay: this.#relay,
      scan: this.#clientScan,
      lease: this.#serverSide.lease,
      times: this.#times,
      work: this.#work,
    }, this);
  }

  /** What the console may see. Made each time it is asked for, as most sessions are never looked at. */
  get view(): SessionView {
    const { lease } = this.#serverSide;
    return new SessionView(this, {
      lease,
      relay: this.#relay,
      pins: this.#pins,
      work: this.#work,
      listening: this.#listening,
      out: this.#out,
      connectedMs: this.#connectedMs,
    });
  }

  /** What this client was last told of its settings; null until it is greeted. */
  get settings(): Settings | null {
    return this.#told.current;
  }

  get greeted(): boolean {
    return this.#told.current !== null;
  }

  get server(): ServerConnection | null {
    return this.#relay.server;
  }

  /** Whether the session waits for a server connection. */
  get waiting(): boolean {
    return this.#serverSide.lease.waiting;
  }

  /** Whether the session has a server connection that is its own until it ends. */
  get ownsServer(): boolean {
    return this.keepsServer && this.#serverSide.lease.held;
  }

  /** Whether the server owes this client something. */
  get busy(): boolean {
    const { server } = this;
    return this.inDoubt !== null ||
      (server !== null && !(server.owed.settled && server.txStatus === TxStatus.Idle));
  }

  /** Whether the client can be sent away without harm: no lease, or in session pooling nothing but an idle one. */
  get idle(): boolean {
    return !this.busy && !this.waiting && this.#loop.rests;
  }

  /** Whether the session can be ended before its client is: it is not greeted, {@link idle}, or there is nothing whole to run. */
  get endable(): boolean {
    const { server, progress: { openBatch }, watch } = this.#relay;
    if (!this.greeted) return true;
    // All answered, and yet the server is in the implicit transaction of a batch.
    if (server !== null && openBatch && watch.running) return false;
    if (this.idle) return true;
    if (this.waiting || this.#clientScan.need !== Need.Bytes) return false;
    return !this.busy || (server !== null && runsNothing(this.#relay, server));
  }

  get inDoubt(): Promise<void> | null {
    return this.#serverSide.inDoubt;
  }

  /** Whether the session is over, and only tidies up. */
  get ending(): boolean {
    return this.#ending;
  }

  /** The process id that the client knows as its own. */
  get pid(): number {
    return this.#key.pid;
  }

  get cancelCount(): number {
    return this.#cancels;
  }

  // What its parts ask of it.

  /** The pool's settings with what the client set over them. */
  get limits(): PoolSettings {
    return this.options.settings(this.destination.settings);
  }

  get poolSettings(): PoolSettings {
    return this.destination.settings;
  }

  get sinceMs(): number {
    return this.#serverSide.sinceMs;
  }

  get waits(): Waits | null {
    return this.greeted ? this.#serverSide.waits : null;
  }

  get idleSinceMs(): number {
    return Math.max(this.sinceMs, this.#work.endedMs);
  }

  get work(): WorkTime {
    return this.#work;
  }

  /** Why it was ended; null: it goes on, or its client left. */
  get endedBy(): PgplexError | null {
    return this.#farewellMade?.reason ?? null;
  }

  get keepsServer(): boolean {
    return this.facts.mode === "session";
  }

  get pins(): readonly PinReason[] {
    return this.#pins.reasons;
  }

  get watch(): StateWatch {
    return this.#relay.watch;
  }

  get holdsUnnamed(): boolean {
    return this.#relay.names.unnamed.holds;
  }

  get optionsKnown(): boolean {
    return !this.#serverSide.lease.held && this.options.settled;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  turn(): Promise<void> {
    return this.#parts.runtime.turn();
  }

  refusal(change: OptionChange): PgplexError | null {
    return refusalOf(change, this.facts.mode);
  }

  describe(): readonly (readonly [string, string | null])[] {
    return describeSession(this.view, this.nowMs());
  }

  describeOptions(): readonly (readonly string[])[] {
    return describeOptions(this);
  }

  statementBegins(timeoutMs: number | null): void {
    this.#times.statementBegins(timeoutMs);
  }

  answeredItself(): void {
    this.#serverSide.answeredItself();
  }

  came(bytes: number): void {
    this.destination.counters.bytesFromClients += bytes;
  }

  settle(): void {
    this.#serverSide.settle();
  }

  answered(): void {
    this.#loop.wake();
  }

  failPending(type: number, error: PgplexError): void {
    // What a reload removed does not come back for this session: its client must log in again to hear what there is.
    if (error.code === "internal" || error.code === "config_changed") throw error;
    this.#parts.clientLog.poolerError(this.facts, error);
    this.options.transactionEnds();
    this.#work.failed();
    this.#serverSide.statementEnds();
    this.#clientScan.failPending(type, error);
  }

  sayNothing(): void {
    this.#told.repeat();
  }

  left(): void {
    this.#serverSide.stopAsking();
    this.stopWaiting(new PgplexError("shutting_down", "the client is gone"));
  }

  stopWaiting(error: PgplexError): void {
    this.#serverSide.lease.stopWaiting(error);
  }

  serverSaid(): void {
    this.#farewell.serverSaid();
  }

  blockBegun(): void {
    this.end(
      new PgplexError("transaction_block", "transaction blocks not allowed in statement pooling mode"),
    );
  }

  lost(error: PgplexError): void {
    this.end(error);
  }

  stateLost(error: PgplexError): void {
    const { watch } = this.#relay;
    // It would wait for ever for notifications that cannot come.
    if (this.#listening.lost(watch)) {
      this.end(new PgplexError("server_lost", "the server connection was lost"));
    } else if (watch.loses) this.#serverSide.lease.fails(stateLost(error));
  }

  warnOfPins(reasons: readonly PinReason[], statement: string | null): void {
    warnOfPins(this.#parts.warnings, this.facts, reasons, statement);
  }

  notice(error: PgplexError): void {
    this.#relay.client.put(encodeNotice("NOTICE", error));
    void this.#out.flush();
  }

  #greetingParts(): GreetingParts {
    const [told, out, work, loop, side] = [this.#told, this.#out, this.#work, this.#loop, this.#serverSide];
    return { told, out, work, loop, side };
  }

  channelsHost(): ChannelsHost {
    return channelsHostOf(this, { relay: this.#relay, out: this.#out, pid: this.#key.pid });
  }

  // Its life.

  get #farewell(): Farewell {
    return this.#farewellMade ??= new Farewell(this.#parts, this.#out, this.#serverSide.scan);
  }

  /**
   * Serves the client until it or pgplex ends the session. Never rejects.
   *
   * @param admission what the greeting opens with
   * @param rest what was read behind the login
   */
  async run(admission: Uint8Array, rest: Uint8Array): Promise<void> {
    this.#out.put(admission);
    this.#in.fill(rest); // before anything is read ahead
    this.#parts.counters.sessionsOpened++;
    try {
      await this.#loop.passSuspension();
      if (!this.#ending) await greet(this, this.#greetingParts());
      await this.#loop.serve();
    } catch (thrown) {
      if (!this.#ending) await this.#farewell.fail(thrown, this.facts.id);
    } finally {
      await this.#finish();
    }
  }

  get key(): CancelKey {
    return this.#key;
  }

  /** In session pooling the server process is the session's own: so is its process id, which pg_backend_pid() and others see. */
  takeBackendsPid({ identity }: ServerConnection): void {
    if (identity.key === null) return;
    const { cancelKeys } = this.#parts;
    cancelKeys.revoke(this, this.#key);
    this.#key = cancelKeys.issue(this, this.facts.minor, identity.key.pid);
  }

  /** A reload changed the pool's settings, or took the destination away: a session in a transaction goes on to its end. */
  configurationChanged(): void {
    this.#relay.onServer.limitTo(this.destination.settings.max_prepared_statements);
    this.lookIfGone();
  }

  get gone(): PgplexError | null {
    return whyGone(this, this.#serverSide.lease);
  }

  /** What is to be done with server connections may have changed: see {@link Leaving.lookIfGone}. */
  lookIfGone(): void {
    this.#leaving.lookIfGone();
  }

  /** {@link Leaving.begin} */
  endAtRest(error: PgplexError): void {
    this.#leaving.begin(error);
  }

  rested(): void {
    this.#leaving.rested();
  }

  /** Looks at its limits of time, and whether a client that waits is still there. Called about once a second. */
  checkTimeouts(nowMs: number): void {
    if (this.waiting || this.inDoubt !== null) this.#loop.watch();
    if (!this.#leaving.lookIfGone()) this.#times.check(nowMs);
  }

  /** Ends the session from outside: a FATAL for the client, then the connection closes. */
  end(error: PgplexError): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#farewell.say(error);
    const { server } = this;
    if (server !== null && server.out.writing) {
      // The client's loop waits for a server that reads nothing, and would keep its lease: only the connection's end frees it.
      void this.#cancel(server);
      server.close();
    }
    void this.#farewell.written().then(() => this.#stream.close());
    this.#serverSide.lease.close();
    this.#serverSide.stopAsking();
    this.#loop.wake();
  }

  async cancel(): Promise<void> {
    this.#serverSide.stopAsking();
    const { server } = this;
    const { lease } = this.#serverSide;
    if (lease.waiting) {
      lease.stopWaiting(new PgplexError("query_canceled", "canceling statement due to user request"));
      return;
    }
    if (server === null || server.owed.settled) return;
    this.#times.clientCancels();
    await this.cancelOn(server);
  }

  /** The lease does not end while the cancel is on its way: it meets no other session's statement. */
  async cancelOn(server: ServerConnection): Promise<void> {
    this.#cancels++;
    await this.#cancel(server);
    this.#cancels--;
    this.settle();
  }

  #cancel({ identity }: ServerConnection): Promise<void> {
    const { network } = this.#parts.runtime;
    return cancelOn(identity, network, this.#clock, this.destination.settings.server_connect_timeout);
  }

  async #finish(): Promise<void> {
    const { counters, cancelKeys } = this.#parts;
    counters.sessionsLeft++;
    this.#ending = true;
    this.#times.close();
    this.#loop.close();
    cancelKeys.revoke(this, this.#key);
    void this.#out.flush(); // what was put off until the round ends
    this.#stream.close();
    // What was not written has no taker; a write in progress ends with the stream, and gives its buffer back.
    await this.#out.flush();
    this.#relay.names.clear();
    this.#in.release();
    const { lease } = this.#serverSide;
    lease.close();
    this.#serverSide.stopAsking();
    this.#listening.close();
    const { server } = this;
    const { midMessage, openBatch } = this.#relay.progress;
    this.#relay.leaseEnds();
    const midWork = server !== null &&
      (!server.owed.settled || server.owed.skipping || midMessage || openBatch || this.#cancels > 0);
    if (lease.held) await lease.abandon(midWork).then(() => this.#serverSide.rests());
    counters.sessionsClosed++;
  }
}
