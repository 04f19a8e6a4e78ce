import { parseHostPort } from "../config/mod.ts";
import type { Clock } from "../kernel/mod.ts";
import { encodeCancel } from "../protocol/mod.ts";
import { instanceOfPid } from "../session/mod.ts";
import { type ByteStream, type Network, writeAll } from "../transport/mod.ts";

/** Another instance, as far as cancel requests care. */
export interface CancelPeer {
  readonly id: number;
  /** `host:port`; null: it cannot be reached. */
  readonly address: string | null;
}

/** What it needs. */
export interface CancelRelayParts {
  readonly instance: number;
  readonly clock: Clock;
  readonly network: Pick<Network, "connect">;
  /** The other instances that are there. */
  readonly peers: () => readonly CancelPeer[];
}

/** Requests on their way at a time; more are dropped, as whoever floods knows no key. */
const ON_THEIR_WAY = 64;

/** How long one may take, in milliseconds. */
const TIMEOUT_MS = 5_000;

/**
 * Passes cancel requests on to the instance whose key they carry: a balancer in front of several instances sends them anywhere.
 *
 * A key's process id says whose it is; one of a server process (session pooling) does not, and all are asked. What is passed on is marked,
 * and nobody passes it on again. It goes nowhere but to the instances that the store names, and without a reply.
 */
export class CancelRelay {
  readonly #parts: CancelRelayParts;
  #onTheirWay = 0;

  constructor(parts: CancelRelayParts) {
    this.#parts = parts;
  }

  /** Resolves, never rejects, when the instances that may know the key have dealt with it, or in time. */
  async pass(pid: number, secret: Uint8Array): Promise<void> {
    const { instance, peers } = this.#parts;
    const owner = instanceOfPid(pid);
    if (owner === instance) return;
    const asked = peers().filter(({ id, address }) =>
      id !== instance && address !== null && (owner === null || owner === id)
    );
    await Promise.all(asked.map(({ address }) => this.#send(address!, encodeCancel(pid, secret, true))));
  }

  async #send(address: string, packet: Uint8Array): Promise<void> {
    const endpoint = parseHostPort(address);
    if (endpoint === null || this.#onTheirWay >= ON_THEIR_WAY) return;
    this.#onTheirWay++;
    const { clock, network } = this.#parts;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(TIMEOUT_MS, () => late.resolve());
    let stream: ByteStream | null = null;
    try {
      stream = await network.connect(endpoint, clock, TIMEOUT_MS);
      await Promise.race([late.promise, this.#exchange(stream, packet)]);
    } catch {
      // As PostgreSQL: whoever cancels hears nothing of how it went.
    } finally {
      timer.cancel();
      stream?.close();
      this.#onTheirWay--;
    }
  }

  /** The other end closes when nothing that comes later can be hit. */
  async #exchange(stream: ByteStream, packet: Uint8Array): Promise<void> {
    await writeAll(stream, packet);
    await stream.read(new Uint8Array(1));
  }
}
