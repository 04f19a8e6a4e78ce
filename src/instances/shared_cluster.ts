import type { CoordinationListener } from "../arbiter/mod.ts";
import type { Acknowledged } from "./acknowledged.ts";
import type { OwnEntry } from "./own_entry.ts";
import type { RecordEntry } from "./record_entry.ts";
import type { Healths } from "./sight.ts";

/** What an instance knows of the coordination of one cluster. */
export interface SharedCluster {
  readonly listener: CoordinationListener;
  readonly record: RecordEntry;
  /** When a renewal was sent that has found a record, or a record that was written. */
  foundMs: number;
  readonly ack: OwnEntry;
  readonly view: OwnEntry;
  /** As {@link view} says it. */
  healths: Healths;
  readonly acks: Acknowledged;
  /** What was told last of the others. */
  views: string;
  instances: string;
}
