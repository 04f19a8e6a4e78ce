import type { KeyCache } from "../auth/mod.ts";
import type { Clock, Random } from "../kernel/mod.ts";
import type { BufferPool, Network } from "../transport/mod.ts";
import type { StatementStore } from "./statement.ts";

/** What all connections of one worker run on, and what they share. */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly keyCache: KeyCache;
  readonly buffers: BufferPool;
  readonly statements: StatementStore;
  /** Resolves at the event loop's next turn. */
  readonly turn: () => Promise<void>;
  readonly nextId: () => number;
}
