import type { OptionValues } from "../options/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { Base } from "../servers/mod.ts";
import type { PeerAddress } from "../transport/mod.ts";

/** Who a client is and what it asked for, as its login found out. */
export interface SessionFacts {
  readonly id: number;
  readonly peer: PeerAddress;
  readonly user: string;
  /** The database name that the client gave. */
  readonly database: string;
  readonly minor: number;
  readonly tls: string | null;
  readonly mode: "session" | "transaction";
  /** Statement pooling: the session ends when a transaction is open behind what the client sent. */
  readonly statementsOnly: boolean;
  readonly base: Base;
  /** As given; in transaction mode kept apart from the base, as it differs from client to client; null when not given. */
  readonly applicationName: BinaryString | null;
  /** Options of pgplex in the connection string. */
  readonly options: OptionValues;
}
