import type { Runtime, ServerConnection } from "../backend/mod.ts";
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
import type { ListenerChannels } from "./listener_channels.ts";
import { LISTENER_SETTINGS, ListenerConnection, loginListener } from "./listener_connection.ts";
import { type ListenerMember, ListenerMembers } from "./listener_members.ts";
import type { Destination } from "../servers/mod.ts";
import { type NodeAddress, sameNode } from "../topology/mod.ts";
import { SilenceWatch } from "./silence_watch.ts";

/** The longest wait between two attempts to make a lost listener again. */
const RETRY_MAX_MS = 30_000;

/** Whoever waits for a listener to be opened waits no longer than this. */
const READY_MAX_MS = 1000;

const NOTHING: ReadonlySet<BinaryString> = new Set();

/** Whether a shared listener listens: not yet or not any more, soon, yes, never again. */
export type ListenerState = "down" | "opening" | "up" | "closed";

/** What a shared listener needs of its surroundings. */
export interface SharedListenerParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly marker: BinaryString;
  readonly encoding: BinaryString;
  /** The cluster's; null when it is gone. */
  readonly tls: () => ClusterTls | null;
  /** Counts one server connection more, or null where there may be none. @returns what counts it off again */
  readonly reserve: (destination: Destination) => (() => void) | null;
  /** Unique in the worker. */
  readonly nextSerial: () => number;
}

/**
 * The one connection that listens for all sessions of a (cluster, database, user, client_encoding). It is opened when it is
 * needed, at the node where leases begin; made again when it was lost, or that is another node; and lent to nobody.
 *
 * Besides the sessions' channels it listens to an internal *marker* channel, by which {@link "./subscription.ts"} cuts.
 */
export class SharedListener {
  readonly encoding: BinaryString;
  /** Channel of the markers; random, so that nobody comes upon it. */
  readonly marker: BinaryString;
  readonly #parts: SharedListenerParts;
  readonly #members = new ListenerMembers();
  readonly #watch: SilenceWatch;
  /** The destination whose credentials and settings hold: the latest that asked. */
  #destination: Destination;
  /** Where it is connected, or was last, or is about to be. */
  #node: NodeAddress | null = null;
  #sinceMs: number;
  #state: ListenerState = "down";
  #link: ListenerConnection | null = null;
  #release: (() => void) | null = null;
  /** The answer to the last LISTEN that was sent. */
  #listened: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];
  #failures = 0;
  #timer: Timer | null = null;
  #idleSinceMs = -1;

  constructor(destination: Destination, parts: SharedListenerParts) {
    this.#destination = destination;
    this.#parts = parts;
    this.encoding = parts.encoding;
    this.marker = parts.marker;
    this.#sinceMs = parts.runtime.clock.nowMs();
    this.#watch = new SilenceWatch(parts.runtime.clock);
  }

  /** Whether it listens. */
  get up(): boolean {
    return this.#state === "up";
  }

  get destination(): Destination {
    return this.#destination;
  }

  /** Sessions of `destination` need it: its credentials and settings hold from now on. */
  asked(destination: Destination): void {
    this.#destination = destination;
  }

  /** The node that it is, or was last, connected to; null before the first. */
  get node(): NodeAddress | null {
    return this.#node;
  }

  /** Clock milliseconds of when it was opened, or lost. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  get state(): ListenerState {
    return this.#state;
  }

  /** Who listens to what. */
  get channels(): ListenerChannels<ListenerMember> {
    return this.#members.channels;
  }

  /** The server's process id, or null. */
  get pid(): number | null {
    return this.#link?.connection.identity.key?.pid ?? null;
  }

  /** The connection that listens; null while there is none. */
  get connection(): ServerConnection | null {
    return this.#link?.connection ?? null;
  }

  /** Whether no session needs it at the moment. */
  get unused(): boolean {
    return !this.#members.needed && this.#state !== "opening";
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
        const timer = this.#parts.runtime.clock.after(READY_MAX_MS, resolve);
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
    this.#members.wish(member);
  }

  /** Makes sure that `channels` are listened to, for `member` too. Whether they are; if not, `member` has none of them. */
  async listen(member: ListenerMember, channels: ReadonlySet<BinaryString>): Promise<boolean> {
    const link = this.#link;
    if (!this.up || link === null) return false;
    const before = new Set(member.subscription.channels);
    const fresh = this.channels.add(member, channels);
    if (fresh.length > 0) this.#listened = this.#watch.answered(link.run(listenSql(fresh)));
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
    this.#members.leave(member);
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
    this.#watch.answered(link.run(`NOTIFY ${quoteChannel(this.marker)}, '${serial}'`)).catch(() =>
      link.connection.close()
    );
  }

  /** Marker `serial`, which is expected, is committed: it has to come soon. */
  await(serial: number): void {
    if (this.up) this.#watch.await(serial);
  }

  /** Marker `serial` is not expected any more. */
  unexpect(serial: number): void {
    this.#watch.forget(serial);
    this.channels.takeMarker(serial);
  }

  /** Time passes. Whether nobody has needed the listener for so long that it is to be closed. */
  bored(nowMs: number): boolean {
    if (!this.unused) {
      this.#idleSinceMs = -1;
      return false;
    }
    if (this.#idleSinceMs < 0) this.#idleSinceMs = nowMs;
    const { server_idle_timeout: idleMs } = this.#destination.settings;
    return !this.up || (idleMs > 0 && nowMs - this.#idleSinceMs >= idleMs);
  }

  /** Ends it; sessions that listened here hear `error`. */
  close(error: PgplexError): void {
    if (this.#state === "closed") return;
    const members = this.#members.all();
    this.#state = "closed";
    this.#timer?.cancel();
    this.#timer = null;
    this.#link?.connection.close();
    this.#ended();
    for (const member of members) member.listenerGone(error);
  }

  async #open(): Promise<void> {
    const { runtime: { clock }, log } = this.#parts;
    this.#state = "opening";
    let connection: ServerConnection | null = null;
    try {
      connection = await this.#login();
      const link = this.#attach(connection);
      await this.#watch.answered(link.run(LISTENER_SETTINGS));
      // While it is opened sessions come and go.
      await this.#watch.answered(link.run(listenSql([this.marker, ...this.channels.names()])));
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
    this.#sinceMs = clock.nowMs();
    log.info("shared listener opened", { ...this.#fields(), channels: this.channels.size });
    this.#wakeWaiting();
    this.#members.up();
    this.topologyChanged(); // what was in force when it was opened may not be any more
  }

  /** @throws PgplexError when there is no connection to be had */
  #login(): Promise<ServerConnection> {
    const destination = this.#destination;
    const tls = this.#parts.tls();
    if (tls === null) throw new PgplexError("config_changed", `cluster "${destination.key.cluster}" is gone`);
    const { routed } = destination;
    if (routed.kind === "error") throw routed.error;
    if (routed.kind === "wait") throw new PgplexError("server_unreachable", routed.reason);
    this.#node = routed.node;
    this.#release = this.#parts.reserve(destination);
    if (this.#release === null) {
      throw new PgplexError("server_unreachable", "max_db_connections or max_user_connections is reached");
    }
    return loginListener(destination, routed.node, {
      tls,
      encoding: this.encoding,
      parts: this.#parts.runtime,
    });
  }

  /** Another snapshot of the nodes is in force. */
  topologyChanged(): void {
    const { routed } = this.#destination;
    if (routed.kind !== "node") return;
    if (this.#link !== null && this.#node !== null && !sameNode(this.#node, routed.node)) {
      this.#link.connection.close(); // it is made again at once, where it belongs now
    } else if (this.#timer !== null && this.#state === "down") {
      this.#failures = 0;
      this.#timer.cancel();
      this.#retry();
    }
  }

  get #isClosed(): boolean {
    return this.#state === "closed";
  }

  #attach(connection: ServerConnection): ListenerConnection {
    const link = new ListenerConnection(connection, {
      notified: (notification, message) => this.#notified(notification, message),
      received: () => this.#members.deliver(),
      trouble: (error) => {
        this.#parts.log.warning("a shared listener could not take a notification", {
          ...this.#fields(),
          error: error.message,
        });
        this.#members.lost();
        this.#members.warn();
      },
      ended: (error) => this.#linkEnded(link, error),
    });
    this.#link = link;
    this.#watch.begin(connection);
    void connection.start();
    return link;
  }

  #notified(notification: Notification, message: Uint8Array): void {
    // The gap of a listener that is made again ends for all of its sessions at once, when it is up.
    if (!this.up) return;
    if (notification.channel !== this.marker) return this.#members.notified(notification, message);
    const serial = Number(notification.payload);
    this.#watch.forget(serial);
    this.#members.marked(serial);
  }

  #linkEnded(link: ListenerConnection, error: PgplexError): void {
    if (this.#link !== link) return;
    const wasUp = this.up;
    this.#members.lost();
    if (!wasUp) return this.#ended(); // whoever opens it hears of it too
    this.#state = "down";
    this.#ended();
    this.#sinceMs = this.#parts.runtime.clock.nowMs();
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
    this.#watch.end();
    this.#members.ended();
  }

  /** The first attempt comes at once, as each moment may cost a notification; the next ones by and by. */
  #retry(): void {
    const { server_login_retry: retryMs } = this.#destination.settings;
    const delayMs = this.#failures === 0 ? 0 : Math.min(RETRY_MAX_MS, retryMs * 2 ** (this.#failures - 1));
    this.#timer = this.#parts.runtime.clock.after(delayMs, () => {
      this.#timer = null;
      if (this.#state === "down" && this.#members.needed) void this.#open();
    });
  }

  #wakeWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #fields(): Record<string, string> {
    const { cluster, database, user } = this.#destination.key;
    return { cluster, ...(this.#node === null ? {} : { node: this.#node.name }), database, user };
  }
}
