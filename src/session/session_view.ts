import type { ServerConnection, Settings, SqlStatement } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import type { Lease, PinReason, Pins } from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { SessionOptions } from "../options/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { PreparedNames, Relay } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { WorkTime } from "./work_time.ts";

/** The session that is looked at. */
export interface ViewedSession {
  readonly facts: SessionFacts;
  readonly destination: Destination;
  readonly options: SessionOptions;
  readonly settings: Settings | null;
  readonly server: ServerConnection | null;
  readonly waiting: boolean;
  readonly busy: boolean;
  readonly sinceMs: number;
  readonly cancelCount: number;
  readonly poolSettings: PoolSettings;
}

/** Parts of it that it shows to nobody else. */
interface ViewedParts {
  readonly lease: Lease;
  readonly relay: Relay;
  readonly pins: Pins;
  readonly work: WorkTime;
  readonly listening: Listening;
  readonly out: Outbox;
  readonly connectedMs: number;
}

/** What the console may see of a session, at the moment in which it looks. Nothing can be changed by it. */
export class SessionView {
  readonly #session: ViewedSession;
  readonly #parts: ViewedParts;

  constructor(session: ViewedSession, parts: ViewedParts) {
    this.#session = session;
    this.#parts = parts;
  }

  get facts(): SessionFacts {
    return this.#session.facts;
  }

  get destination(): Destination {
    return this.#session.destination;
  }

  get options(): SessionOptions {
    return this.#session.options;
  }

  get poolSettings(): PoolSettings {
    return this.#session.poolSettings;
  }

  /** What the client was last told of its settings; null until it is greeted. */
  get settings(): Settings | null {
    return this.#session.settings;
  }

  /** What holds of this session: as it began, or as an option says since. */
  get poolMode(): PoolSettings["pool_mode"] {
    const { facts, options } = this.#session;
    if (facts.mode === "session") return "session";
    return options.poolMode ?? (facts.statementsOnly ? "statement" : "transaction");
  }

  /** The server connection that is leased, or null. */
  get server(): ServerConnection | null {
    const { lease, relay } = this.#parts;
    return lease.unread && relay.progress.quiet ? null : this.#session.server;
  }

  /** The server connection that the session holds, also while pgplex looks at it, or has yet to, between two leases; or null. */
  get held(): ServerConnection | null {
    return this.#parts.lease.connection;
  }

  /** The node of the server connection that it holds, or of the one that it would get now; null where there is none. */
  get node(): string | null {
    return (this.#parts.lease.home ?? this.destination.pool)?.node.name ?? null;
  }

  /** Whether the session waits for a server connection, and since when, in clock milliseconds. */
  get waiting(): boolean {
    return this.#session.waiting;
  }
  get waitingSinceMs(): number {
    return this.#parts.lease.waitingSinceMs;
  }

  /** When the last lease began or ended, or pgplex answered something itself; clock milliseconds. */
  get sinceMs(): number {
    return this.#session.sinceMs;
  }

  get connectedMs(): number {
    return this.#parts.connectedMs;
  }

  /** When it last sent something on; clock milliseconds. */
  get requestMs(): number {
    return this.#parts.work.requestMs;
  }

  /** Why it keeps its server connection between transactions. */
  get pins(): readonly PinReason[] {
    return this.#parts.pins.reasons;
  }

  /** Since when it is pinned, in clock milliseconds, and the statement that did it, without its literals. */
  get pinned(): { readonly sinceMs: number; readonly statement: string | null } | null {
    return this.#parts.pins.pinned;
  }

  /** Prepared statements that the client has, by protocol and by SQL. */
  get preparedCount(): number {
    const { relay } = this.#parts;
    return relay.names.size + relay.sql.texts.size;
  }

  /** What they are called, by protocol. */
  get preparedNames(): PreparedNames {
    return this.#parts.relay.names;
  }

  /** Those that SQL made. */
  get sqlStatements(): ReadonlyMap<BinaryString, SqlStatement> {
    return this.#parts.relay.sql.texts;
  }

  /** Channels to which a shared listener listens for the session. */
  get channels(): Iterable<BinaryString> {
    return this.#parts.listening.channels;
  }

  /** CancelRequests on their way to the server. */
  get cancelCount(): number {
    return this.#session.cancelCount;
  }

  /** Whether the server owes this client something. */
  get busy(): boolean {
    return this.#session.busy;
  }

  /** Whether bytes wait that one of both sides has not taken. */
  get writing(): boolean {
    return this.#parts.out.writing || (this.server?.out.writing ?? false);
  }
}
