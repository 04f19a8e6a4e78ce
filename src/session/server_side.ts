import type { ServerConnection, Settings, SqlStatement } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type FindingsHost,
  findOptions,
  Lease,
  type LeaseHolder,
  type LostSetting,
  type Pins,
  type ProbeResult,
  type Recall,
  settingsLost,
  takeFindings,
} from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { SessionOptions } from "../options/mod.ts";
import { maySetAside, Suspicion } from "../learning/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import {
  type PreambleHost,
  type Relay,
  ServerScan,
  type ServerScanPort,
  type Steering,
  type ToldSettings,
} from "../relay/mod.ts";
import type { Base, Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import { AtRest } from "./at_rest.ts";
import { FindingOut, markerBy } from "./finding_out.ts";
import { notRestored } from "./not_restored.ts";
import { mayMixPlans } from "./mixed_plans.ts";
import { nameOwnPid } from "./own_pid.ts";
import { endsSession } from "./server_loss.ts";
import { ReadAgain } from "./read_again.ts";
import type { ServerSideHost, ServerSideParts } from "./server_side_parts.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { SessionParts } from "./session_parts.ts";
import { type Doubt, survive } from "./survival.ts";
import { Reading } from "./reading.ts";
import type { TimeLimits, Waits } from "./time_limits.ts";
import { Vacating } from "./vacating.ts";
import { mustLook } from "./must_look.ts";
import { takeToldByWords } from "./told_by_words.ts";
import type { WorkTime } from "./work_time.ts";

/**
 * The server's side of a session: takes what the leased server connection sends, and decides at each boundary whether the lease
 * ends, goes on, or is looked at first.
 *
 * Invariants: `relay.server` is set exactly while a lease is held, and not probed; a lease ends in {@link settle}, at a boundary,
 * or with the session.
 */
export class ServerSide implements LeaseHolder, ServerScanPort, PreambleHost {
  readonly base: Base;
  readonly lease: Lease;
  readonly scan: ServerScan;
  readonly #worker: SessionParts;
  readonly #parts: ServerSideParts;
  readonly #facts: SessionFacts;
  readonly #destination: Destination;
  readonly #options: SessionOptions;
  readonly #relay: Relay;
  readonly #out: Outbox;
  readonly #told: ToldSettings;
  readonly #clientScan: ServerSideParts["clientScan"];
  readonly #steering: Steering;
  readonly #pins: Pins;
  readonly #times: TimeLimits;
  readonly #work: WorkTime;
  readonly #listening: Listening;
  readonly #host: ServerSideHost;
  readonly #reading: Reading;
  readonly #vacating: Vacating;
  readonly #rest: AtRest;
  #sinceMs: number;
  #lastWriteMs = -Infinity;
  #renewing = false;
  #afterLoss: FindingOut | ReadAgain | null = null;

  constructor(worker: SessionParts, parts: ServerSideParts, host: ServerSideHost) {
    this.#worker = worker;
    this.#parts = parts;
    // Fields of this object: what each message needs lies side by side.
    this.#facts = parts.facts;
    this.#destination = parts.destination;
    this.#options = parts.options;
    this.#relay = parts.relay;
    this.#out = parts.out;
    this.#told = parts.told;
    this.#clientScan = parts.clientScan;
    this.#steering = parts.steering;
    this.#pins = parts.pins;
    this.#times = parts.times;
    this.#work = parts.work;
    this.#listening = parts.listening;
    this.#host = host;
    this.base = parts.facts.base;
    this.#sinceMs = worker.runtime.clock.nowMs();
    this.scan = new ServerScan(parts.relay, this);
    this.lease = new Lease(worker, parts.destination, this, parts.pins);
    this.#reading = new Reading(parts, this.lease, () => this.#leave());
    this.#vacating = new Vacating(worker, parts.destination);
    parts.relay.preamble.serveBy(this);
    parts.relay.reads.serveBy(this.#reading);
    this.#rest = new AtRest(parts, this, host);
    parts.clientScan.alreadySo.serveBy(this.#rest);
  }

  /** What the connection has been for others stands in a statement's way, and nothing of this session's is on it: it ends. */
  renew(): boolean {
    const { server, progress, watch } = this.#relay;
    if (server === null || !progress.quiet || this.#pins.reasons.length > 0) return false;
    // What was not read would be lost.
    if (this.lease.unread && (watch.suspicion > Suspicion.Learn || this.#listening.suspicious)) return false;
    this.#renewing = true;
    this.endLease("broken");
    return true;
  }

  get withoutTempSchema(): boolean {
    return this.#renewing;
  }

  vacate(name: BinaryString): void {
    this.#vacating.begins(name);
  }

  /** When the last lease began or ended, or pgplex answered something itself; clock milliseconds. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** The client had an answer for which no server connection was needed. */
  answeredItself(): void {
    this.#sinceMs = this.#worker.runtime.clock.nowMs();
  }

  // What the session is to a lease.
  get tenant(): number {
    return this.#rest.tenant;
  }

  get settings(): Settings | null {
    return this.#told.current;
  }
  set settings(settings: Settings) {
    this.#told.current = settings;
  }

  get reads(): boolean {
    return this.#reading.reads;
  }

  get lastWriteMs(): number {
    return this.#lastWriteMs;
  }

  #leave(): boolean {
    return this.#facts.mode === "transaction" && this.#pins.reasons.length === 0 && this.look() !== null;
  }

  get sqlStatements(): ReadonlyMap<BinaryString, SqlStatement> {
    return this.#relay.sql.texts;
  }

  get loginName(): BinaryString | null {
    return this.#told.loginName;
  }

  /** Since when the session waits for a server connection, and why; null: it does not. */
  get waits(): Waits | null {
    const { waiting, waitingSinceMs: sinceMs } = this.lease;
    return waiting ? { sinceMs, reason: this.#destination.waitReason(this) } : null;
  }

  get takesAhead(): string | null {
    return this.reads ? null : this.#clientScan.takesAhead;
  }

  get queryWaitTimeoutMs(): number {
    return this.#host.limits.query_wait_timeout;
  }

  leaseBegins(server: ServerConnection, nowMs: number): void {
    this.#options.forgetPending();
    this.#renewing = false;
    const sequencesForeign = !server.tenancy.isOf(this.tenant) && this.#host.limits.currval === "pin";
    this.#relay.leaseBegins(server, sequencesForeign);
    this.#relay.reads.leaseBegins(this.reads);
    if (this.#relay.reads.on) this.#relay.attention.begin();
    this.#listening.leased(server);
    this.#sinceMs = nowMs;
    this.#told.leaseBegins(server);
  }

  leaseGoesOn(server: ServerConnection): void {
    this.#relay.progress.leaseBegins(server);
    this.#listening.leased(server);
  }

  get maySet(): LeaseHolder["maySet"] {
    const { watch } = this.#relay;
    const known = [...this.#told.current?.values.keys() ?? []].filter((name) => name.includes("."));
    return { customSettings: [...known, ...watch.settings], aside: maySetAside(watch) };
  }

  get restsSinceMs(): number {
    return this.#work.endedMs;
  }

  look(): Recall {
    const relay = this.#relay;
    const host = this.#host;
    if (
      relay.server === null || !relay.progress.quiet || this.#listening.holding || host.cancelCount > 0 ||
      host.ending
    ) {
      return null;
    }
    if (takeToldByWords(this.#parts, relay.server!)) {
      this.endLease("clean");
      return "given";
    }
    relay.leaseEnds();
    this.lease.probe(this.#destination.fingerprints);
    return "looking";
  }

  async stateFound(server: ServerConnection, found: ProbeResult): Promise<void> {
    await takeFindings(this.#findingsHost(), server, found);
    this.#times.idles();
  }

  #findingsHost(): FindingsHost {
    return {
      destination: this.#destination,
      pools: this.#worker.pools,
      relay: this.#relay,
      told: this.#told,
      options: this.#options,
      pins: this.#pins,
      listening: this.#listening,
      refusal: (change) => this.#host.refusal(change),
    };
  }

  settingsLost(server: ServerConnection, lost: readonly LostSetting[]): PgplexError {
    return settingsLost(lost, this.#told.lost(server, lost.map(({ name }) => name)));
  }

  stateLost(error: PgplexError): void {
    this.#host.stateLost(error);
  }

  // What the server sends.

  receive(bytes: Uint8Array, start: number, end: number): number {
    this.#destination.counters.bytesToClients += end - start;
    return this.scan.scan(this.#relay.server!, bytes, start, end);
  }

  flush(): Promise<void> | null {
    return this.#listening.holding ? this.#listening.flushHeld() : this.#out.flushSoon();
  }

  /** The boundary, where it is one: the lease ends, unless something holds the session, or has to be looked at first. */
  settle(): void {
    const relay = this.#relay;
    const listening = this.#listening;
    const host = this.#host;
    host.answered();
    if ((relay.server?.owed.readies ?? 0) === 0) this.#vacating.ends();
    if (listening.holding) return;
    listening.deliver();
    const { server, watch } = relay;
    if (server !== null && server.owed.readies === 0 && !relay.progress.openBatch) this.statementEnds();
    if (!relay.progress.boundary || host.cancelCount > 0 || host.ending) {
      if (server !== null && server.owed.settled) this.#work.answered();
      return;
    }
    this.#options.transactionEnds();
    this.#told.transactionEnds();
    // The SET that was to do it has failed: what is on the connection is nothing of this session's.
    if (server!.overwrites !== null) return this.endLease("clean");
    if (watch.wasReset && this.#options.wasSet) watch.mentionsOptions();
    if (this.#facts.mode !== "transaction") {
      relay.words?.transactionEnds();
      relay.progress.leaseGoesOn();
      this.rests();
      if (watch.optionsMentioned) {
        relay.leaseEnds();
        this.lease.look((connection) => findOptions(this.#findingsHost(), connection));
      }
      return;
    }
    const check = host.limits.state_check;
    const isUnread = this.#isUnread(server!, check);
    const claims = !server!.owed.doubtful && check !== "off" &&
      this.#destination.fingerprints.catalogue.claim(this.#sinceMs);
    if (isUnread || claims) {
      this.rests();
      if (claims || mustLook(this.#parts, this.lease, server!)) {
        if (!claims && takeToldByWords(this.#parts, server!)) return this.endLease("clean");
        relay.leaseEnds();
        this.lease.probe(this.#destination.fingerprints);
      } else {
        relay.progress.leaseGoesOn();
        this.lease.leaveUnread();
        this.#pins.transactionEnds();
        if (relay.loginName.rests(server!, this.#told.current?.applicationName)) relay.attention.begin();
      }
    } else if (server!.owed.doubtful && watch.suspicion > Suspicion.Learn) {
      this.endLease("broken");
      host.stateLost(new PgplexError("server_lost", "nobody knows what the server has read"));
    } else {
      this.#pins.transactionEnds();
      if (this.#pins.reasons.length > 0) {
        relay.progress.leaseGoesOn();
        this.rests();
        watch.begin();
      } else this.endLease("clean");
    }
  }

  /** Whether the session's state may be another than what is known of it. */
  #isUnread(server: ServerConnection, check: PoolSettings["state_check"]): boolean {
    const { owed, foreignNames, state } = server;
    const { watch } = this.#relay;
    if (mayMixPlans(watch, server)) state.plansMixed = true;
    const suspicion = watch.judge(check, this.#sinceMs, this.#pins.reasons.length > 0);
    if (suspicion === Suspicion.Anything) {
      state.mayHaveMore(watch.fingerprints.stain(watch.ran, this.#sinceMs));
    }
    return !owed.doubtful && (suspicion !== Suspicion.None || this.lease.unread || foreignNames.size > 0 ||
      this.#listening.suspicious || watch.optionsMentioned ||
      // The temporary schema of the backend may be the session's own, which makes its tables there: a look tells.
      (watch.madeTempSchema && this.#told.current?.createsInTemp === true));
  }

  /** The client's last statement is answered: nothing of its own holds any more. */
  statementEnds(): void {
    this.#times.statementEnds();
    this.#steering.statementEnds();
  }

  endLease(how: "clean" | "broken"): void {
    const relay = this.#relay;
    this.#vacating.ends();
    if (relay.watch.madeTempSchema) relay.server?.state.tempSchemaMade();
    relay.leaseEnds();
    const wrote = this.#reading.mayHaveWritten;
    this.#sinceMs = this.lease.end(how);
    if (wrote) this.#lastWriteMs = this.#sinceMs;
    this.#work.ended(this.#sinceMs);
    this.#times.idles();
    relay.counts.collect(this.#destination.counters);
    this.#host.rested();
  }

  /** A transaction has ended, and its lease goes on. */
  rests(): void {
    this.#vacating.ends();
    if (this.#reading.mayHaveWritten) this.#lastWriteMs = this.#worker.runtime.clock.nowMs();
    this.#work.rests();
    this.#relay.counts.collect(this.#destination.counters);
    this.#host.rested();
  }

  ended(error: PgplexError): void {
    if (this.lease.unread && this.#pins.reasons.length === 0 && this.#relay.progress.quiet) {
      // Nothing of the client's was on its way: it goes on with another connection.
      this.endLease("broken");
      this.#host.stateLost(error);
      return;
    }
    // The connection has let go of its sink: the lease is over whatever the session was doing.
    const { counters, key: { cluster } } = this.#destination;
    counters.lost++;
    this.#worker.warnings.say(`lost ${cluster}`, "server connection lost while in use", {
      cluster,
      session: this.#facts.id,
      error: error.message,
      cause: error.extra.log,
    });
    // Nothing can be said in the middle of a message: what was cut there cannot be mended.
    const isCut = this.scan.midMessage;
    if (isCut) this.#worker.counters.repliesCut++;
    if (isCut || this.#endsWith(error)) {
      this.#pins.clear();
      this.endLease("broken");
      this.#host.lost(error);
    } else this.#goesOnWithout(error);
  }

  /** Whether the session ends with its server connection, as it would without a pooler. */
  #endsWith({ code, sqlstate }: PgplexError): boolean {
    return this.#host.ending || this.#told.current === null || code === "server_protocol" ||
      endsSession(sqlstate);
  }

  /** The server is lost, and the client stays. */
  #goesOnWithout(error: PgplexError): void {
    const cause = notRestored(this.#relay.server, this.#told, error);
    const { left, deaf, doubt, again } = survive({
      relay: this.#relay,
      told: this.#told,
      pins: this.#pins,
      listening: this.#listening,
      scan: this.scan,
      lease: this.lease,
    }, cause);
    const node = this.lease.home?.node ?? null;
    this.#options.transactionEnds();
    this.statementEnds();
    this.endLease("broken");
    if (deaf) return this.#host.lost(error);
    this.#clientScan.serverLost(left, cause);
    if (again !== null) this.#readAgain(again, node);
    else if (doubt !== null) this.#findOut(doubt);
    else this.#goesOn();
  }

  /** What became of a COMMIT is being found out, or a read is sent again: the client is read no further. */
  get inDoubt(): Promise<void> | null {
    return this.#afterLoss?.over ?? null;
  }

  get avoids(): ReadAgain["avoids"] {
    return this.#afterLoss?.avoids ?? null;
  }

  /** Whoever waits for what became of a COMMIT hears it: nobody knows. */
  stopAsking(): void {
    this.#afterLoss?.stop();
  }

  #findOut(doubt: Doubt): void {
    const host = { queryWaitTimeoutMs: this.queryWaitTimeoutMs, found: () => this.#goesOn() };
    const { id } = this.#facts;
    this.#afterLoss = new FindingOut(this.#worker, this.#destination.key.cluster, id, doubt, host);
  }

  #readAgain(bytes: Uint8Array, avoids: ReadAgain["avoids"]): void {
    const [relay, scan, out, work, host] = [this.#relay, this.#clientScan, this.#out, this.#work, this.#host];
    const parts = { clock: this.#worker.runtime.clock, relay, scan, out, work, side: this, host, avoids };
    this.#afterLoss = new ReadAgain(parts, bytes, () => this.#goesOn());
  }

  /** What had to be done behind a loss is done: the client is read on. */
  #goesOn(): void {
    this.#afterLoss = null;
    void this.#out.flush();
    this.#host.answered();
  }

  get guardsCommits(): boolean {
    return this.#host.limits.commit_guard === "on";
  }

  commitMarker(): string {
    return markerBy(this.#worker.runtime.random);
  }

  // What the scan hears in it.

  parameter(name: BinaryString, value: BinaryString): boolean {
    return this.#told.reported(this.#relay.server!, name, value);
  }

  fatal(error: PgplexError): boolean {
    this.#relay.server!.noteFatal(error);
    if (!this.#endsWith(error)) return false;
    if (this.lease.unread && this.#pins.reasons.length === 0 && this.#relay.progress.quiet) return false;
    this.#host.serverSaid();
    return true;
  }

  canceled(): Uint8Array | null {
    return this.#times.canceledReply();
  }

  blockBegun(): void {
    this.#host.blockBegun();
  }

  notified(server: ServerConnection, message: Uint8Array): void {
    if (!this.notification(server, message, 0, message.length)) return;
    this.#relay.client.put(message);
    void this.#out.flush();
  }

  /** What a server connection says is for the client, unless it comes another way; its own pid is the one that it knows. */
  notification(server: ServerConnection, bytes: Uint8Array, at: number, end: number): boolean {
    if (end - at >= 9) nameOwnPid(bytes, at + 5, server.identity.key, this.#host);
    return this.#listening.fromOwn(bytes, at, end);
  }
}
