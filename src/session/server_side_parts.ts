import type { PoolSettings } from "../config/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import type { Pins } from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { SessionOptions } from "../options/mod.ts";
import type { ClientScan, Relay, Steering, ToldSettings } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { TimeLimits } from "./time_limits.ts";
import type { WorkTime } from "./work_time.ts";

/** What the server's side works with. */
export interface ServerSideParts {
  readonly facts: SessionFacts;
  readonly destination: Destination;
  readonly options: SessionOptions;
  readonly relay: Relay;
  readonly out: Outbox;
  readonly told: ToldSettings;
  readonly clientScan: Pick<
    ClientScan,
    "alreadySo" | "serverLost" | "takesAhead" | "scan" | "need" | "blocked"
  >;
  readonly steering: Steering;
  readonly pins: Pins;
  readonly times: TimeLimits;
  readonly work: WorkTime;
  readonly listening: Listening;
}

/** What the server's side asks of its session, and tells it. */
export interface ServerSideHost {
  /** The pool's settings with what the client set over them. */
  readonly limits: PoolSettings;
  readonly ending: boolean;
  /** The process id that the client knows as its own. */
  readonly pid: number;
  /** CancelRequests on their way to the server: none of them may meet another session's statement. */
  readonly cancelCount: number;
  /** Why the session cannot take this value of an option, or null. */
  refusal(change: { readonly name: string; readonly value: unknown }): PgplexError | null;
  /** No server could be had for the message of this type. */
  failPending(type: number, error: PgplexError): void;
  /** Replies came. */
  answered(): void;
  /** A transaction has ended, and what comes of it is about to be done. */
  rested(): void;
  /** The server has said for itself that it ends the connection. */
  serverSaid(): void;
  /** A transaction is left open, which this session may not do. */
  blockBegun(): void;
  /** The server connection is over while it was leased, and the session with it. */
  lost(error: PgplexError): void;
  /** The server connection was lost before anybody knew what the session did to it. */
  stateLost(error: PgplexError): void;
}
