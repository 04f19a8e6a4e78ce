import type { KeyCache, SecretCache, UserDirectory } from "../auth/mod.ts";
import type { LoginParts } from "../backend/mod.ts";
import type { Config } from "../config/mod.ts";
import type { Clock, Random } from "../kernel/mod.ts";
import { type Log, type RareWarnings, type WorkerCounters } from "../telemetry/mod.ts";
import { type TopologyPublisher } from "../topology/mod.ts";
import type { BufferPool } from "../transport/mod.ts";
import type { StatementStore } from "../backend/mod.ts";
import type { CancelKeys } from "./cancel_keys.ts";
import type { ConsoleDoor } from "./console_door.ts";
import type { ReplicationClient } from "./replication.ts";
import type { LoginDeadlines } from "./login_deadlines.ts";
import type { Listeners } from "./listeners.ts";
import type { ServerPools } from "./server_pools.ts";
import type { Session } from "./session.ts";

/** Everything that the sessions of one worker share, handed to it by `app.ts`; several workers can run in one process. */
export interface Worker {
  /** Replaced by a reload. */
  config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly warnings: RareWarnings;
  readonly buffers: BufferPool;
  readonly statements: StatementStore;
  readonly topology: TopologyPublisher;
  readonly pools: ServerPools;
  readonly listeners: Listeners;
  readonly cancelKeys: CancelKeys;
  readonly users: UserDirectory;
  readonly secretCache: SecretCache;
  readonly keyCache: KeyCache;
  /** {@link mockKeyOf} this instance: makes the secrets of users that do not exist. */
  readonly mockKey: Uint8Array;
  readonly login: LoginParts;
  readonly logins: LoginDeadlines;
  readonly sessions: Set<Session>;
  readonly replications: Set<ReplicationClient>;
  readonly counters: WorkerCounters;
  /** Hash of the listener's certificate for SCRAM-SHA-256-PLUS; null without TLS. */
  channelBinding: Uint8Array | null;
  /** The management database; null where there is none. */
  console: ConsoleDoor | null;
  /** No new transactions: the process stops as soon as those that run have ended. */
  draining: boolean;
}
