import type { BinaryString } from "../protocol/mod.ts";
import type { ByteStream, PeerAddress } from "../transport/mod.ts";

/** A client of the management database, authenticated but not yet greeted. */
export interface ConsoleVisitor {
  readonly stream: ByteStream;
  readonly peer: PeerAddress;
  readonly user: string;
  /** The name by which it asked for the management database. */
  readonly database: string;
  readonly minor: number;
  /** Protocol and cipher; null without TLS. */
  readonly tls: string | null;
  readonly params: ReadonlyMap<string, BinaryString>;
}

/** Where clients of the management database go: `console/` stands above this layer, so `process.ts` puts its own here. */
export interface ConsoleDoor {
  /** Whether a database name is the management database's. */
  opens(database: string): boolean;
  /** How many clients a user has there. */
  clientsOf(user: string): number;
  /**
   * Lets a client in.
   *
   * @returns what serves it; it is given what was read behind the login
   * @throws PgplexError for a client that may not enter
   */
  admit(visitor: ConsoleVisitor): (rest: Uint8Array) => Promise<void>;
}
