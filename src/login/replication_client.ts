import type { ServerCredentials } from "../auth/mod.ts";
import type { ServerIdentity } from "../backend/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { TopologyNode } from "../topology/mod.ts";
import type { PeerAddress } from "../transport/mod.ts";

/** What a replication client asked for. */
export interface ReplicationRequest {
  readonly cluster: string;
  /** As whom it is at the server. */
  readonly user: string;
  /** As whom it logged in. */
  readonly clientUser: string;
  readonly database: string;
  readonly alias: string | null;
  readonly credentials: ServerCredentials;
  readonly params: ReadonlyMap<string, BinaryString>;
  readonly minor: number;
  readonly id: number;
  readonly peer: PeerAddress;
  readonly mode: "physical" | "logical";
  /** The name under which the console knows the database. */
  readonly name: string;
  readonly tls: string | null;
}

/** A replication client that has logged in, as the console sees it. */
export interface ReplicationClient {
  readonly request: ReplicationRequest;
  readonly connectedMs: number;
  /** Its server connection; null while it waits for one. */
  readonly link: ReplicationLink | null;
  /** Closes both sides; whoever still waits leaves the queue. */
  end(): void;
}

/** The server connection of a replication client. */
export interface ReplicationLink {
  readonly server: ServerIdentity;
  readonly node: TopologyNode;
}
