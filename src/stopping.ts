import type { Config } from "./config/mod.ts";
import { type Clock, PgplexError } from "./kernel/mod.ts";
import type { ListeningSockets } from "./listener/mod.ts";
import type { Log } from "./telemetry/mod.ts";
import type { Worker } from "./worker.ts";

/**
 * Whom a drain waits for: clients, until they have left by themselves; transactions, those that run and those that wait for a server
 * connection; or servers, so that whoever waits for one is ended, and in session pooling sessions that have one go on, as by
 * PgBouncer.
 */
export type DrainGoal = "clients" | "transactions" | "servers";

/** What a service manager, a terminal or an operator stops a process by. */
export type StopSignal = "SIGTERM" | "SIGINT" | "SIGQUIT";

/** How often a drain is looked at. */
const LOOK_EVERY_MS = 100;

/** The same signal within this time is one. */
const SAME_SIGNAL_MS = 100;

/** For how long one that gives way to another process serves as before. A handshake whose packet was lost is tried again after 1 s. */
const HAND_OVER_MS = 2_000;

/** What a process is to its {@link Stopping}. */
export interface StoppingParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly config: () => Config;
  readonly worker: Worker;
  readonly sockets: ListeningSockets;
  /** Another process has the new clients. */
  readonly handOver: () => Promise<void>;
  /** Ends everything at once. */
  readonly stop: () => Promise<void>;
  readonly stopped: () => boolean;
}

/** How a process comes to its end: at once, or when what it waits for is over. */
export class Stopping {
  readonly #parts: StoppingParts;
  #drained: Promise<void> | null = null;
  /** When a drain stops to wait for running transactions, in clock milliseconds; Infinity while it waits for clients. */
  #untilMs = Infinity;
  /** Servers are waited for. */
  #forServers = false;
  /** The last signal to stop, and when it came. */
  #signal: StopSignal | null = null;
  #signalledMs = -Infinity;

  constructor(parts: StoppingParts) {
    this.#parts = parts;
  }

  /**
   * No new clients, but for the console over the unix socket. Waiting for transactions or servers: no new transactions either;
   * resolves when the running ones have ended, or after `shutdown_timeout`. Waiting for clients: resolves when all have left by
   * themselves, however long that takes, unless it is called again to wait for less.
   */
  drain(waitFor: DrainGoal): Promise<void> {
    const { clock, log, worker, config } = this.#parts;
    const begins = waitFor === "clients" ? this.#drained === null : this.#untilMs === Infinity;
    if (begins) log.info("draining", { clients: worker.sessions.size, wait_for: waitFor });
    worker.willStop();
    if (waitFor === "servers") this.#forServers = true;
    if (begins && waitFor !== "clients") this.#untilMs = clock.nowMs() + config().shutdown_timeout;
    return this.#drained ??= this.#drain();
  }

  /**
   * Stops as a signal asks for it. SIGTERM drains, as `shutdown_wait_for` says. SIGINT waits for servers, as PgBouncer's safe stop
   * does; another one stops at once, as does one that comes while transactions are waited for. SIGQUIT stops at once.
   */
  by(signal: StopSignal): Promise<void> {
    const { clock, log, config, stop } = this.#parts;
    const nowMs = clock.nowMs();
    const { shutdown_wait_for: waitFor } = config();
    const waits = signal === "SIGTERM"
      ? waitFor === "clients" && this.#drained !== null
      : this.#untilMs < Infinity;
    // One key press at a terminal reaches the whole group of processes, and may be passed on by those that started this one.
    const again = waits && (this.#signal !== signal || nowMs - this.#signalledMs >= SAME_SIGNAL_MS);
    this.#signal = signal;
    this.#signalledMs = nowMs;
    if (signal === "SIGQUIT" || again) {
      log.info("stopping at once", { signal });
      return stop();
    }
    const drained = this.drain(signal === "SIGTERM" ? waitFor : "servers");
    if (signal === "SIGINT") {
      log.info(
        "SIGINT waits for transactions to end, and for sessions in session pooling; another one stops at once",
      );
    }
    return drained;
  }

  async #drain(): Promise<void> {
    const { clock, log, worker, sockets, handOver, stop, stopped } = this.#parts;
    const gaveWay = await sockets.giveWay();
    if (gaveWay) {
      log.info("another pgplex listens here too and takes the new clients");
      await handOver();
      // Whoever is on the way still comes in, and has time for a first transaction.
      await new Promise<void>((resolve) => clock.after(HAND_OVER_MS, resolve));
    }
    worker.drain();
    if (gaveWay) sockets.close();
    else sockets.closeTcp();
    while (!stopped()) {
      if (this.#untilMs < Infinity) worker.endAtRest(shuttingDown(), { servers: this.#forServers });
      if (worker.sessions.size === 0 || clock.nowMs() >= this.#untilMs) break;
      await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve));
    }
    await stop();
  }
}

/** What a client hears whose session ends with the process. */
export function shuttingDown(): PgplexError {
  return new PgplexError("shutting_down", "terminating connection due to administrator command");
}
