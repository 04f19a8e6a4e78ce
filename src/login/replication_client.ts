import type { ServerCredentials } from "../auth/mod.ts";
import type { ServerIdentity } from "../backend/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { TopologyNode } from "../topology/mod.ts";
import type { PeerAddress } from "../transport/mod.ts";

/** What a replication client asked for. */
export interface ReplicationRequest {
  readonly cluster: string;
  readonly node: TopologyNode;
  readonly user: string;
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

/** A replication connection that is being served, as the console sees it. */
export interface ReplicationClient {
  readonly request: ReplicationRequest;
  readonly server: ServerIdentity;
  readonly connectedMs: number;
  /** Closes both sides. */
  end(): void;
}
