import type { PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Lease } from "../lease/mod.ts";
import type { Destination } from "../servers/mod.ts";

/** What {@link Leaving} asks of its session. */
export interface LeavingHost {
  /** Whether the client has nothing that runs or waits. */
  readonly idle: boolean;
  /** Whether the session can be ended without harm: it may be in the middle of a message that was not run. */
  readonly endable: boolean;
  readonly ending: boolean;
  /** A reload took away where the session goes, or the node of the server connection that it keeps; null: it did not. */
  readonly gone: PgplexError | null;
  end(error: PgplexError): void;
}

/**
 * When a session ends that nobody wants any more: at once where that does no harm, and else behind the transaction that runs,
 * before its client can begin another one.
 */
export class Leaving {
  readonly #host: LeavingHost;
  /** Why it is to end, whatever it is connected to; null: nobody has said so. */
  #because: PgplexError | null = null;
  /** Whether the end of a transaction is waited for. */
  #waits = false;

  constructor(host: LeavingHost) {
    this.#host = host;
  }

  /** The session is to end, as pgplex does. */
  begin(error: PgplexError): void {
    this.#because ??= error;
    if (this.#host.endable) this.#host.end(error);
    else this.#waits = true;
  }

  /** Ends a session that has nowhere to go any more. @returns whether it has ended */
  lookIfGone(): boolean {
    const { gone, idle } = this.#host;
    if (gone === null) return false;
    if (idle) this.#host.end(gone);
    else this.#waits = true;
    return this.#host.ending;
  }

  /** A transaction has ended. */
  rested(): void {
    // Whoever says so is still at work with the session.
    if (this.#waits) void Promise.resolve().then(() => this.#look());
  }

  #look(): void {
    if (this.#because !== null) this.begin(this.#because);
    else this.lookIfGone();
  }
}

/** What {@link whyGone} asks of a session. */
export interface LeavingSession {
  readonly destination: Pick<Destination, "closed">;
  /** Whether no other session ever gets its server connection before it ends. */
  readonly keepsServer: boolean;
  readonly poolSettings: Pick<PoolSettings, "server_fast_close">;
}

/**
 * Why a session has nowhere to go any more: a reload took its destination away, or the node of the server connection that it keeps; or,
 * in session pooling with `server_fast_close`, another connection is to take the place of its own. Null: it goes on.
 */
export function whyGone(
  { destination, keepsServer, poolSettings }: LeavingSession,
  lease: Pick<Lease, "probing" | "unread" | "home" | "replaced">,
): PgplexError | null {
  const keeps = lease.probing || lease.unread ? null : lease.home; // those may be given back in a moment
  const gone = destination.closed ?? keeps?.pool.closed ?? null;
  if (gone !== null || !keepsServer || !poolSettings.server_fast_close || !lease.replaced) return gone;
  return new PgplexError("config_changed", "terminating connection: its server connection is replaced");
}
