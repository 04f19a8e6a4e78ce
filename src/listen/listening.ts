import type { ServerConnection } from "../backend/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { Listeners } from "./listeners.ts";
import { type ChannelsHost, SessionChannels } from "./session_channels.ts";
import type { StateWatch } from "../learning/mod.ts";

/** The session that may come to listen. */
export interface ListeningHost {
  /** Asked for with the first LISTEN. */
  channelsHost(): ChannelsHost;
}

/**
 * What a session has to do with LISTEN: nothing until it is first found to listen, then its {@link SessionChannels}. In session
 * pooling it stays at that: the server connection tells the client by itself.
 */
export class Listening {
  readonly #listeners: Listeners;
  readonly #host: ListeningHost;
  #own: SessionChannels | null = null;
  /** What the server connection listens to has been seen in this lease. */
  #seen = false;
  #closed = false;

  constructor(listeners: Listeners, host: ListeningHost) {
    this.#listeners = listeners;
    this.#host = host;
  }

  /** Channels to which a shared listener listens for the session. */
  get channels(): Iterable<BinaryString> {
    return this.#own?.channels ?? [];
  }

  /** Whether the end of this lease has to be looked at, whatever ran in it. */
  get suspicious(): boolean {
    return this.#own !== null && this.#own.suspicious;
  }

  /** Whether the session listens in another client_encoding than it has now: what comes would be in that. */
  isForeign(server: ServerConnection): boolean {
    return this.#own !== null && this.#own.isForeign(server);
  }

  /** Whether what the server says waits for the shared listener. */
  get holding(): boolean {
    return this.#own !== null && this.#own.holding;
  }

  /** While {@link holding}: resolves, never rejects, when everything is written. */
  flushHeld(): Promise<void> {
    return this.#own!.flushHeld();
  }

  /** Writes what waits for the client, unless it is busy. */
  deliver(): void {
    if (this.#own !== null) this.#own.deliver();
  }

  /** A lease of `server` begins, or goes on. */
  leased(server: ServerConnection): void {
    this.#seen = false;
    if (this.#own !== null) this.#own.leased(server);
  }

  /** The complete NotificationResponse at `at`, of the session's own server connection: whether the client gets it. */
  fromOwn(bytes: Uint8Array, at: number, end: number): boolean {
    return this.#own === null || this.#own.fromOwn(bytes, at, end);
  }

  /**
   * A probe found `channels` listened to on `server`: a shared listener takes them, where the session may go (`mayMove`).
   *
   * @returns whether the server connection listens to nothing any more
   */
  found(
    server: ServerConnection,
    channels: readonly BinaryString[],
    mayMove: boolean,
  ): boolean | Promise<boolean> {
    this.#seen = true;
    if (this.#own === null) {
      // The session may be over, and its last connection only looked at.
      if (channels.length === 0 || this.#closed) return channels.length === 0;
      const host = this.#host.channelsHost();
      this.#own = new SessionChannels(this.#listeners, host, server);
      host.relay.preamble.lendBy(this.#own);
    }
    return this.#own.settle(server, channels, mayMove);
  }

  /**
   * The server connection was lost before its state was known.
   *
   * @returns whether nobody knows what the session listens to: it would wait for ever for notifications that cannot come
   */
  lost({ ran }: StateWatch): boolean {
    this.#own?.ownLost();
    return !this.#seen && ran.some(({ traits }) => traits.listens !== null);
  }

  /** The session is over. */
  close(): void {
    this.#closed = true;
    this.#own?.close();
  }
}
