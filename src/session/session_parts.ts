import type { LeaseParts } from "../lease/mod.ts";
import type { Listeners } from "../listen/mod.ts";
import type { ServerPools } from "../servers/mod.ts";
import type { WorkerCounters } from "../telemetry/mod.ts";
import type { ClientLog } from "./client_log.ts";
import type { CancelKeys } from "./cancel_keys.ts";

/** What sessions need of their worker. */
export interface SessionParts extends LeaseParts {
  readonly pools: ServerPools;
  readonly listeners: Listeners;
  readonly cancelKeys: CancelKeys;
  readonly counters: WorkerCounters;
  readonly clientLog: ClientLog;
}
