import { login, type LoginParts, type ServerConnection } from "../backend/mod.ts";
import type { ClusterTls } from "../config/mod.ts";
import { PgplexError, type Timer, toPgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  listenSql,
  type Notification,
  quoteChannel,
  unlistenSql,
} from "../protocol/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { ListenerChannels } from "./listener_channels.ts";
import { ListenerConnection } from "./listener_connection.ts";
import type { ServerPool } from "./server_pools.ts";
import type { Subscription } from "./subscription.ts";

/** The longest wait between two attempts to make a lost listener again. */
const RETRY_MAX_MS = 30_000;

/** Whoever waits for a listener to be opened waits no longer than this. */
const READY_MAX_MS = 1000;

/** A listener that owes an answer or a marker, and sends nothing at all for so long, is lost. */
const SILENCE_MAX_MS = 3000;

/** Keeps a client's or a database's own limits from ending or failing it; older servers do not know the last one. */
const SETTINGS: BinaryString = "SET statement_timeout = 0; SET lock_timeout = 0; " +
  "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'";

const NOTHING: ReadonlySet<BinaryString> = new Set();

/** A session as its shared listener sees it. All calls are synchronous. */
export interface ListenerMember {
  readonly subscription: Subscription;
  /** A notification for the session's client; the bytes are shared with other sessions. */
  notified(notification: Notification, message: Uint8Array): void;
  /** Marker `serial` came; null: no marker will come any more, as the listener was lost. */
  sharedCut(serial: number | null): void;
  /** What was notified may be delivered now. */
  deliver(): void;
  /** Notifications may be lost from here on. */
  lost(): void;
  /** From here on none is lost: the client is warned if some may have been. */
  warn(): void;
  /** The listener is there, after a time in which it was not. */
  listenerUp(): void;
  /** The cluster is gone, or pgplex stops. */
  listenerGone(error: PgplexError): void;
}

/** What a shared listener needs of its surroundings. */
export interface SharedListenerParts {
  readonly login: LoginParts;
  readonly log: Log;
  readonly marker: BinaryString;
  readonly encoding: BinaryString;
  /** The cluster's; null when it is gone. */
  readonly tls: () => ClusterTls | null;
  /** Counts one server connection more, or null where there may be none. @returns what counts it off again */
  readonly reserve: (pool: ServerPool) => (() => void) | null;
  /** Unique in the worker. */
  readonly nextSerial: () => number;
}

/**
 * The one connection that listens for all sessions of a (cluster, node, database, user, client_encoding). It is opened when
 * it is needed, made again when it was lost, and lent to nobody.
 *
 * Besides the sessions' channels it listens to a *marker* channel of its own, by which {@link Subscription} cuts.
 */
export class SharedListener {
  readonly encoding: BinaryString;
  /** Channel of the markers; random, so that nobody comes upon it. */
  readonly marker: BinaryString;
  readonly channels = new ListenerChannels<ListenerMember>();
  /** The pool whose credentials and settings hold: the latest that asked. */
  pool: ServerPool;
  /** Clock milliseconds of when it was opened, or lost. */
  sinceMs: number;
  readonly #parts: SharedListenerParts;
  #state: "down" | "opening" | "up" | "closed" = "down";
  #link: ListenerConnection | null = null;
  #release: (() => void) | null = null;
  /** The answer to the last LISTEN that was sent. */
  #listened: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];
  /** Sessions that listen on connections of their own, and would rather not. */
  readonly #wishing = new Set<ListenerMember>();
  readonly #touched = new Set<ListenerMember>();
  #failures = 0;
  #timer: Timer | null = null;
  #watching: Timer | null = null;
  #awaited = new Set<number>();
  #commands = 0;
  #idleSinceMs = -1;

  constructor(pool: ServerPool, parts: SharedListenerParts) {
    this.pool = pool;
    this.#parts = parts;
    this.encoding = parts.encoding;
    this.marker = parts.marker;
    this.sinceMs = parts.login.clock.nowMs();
  }

  /** Whether it listens. */
  get up(): boolean {
    return this.#state === "up";
  }

  get state(): "down" | "opening" | "up" | "closed" {
    return this.#state;
  }

  /** The server's process id, or null. */
  get pid(): number | null {
    return this.#link?.connection.identity.key?.pid ?? null;
  }

  /** A serial for the next marker. */
  nextSerial(): number {
    return this.#parts.nextSerial();
  }

  /**
   * Opens the connection if nobody has tried yet. Whether it is there: at once where it is, or was lost and is tried again
   * by and by, else after the first attempt, or a second.
   */
  async ready(): Promise<boolean> {
    if (this.#state === "down" && this.#timer === null) void this.#open();
    if (this.#state === "opening" && this.#failures === 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#parts.login.clock.after(READY_MAX_MS, resolve);
        this.#waiting.push(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    return this.up;
  }

  /** `member` is told when the listener is there. */
  wish(member: ListenerMember): void {
    this.#wishing.add(member);
  }

  /** Makes sure that `channels` are listened to, for `member` too. Whether they are; if not, `member` has none of them. */
  async listen(member: ListenerMember, channels: ReadonlySet<BinaryString>): Promise<boolean> {
    const link = this.#link;
    if (!this.up || link === null) return false;
    const before = new Set(member.subscription.channels);
    const fresh = this.channels.add(member, channels);
    if (fresh.length > 0) this.#listened = this.#answered(link.run(listenSql(fresh)));
    try {
      await this.#listened;
    } catch (thrown) {
      this.#parts.log.warning("a shared listener cannot listen", {
        ...this.#fields(),
        error: toPgplexError(thrown).message,
      });
      // What it listens to is not known any more.
      link.connection.close();
    }
    if (this.up && this.#link === link && !link.connection.closed) return true;
    this.retain(member, before);
    return false;
  }

  /** `member` needs no others of its channels than `keep`. */
  retain(member: ListenerMember, keep: ReadonlySet<BinaryString>): void {
    const left = this.channels.retain(member, keep);
    if (left.length > 0 && this.#link !== null) void this.#link.run(unlistenSql(left)).catch(() => {});
  }

  /** `member` is over. */
  leave(member: ListenerMember): void {
    this.#wishing.delete(member);
    this.#touched.delete(member);
    this.retain(member, NOTHING);
  }

  /** Marker `serial` will come for `member`, or never. */
  expect(serial: number, member: ListenerMember): void {
    if (this.up) this.channels.expect(serial, member);
  }

  /** Notifies marker `serial` itself, for `member`, where the connection that was to do it is lost. */
  mark(serial: number, member: ListenerMember): void {
    const link = this.#link;
    if (!this.up || link === null) return;
    this.channels.expect(serial, member);
    this.#answered(link.run(`NOTIFY ${quoteChannel(this.marker)}, '${serial}'`)).catch(() =>
      link.connection.close()
    );
  }

  /** Marker `serial`, which is expected, is committed: it has to come soon. */
  await(serial: number): void {
    if (!this.up) return;
    this.#awaited.add(serial);
    this.#watch();
  }

  /** Marker `serial` is not expected any more. */
  unexpect(serial: number): void {
    this.#awaited.delete(serial);
    this.channels.takeMarker(serial);
  }

  /** Time passes. Whether nobody has needed the listener for so long that it is to be closed. */
  bored(nowMs: number): boolean {
    if (this.channels.size > 0 || this.#wishing.size > 0 || this.#state === "opening") {
      this.#idleSinceMs = -1;
      return false;
    }
    if (this.#idleSinceMs < 0) this.#idleSinceMs = nowMs;
    const { server_idle_timeout: idleMs } = this.pool.settings;
    return !this.up || (idleMs > 0 && nowMs - this.#idleSinceMs >= idleMs);
  }

  /** Ends it; sessions that listened here hear `error`. */
  close(error: PgplexError): void {
    if (this.#state === "closed") return;
    const members = new Set([...this.channels.members(), ...this.#wishing]);
    this.#state = "closed";
    this.#timer?.cancel();
    this.#timer = null;
    this.#link?.connection.close();
    this.#ended();
    for (const member of members) member.listenerGone(error);
  }

  async #open(): Promise<void> {
    const { pool } = this;
    const { login: parts, log } = this.#parts;
    const { clock } = parts;
    this.#state = "opening";
    let connection: ServerConnection | null = null;
    try {
      const tls = this.#parts.tls();
      if (tls === null) throw new PgplexError("config_changed", `cluster "${pool.key.cluster}" is gone`);
      this.#release = this.#parts.reserve(pool);
      if (this.#release === null) {
        throw new PgplexError("server_unreachable", "max_db_connections or max_user_connections is reached");
      }
      connection = await login({
        endpoint: pool.key.node,
        tls,
        user: pool.key.user,
        database: pool.key.database,
        credentials: pool.credentials,
        params: new Map([["client_encoding", this.encoding], ["application_name", "pgplex listener"]]),
        base: "",
        timeoutMs: pool.settings.server_connect_timeout,
      }, parts);
      const link = this.#attach(connection);
      await this.#answered(link.run(SETTINGS));
      // While it is opened sessions come and go.
      const names = () => [this.marker, ...this.channels.names()];
      await this.#answered(link.run(listenSql(names())));
      if (this.#isClosed || this.#link !== link) {
        throw new PgplexError("server_lost", "the listener was closed while it was opened");
      }
    } catch (thrown) {
      connection?.close();
      this.#ended();
      if (this.#isClosed) return;
      this.#state = "down";
      this.#failures++;
      const error = toPgplexError(thrown, "server_unreachable");
      log.warning("cannot open a shared listener", { ...this.#fields(), error: error.message });
      this.#retry();
      this.#wakeWaiting();
      return;
    }
    this.#state = "up";
    this.#failures = 0;
    this.#listened = Promise.resolve();
    this.sinceMs = clock.nowMs();
    log.info("shared listener opened", { ...this.#fields(), channels: this.channels.size });
    this.#wakeWaiting();
    this.#warn();
    const wishing = [...this.#wishing];
    this.#wishing.clear();
    for (const member of wishing) member.listenerUp();
  }

  get #isClosed(): boolean {
    return this.#state === "closed";
  }

  #attach(connection: ServerConnection): ListenerConnection {
    const link = new ListenerConnection(connection, {
      notified: (notification, message) => this.#notified(notification, message),
      received: () => this.#deliver(),
      trouble: (error) => {
        this.#parts.log.warning("a shared listener could not take a notification", {
          ...this.#fields(),
          error: error.message,
        });
        for (const member of this.channels.members()) member.lost();
        this.#warn();
      },
      ended: (error) => this.#linkEnded(link, error),
    });
    this.#link = link;
    void connection.start();
    return link;
  }

  #notified(notification: Notification, message: Uint8Array): void {
    // The gap of a listener that is made again ends for all of its sessions at once, when it is up.
    if (!this.up) return;
    const { channel, payload } = notification;
    if (channel === this.marker) {
      const serial = Number(payload);
      this.#awaited.delete(serial);
      const member = this.channels.takeMarker(serial);
      if (member === null) return;
      member.subscription.sharedMarker(serial);
      member.sharedCut(serial);
      this.#touched.add(member);
      return;
    }
    for (const member of this.channels.of(channel)) {
      if (!member.subscription.concerns(channel)) continue;
      member.notified(notification, message);
      this.#touched.add(member);
    }
  }

  #deliver(): void {
    if (this.#touched.size === 0) return;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const member of touched) member.deliver();
  }

  #linkEnded(link: ListenerConnection, error: PgplexError): void {
    if (this.#link !== link) return;
    const wasUp = this.up;
    for (const member of this.channels.members()) member.lost();
    if (!wasUp) return this.#ended(); // whoever opens it hears of it too
    this.#state = "down";
    this.#ended();
    this.sinceMs = this.#parts.login.clock.nowMs();
    this.#parts.log.warning("shared listener lost", {
      ...this.#fields(),
      channels: this.channels.size,
      error: error.message,
    });
    this.#retry();
  }

  /** Nothing comes from the connection any more. */
  #ended(): void {
    this.#link = null;
    this.#release?.();
    this.#release = null;
    this.#watching?.cancel();
    this.#watching = null;
    this.#awaited.clear();
    this.channels.forgetMarkers();
    for (const member of this.channels.members()) {
      member.subscription.sharedLost();
      member.sharedCut(null);
    }
    this.#deliver();
  }

  /** The first attempt comes at once, as each moment may cost a notification; the next ones by and by. */
  #retry(): void {
    const { server_login_retry: retryMs } = this.pool.settings;
    const delayMs = this.#failures === 0 ? 0 : Math.min(RETRY_MAX_MS, retryMs * 2 ** (this.#failures - 1));
    this.#timer = this.#parts.login.clock.after(delayMs, () => {
      this.#timer = null;
      if (this.#state === "down" && (this.channels.size > 0 || this.#wishing.size > 0)) void this.#open();
    });
  }

  #warn(): void {
    for (const member of [...this.channels.members()]) member.warn();
  }

  #wakeWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** An answer that the listener owes. */
  async #answered(answer: Promise<void>): Promise<void> {
    this.#commands++;
    this.#watch();
    try {
      await answer;
    } finally {
      this.#commands--;
    }
  }

  /** While something is owed the connection may not fall silent. */
  #watch(): void {
    const link = this.#link;
    if (this.#watching !== null || link === null) return;
    const before = link.connection.received;
    this.#watching = this.#parts.login.clock.after(SILENCE_MAX_MS, () => {
      this.#watching = null;
      if (this.#link !== link || (this.#commands === 0 && this.#awaited.size === 0)) return;
      if (link.connection.received === before) link.connection.close();
      else this.#watch();
    });
  }

  #fields(): Record<string, string> {
    const { cluster, node, database, user } = this.pool.key;
    return { cluster, node: node.name, database, user };
  }
}
