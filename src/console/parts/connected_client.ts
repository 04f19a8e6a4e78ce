import type { PgplexError } from "../../kernel/mod.ts";
import type { PeerAddress } from "../../transport/mod.ts";

/** A client of the console as tables show it, and as KILL_CLIENT ends it. */
export interface ConnectedClient {
  readonly id: number;
  readonly user: string;
  readonly peer: PeerAddress;
  /** Protocol and cipher; null without TLS. */
  readonly tls: string | null;
  /** Clock milliseconds. */
  readonly connectedMs: number;
  /** When the last command began; clock milliseconds. */
  readonly requestMs: number;
  /** The words of the command that runs; null while the client is idle. */
  readonly command: string | null;
  readonly applicationName: string;
  readonly preparedStatements: number;
  /** The client's option `tag`; empty without. */
  readonly tag: string;
  /** Ends the connection: a FATAL for the client, then it closes. */
  end(error: PgplexError): void;
}
