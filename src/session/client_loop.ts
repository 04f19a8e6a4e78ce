import type { Clock, PgplexError } from "../kernel/mod.ts";
import type { Lease } from "../lease/mod.ts";
import { type ClientScan, Need, type Relay } from "../relay/mod.ts";
import type { PoolControl } from "../servers/mod.ts";
import type { ClientBuffer } from "./client_buffer.ts";
import { Presence, type PresenceOut } from "./presence.ts";
import { saysRollback, takesBack } from "./takes_back.ts";
import type { TimeLimits } from "./time_limits.ts";
import { isTorn } from "./torn.ts";
import type { WorkTime } from "./work_time.ts";

/** Full buffers that one client may send in a row before others get their turn. */
const FULL_READS_PER_TURN = 16;

/** What the loop works with. */
export interface ClientLoopParts {
  readonly clock: Clock;
  readonly control: Pick<PoolControl, "mode" | "onResumed">;
  readonly input: ClientBuffer;
  readonly out: PresenceOut;
  readonly relay: Relay;
  readonly scan: ClientScan;
  readonly lease: Pick<Lease, "obtain" | "error" | "failure" | "held">;
  readonly times: Pick<TimeLimits, "cancelling">;
  readonly work: Pick<WorkTime, "sent" | "asks" | "leased">;
}

/** What the loop asks of its session, and tells it. */
export interface ClientLoopHost {
  /** Whether the session is over. */
  readonly ending: boolean;
  /** What became of a COMMIT is being found out: until then nothing is taken. */
  readonly inDoubt: Promise<void> | null;
  /** Whether the client was greeted: before that nothing can be said to it. */
  readonly greeted: boolean;
  /** When the last lease began; clock milliseconds. */
  readonly sinceMs: number;
  /** So many bytes came from the client. */
  came(bytes: number): void;
  /** Looks whether the lease ends here. */
  settle(): void;
  /** No server can be had for the message at hand, of this type. @throws PgplexError that ends the session */
  failPending(type: number, error: PgplexError): void;
  /** Puts something in front of the client that changes nothing for it; see {@link Presence}. */
  sayNothing(): void;
  /** The client is gone. */
  left(): void;
  /** Resolves when the event loop has looked at its sockets once more. */
  turn(): Promise<void>;
}

/**
 * The client's side of a session: reads what the client sends, hands it to the scan, and waits for what the scan needs: more
 * bytes, a lease, or replies.
 *
 * Invariant: behind the greeting only this loop begins leases.
 */
export class ClientLoop {
  readonly #clock: Clock;
  readonly #control: ClientLoopParts["control"];
  readonly #input: ClientBuffer;
  readonly #out: PresenceOut;
  readonly #relay: Relay;
  readonly #scan: ClientScan;
  readonly #lease: ClientLoopParts["lease"];
  readonly #times: ClientLoopParts["times"];
  readonly #work: ClientLoopParts["work"];
  readonly #host: ClientLoopHost;
  /** Of a client that sends no more. */
  #presence: Presence | null = null;
  /** The client sends no more, and was seen to be gone. */
  #gone = false;
  #wake: (() => void) | null = null;

  constructor(parts: ClientLoopParts, host: ClientLoopHost) {
    this.#clock = parts.clock;
    this.#control = parts.control;
    this.#input = parts.input;
    this.#out = parts.out;
    this.#relay = parts.relay;
    this.#scan = parts.scan;
    this.#lease = parts.lease;
    this.#times = parts.times;
    this.#work = parts.work;
    this.#host = host;
  }

  /** Whether the client is between two messages, and nothing that it sent is left to be taken. */
  get rests(): boolean {
    return this.#scan.atMessageStart && this.#input.empty;
  }

  /** Whether the loop waits for {@link wake}. */
  get sleeps(): boolean {
    return this.#wake !== null;
  }

  /** What the loop may wait for has come: replies, or the session's end. */
  wake(): void {
    this.#wake?.();
  }

  /** Serves the client until it, or the session, ends. */
  async serve(): Promise<void> {
    const [control, input, out] = [this.#control, this.#input, this.#out];
    const [lease, relay, scan] = [this.#lease, this.#relay, this.#scan];
    const [times, work, host] = [this.#times, this.#work, this.#host];
    let fullReads = 0;
    while (!host.ending) {
      if (control.mode === "suspended") await this.passSuspension();
      const waitsFor = times.cancelling ?? host.inDoubt;
      if (waitsFor !== null) {
        await waitsFor;
        continue;
      }
      if (!input.empty) {
        input.start = scan.scan(input.bytes, input.start, input.end);
        const server = relay.server;
        if (server !== null) {
          if (!server.owed.settled) work.sent();
          const written = server.out.flushSoon();
          if (written !== null) await written;
        }
        const answered = out.flush();
        if (answered !== null) await answered;
        if (scan.need !== Need.Bytes) {
          if (scan.need === Need.End) return await this.#lastReplies();
          if (scan.need === Need.Lease) {
            if (
              lease.failure?.code === "state_lost" && saysRollback(input.bytes, input.start, input.end)
            ) {
              // Nothing is open: it needs no server, and what was lost is told with what comes behind.
              scan.serverLost({ inTransaction: true, skipping: false, untold: null });
              continue;
            }
            const obtained = lease.obtain();
            if (obtained !== null) {
              work.asks();
              await obtained;
            }
            work.leased(host.sinceMs);
            // Without the BEGIN that waited in vain, what stands behind it would be committed.
            if (this.#gone && !lease.held) return;
            // What takes back what was lost needs no server that agrees.
            if (lease.error?.code === "settings_lost" && takesBack(input.bytes, input.start, input.end)) {
              continue;
            }
            if (lease.error !== null && !host.ending) {
              host.failPending(input.bytes[input.start]!, lease.error);
            }
          } else if (scan.blocked) await this.#replies();
          continue;
        }
        // A boundary may have been reached by what the client sent: the end of COPY data that nobody wanted.
        if (relay.progress.boundary) host.settle();
      }
      if (host.ending) return;
      const n = await input.read(scan.wanted);
      if (n === 0) {
        this.#clientEnds();
        return await this.#lastReplies();
      }
      input.took(n);
      host.came(n);
      fullReads = input.full ? fullReads + 1 : 0;
      if (fullReads >= FULL_READS_PER_TURN) {
        fullReads = 0;
        await host.turn();
      }
    }
  }

  /** While clients are suspended they are read no further. */
  async passSuspension(): Promise<void> {
    const control = this.#control;
    while (control.mode === "suspended" && !this.#host.ending) {
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
  watch(): void {
    const ahead = this.#input.readAhead();
    if (ahead === null) return;
    ahead.then((n) => n === 0 && this.#clientEnds(), () => this.#left());
  }

  /** Nothing is read from here on, and nobody is looked for. */
  close(): void {
    this.#presence?.close();
  }

  /** Waits until the server has answered something. */
  async #replies(): Promise<void> {
    await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = null;
  }

  /** What the client sent before it ended its side is done, and answered, as a server would; unless it is gone. */
  async #lastReplies(): Promise<void> {
    while (!this.#host.ending && !this.#gone && this.#owesLast) await this.#replies();
  }

  /** Whether the server will answer something, though the client sends no more. */
  get #owesLast(): boolean {
    if (this.#host.inDoubt !== null) return true;
    const { server } = this.#relay;
    // A batch without its Sync is not waited for: the server keeps its replies, and drops it at the end.
    if (server === null || server.owed.copyIn || server.owed.readies === 0) return false;
    return !isTorn(this.#relay, server) || server.owed.readies > 1;
  }

  /** The client sends no more. It may be gone. */
  #clientEnds(): void {
    if (!this.#host.greeted) return this.#left();
    this.#presence ??= new Presence(this.#clock, this.#out, {
      sayNothing: () => this.#host.sayNothing(),
      left: () => this.#left(),
    });
    this.#presence.watch();
  }

  #left(): void {
    this.#gone = true;
    this.#host.left();
    this.wake();
  }
}
