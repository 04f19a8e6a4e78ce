import type { ServerConnection, ServerSink } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import type { Recall } from "../pool/mod.ts";
import type { ServerWish } from "../servers/mod.ts";
import type { ProbeResult, ProbeWish } from "./probe.ts";
import type { LostSetting } from "./restore.ts";

/** What a session is to a lease: it wishes, and it takes what the server sends. */
export interface LeaseHolder extends ServerWish, ServerSink {
  /**
   * Null where settings cannot be restored in front of the message for which it wants a lease. Else the custom setting that this message
   * sets, and does nothing else; empty for none.
   */
  readonly takesAhead: string | null;
  /** How long it waits for a connection, in milliseconds; 0: for ever. */
  readonly queryWaitTimeoutMs: number;
  /** The lease has begun, or goes on after a probe: the connection's state is the session's. */
  leaseBegins(server: ServerConnection, nowMs: number): void;
  /** A probe found this on the connection; what was leased before is the session's state from now on. */
  stateFound(server: ServerConnection, found: ProbeResult): Promise<void>;
  /** What the session may have set since it was last looked at, or before. */
  readonly maySet: ProbeWish;
  /** A notification came while the connection was probed. */
  notified(server: ServerConnection, message: Uint8Array): void;
  /** Since when the session is at rest, in clock milliseconds, if it is. */
  readonly restsSinceMs: number;
  /** Gives the connection back, or has it {@link "./lease.ts" Lease.probe probed}, where the session is at rest. */
  look(): Recall;
  /** The connection could not be looked at: the lease goes on as it was. */
  leaseGoesOn(server: ServerConnection): void;
  /** Settings that no server takes any more: the session is without them, as `server` is, or goes back to what it had before. What it hears. */
  settingsLost(server: ServerConnection, lost: readonly LostSetting[]): PgplexError;
  /** The connection was lost, or closed, before anybody knew what the session did to it. */
  stateLost(error: PgplexError): void;
}
