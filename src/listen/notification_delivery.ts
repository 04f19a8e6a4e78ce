import type { Outbox } from "../transport/mod.ts";
import { HeldBytes } from "./channel_lending.ts";
import type { NotificationQueue } from "./notification_queue.ts";
import type { Relay } from "../relay/mod.ts";

/** Written at once, at most, to a client that has much waiting. */
const DELIVERY_BYTES = 65_536;

/**
 * When what waits for a client is written to it: while it is idle, and where its server connection takes over from the shared
 * listener. What the server says then can be held until the shared listener has caught up.
 */
export class NotificationDelivery {
  readonly #queue: NotificationQueue;
  readonly #relay: Relay;
  readonly #out: Outbox;
  #held: HeldBytes | null = null;
  #released: PromiseWithResolvers<void> | null = null;
  #writing = false;

  constructor(queue: NotificationQueue, relay: Relay, out: Outbox) {
    this.#queue = queue;
    this.#relay = relay;
    this.#out = out;
  }

  /** Whether what the server says is held. */
  get holding(): boolean {
    return this.#held !== null;
  }

  /** Holds what the server says from here on; it stands between two messages. */
  hold(): void {
    if (this.#held !== null) return;
    this.#held = new HeldBytes();
    this.#released = Promise.withResolvers();
    this.#relay.client.divertTo(this.#held);
  }

  /** Gives what waits to the client, and behind it what was held. */
  release(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.#relay.client.straighten();
    this.putAll();
    held.release(this.#out);
    void this.#out.flush();
    this.#released!.resolve();
    this.#released = null;
  }

  /** Resolves, never rejects, when what was held is written. The server is read no further meanwhile. */
  async flushHeld(): Promise<void> {
    await this.#out.flush();
    await this.#released?.promise;
    await this.#out.flush();
  }

  /** Everything that waits stands before what the server says next. */
  putAll(): void {
    for (let next; (next = this.#queue.shift()) !== null;) this.#out.put(next);
  }

  /** Writes what waits, as far as the client takes it, unless it is busy: call it again at its next boundary. */
  deliver(): void {
    const out = this.#out;
    const queue = this.#queue;
    if (queue.length === 0 || this.#writing || this.#held !== null || !this.#relay.progress.quiet) return;
    let written = out.writing ? out.flush() : null;
    while (written === null && queue.length > 0) {
      let bytes = 0;
      for (let next; bytes < DELIVERY_BYTES && (next = queue.shift()) !== null;) {
        out.put(next);
        bytes += next.length;
      }
      // Null where the socket took all of it at once: nothing else would call for the rest.
      written = out.flush();
    }
    if (written === null || queue.length === 0) return;
    // A client that does not read yet: what waits for it is bounded.
    this.#writing = true;
    void written.then(() => {
      this.#writing = false;
      this.deliver();
    });
  }
}
