import type { Clock } from "../kernel/mod.ts";
import type { Lease } from "../lease/mod.ts";
import { type ClientScan, Need, type Relay } from "../relay/mod.ts";

import type { ServerWish } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import type { ServerSideHost } from "./server_side_parts.ts";
import type { WorkTime } from "./work_time.ts";

/** Where too many replies are awaited it is looked again behind this time, in milliseconds. */
const LOOK_AGAIN_MS = 5;

/** A node where a read was lost. */
type NodeAvoided = NonNullable<ServerWish["avoids"]> | null;

/** What sends again what was lost. */
export interface ReadAgainParts {
  readonly clock: Clock;
  readonly relay: Relay;
  readonly scan: Pick<ClientScan, "scan" | "need" | "blocked">;
  readonly out: Pick<Outbox, "flush">;
  readonly work: Pick<WorkTime, "asks" | "leased" | "sent">;
  /** The lease, and since when it is held, in clock milliseconds. */
  readonly side: { readonly lease: Pick<Lease, "obtain" | "error">; readonly sinceMs: number };
  readonly host: Pick<ServerSideHost, "ending" | "failPending">;
  /** Where it was lost. */
  readonly avoids: NodeAvoided;
}

/** What a session has read at a standby that was lost before it answered anything is sent once again, elsewhere. */
export class ReadAgain {
  /** Resolves when all was sent; never rejects. */
  readonly over: Promise<void>;
  /** Where it was lost: it goes elsewhere, if it can. */
  readonly avoids: NodeAvoided;
  readonly #parts: ReadAgainParts;

  /** `bytes`: whole messages of the client; `done` is called when all was sent, or answered. */
  constructor(parts: ReadAgainParts, bytes: Uint8Array, done: () => void) {
    this.#parts = parts;
    this.avoids = parts.avoids;
    parts.relay.reads.runsAgain = true;
    this.over = this.#run(bytes).then(done);
  }

  /** The lease that it waits for is told by itself. */
  stop(): void {}

  async #run(bytes: Uint8Array): Promise<void> {
    const { clock, relay, scan, out, work, host } = this.#parts;
    // The loss is dealt with first.
    await Promise.resolve();
    for (let at = 0; at < bytes.length && !host.ending;) {
      at = scan.scan(bytes, at, bytes.length);
      const { server } = relay;
      if (server !== null) {
        if (!server.owed.settled) work.sent();
        await server.out.flush();
      }
      await out.flush();
      if (at === bytes.length || host.ending) break;
      if (scan.need === Need.Lease) await this.#lease(bytes[at]!);
      else if (scan.blocked) await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve));
    }
    relay.reads.runsAgain = false;
  }

  async #lease(type: number): Promise<void> {
    const { work, side, host } = this.#parts;
    const { lease } = side;
    work.asks();
    await lease.obtain();
    work.leased(side.sinceMs);
    if (lease.error !== null && !host.ending) host.failPending(type, lease.error);
  }
}
