import type { Runtime } from "../backend/mod.ts";
import type { Log, RareWarnings } from "../telemetry/mod.ts";
import type { UnreadLeases } from "./unread_leases.ts";

/** What leases need of their worker. */
export interface LeaseParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly warnings: RareWarnings;
  readonly unread: UnreadLeases;
}
