import type { InstanceInfo } from "../../arbiter/mod.ts";
import { type Cell, columns, type Table, wallTimestamp } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

const COLUMNS = columns(
  "id int4, name text, address text, version text, leader bool, lease_ms int8, since text, here bool",
);

/**
 * SHOW INSTANCES: all that are known. `lease_ms` is how long one counts yet where nothing is heard of it any more: 0 is one that is gone,
 * null where there is but this one; `here` is the one that answers.
 */
export function showInstances(parts: ConsoleParts): Table {
  return { columns: COLUMNS, rows: parts.instances().map((instance) => rowOf(parts, instance)) };
}

function rowOf({ live }: ConsoleParts, instance: InstanceInfo): Cell[] {
  const { id, name, address, version, isLeading, leaseMs, sinceMs } = instance;
  return [
    id,
    name,
    address,
    version,
    isLeading,
    leaseMs === null ? null : Math.round(leaseMs),
    wallTimestamp(sinceMs),
    id === live.config.instance.id,
  ];
}
