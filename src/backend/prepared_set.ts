import type { BinaryString } from "../protocol/mod.ts";
import type { Describing } from "./describing.ts";
import { Description } from "./description.ts";
import { InFlight } from "./in_flight.ts";
import type { Statement, StatementStore } from "./statement.ts";

/** A statement on a server. */
interface Held {
  /** The search_path under which it was parsed. */
  path: BinaryString;
  readonly description: Description;
}

/** No search_path: whatever was parsed under it is stale. */
const EXPIRED: BinaryString = "\0";

/**
 * The statements that exist on one server connection, the most recently used last.
 *
 * Invariant: at most `max`, besides the latest and those in flight, after {@link PreparedSet.evict}.
 */
export class PreparedSet {
  readonly #store: StatementStore;
  readonly #held = new Map<Statement, Held>();
  /** Statements whose Parse or Close was sent and not answered yet. */
  readonly inFlight = new InFlight<Statement>();
  /** Describes that were sent, and whose replies are remembered. */
  readonly describing: Describing[] = [];
  #latest: Statement | null = null;
  #latestHeld: Held | null = null;

  constructor(store: StatementStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Whether the server has it; if so it counts as just used. */
  touch(statement: Statement): boolean {
    if (this.#latest === statement) return true;
    const held = this.#held.get(statement);
    if (held === undefined) return false;
    this.#held.delete(statement);
    this.#put(statement, held);
    return true;
  }

  #put(statement: Statement, held: Held): void {
    this.#held.set(statement, held);
    this.#latest = statement;
    this.#latestHeld = held;
  }

  #get(statement: Statement): Held | null {
    return this.#latest === statement ? this.#latestHeld : this.#held.get(statement) ?? null;
  }

  /** Whether the server parsed it under another search_path: it may mean other tables there, with other result types. */
  isStale(statement: Statement, searchPath: BinaryString): boolean {
    return this.#get(statement)?.path !== searchPath;
  }

  /** What is known of the server's; null when it has none. */
  descriptionOf(statement: Statement): Description | null {
    return this.#get(statement)?.description ?? null;
  }

  /** Whether the server's is as `told` in all that this says. */
  holdsAsTold(statement: Statement, searchPath: BinaryString, told: Description): boolean {
    const held = this.#get(statement);
    return held !== null && held.path === searchPath &&
      (told.parameters === null || told.parameters === held.description.parameters) &&
      (told.row === null || told.row === held.description.row);
  }

  /** The server is being made to have it, with these types of parameters where they are given. */
  add(statement: Statement, searchPath: BinaryString = "", parameters: BinaryString | null = null): void {
    if (!this.#held.has(statement)) this.#store.share(statement);
    this.#held.delete(statement);
    const description = new Description();
    description.parameters = parameters;
    this.#put(statement, { path: searchPath, description });
  }

  /** Every statement must be parsed again before its next use: what it returns has changed on the server. */
  expire(): void {
    for (const held of this.#held.values()) held.path = EXPIRED;
  }

  /** All statements that the server has. */
  all(): Statement[] {
    return [...this.#held.keys()];
  }

  /** The server does not have it (any more). */
  delete(statement: Statement): void {
    if (!this.#held.delete(statement)) return;
    if (this.#latest === statement) this.#latest = this.#latestHeld = null;
    this.#store.release(statement);
  }

  /**
   * Takes out and returns what was used the longest ago when there are more than `max`; null when there are not. The
   * latest stays, as it is about to be used, and so do those whose fate is decided by an earlier batch than `batch`.
   */
  evict(max: number, batch = 0): Statement | null {
    if (this.#held.size <= max) return null;
    for (const statement of this.#held.keys()) {
      if (statement === this.#latest || this.inFlight.doubtful(statement, batch)) continue;
      this.delete(statement);
      return statement;
    }
    return null;
  }

  /** DISCARD ALL or DEALLOCATE ALL went through: only what is being made behind it stays. */
  forget(): void {
    for (const statement of this.#held.keys()) if (!this.inFlight.has(statement)) this.delete(statement);
  }

  /** The server has none any more: the connection was reset, or ended. */
  clear(): void {
    for (const statement of this.#held.keys()) this.#store.release(statement);
    this.#held.clear();
    this.#latest = this.#latestHeld = null;
  }
}
