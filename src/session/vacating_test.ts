import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { Destination, DestinationKey } from "../servers/mod.ts";
import type { SessionParts } from "./session_parts.ts";
import { Vacating } from "./vacating.ts";

const OWN = { cluster: "main", database: "app", user: "a", alias: null, purpose: "clients" } as const;

Deno.test("Vacating keeps others out of a database of its cluster, or of any but its own, until the statement is over", () => {
  const log: string[] = [];
  const asked: ((key: DestinationKey) => boolean)[] = [];
  const worker = {
    pools: {
      vacate(which: (key: DestinationKey) => boolean) {
        asked.push(which);
        log.push("out");
        return () => void log.push("in");
      },
    },
    listeners: { closeUnused: () => void log.push("listeners") },
  } as unknown as SessionParts;
  const vacating = new Vacating(worker, { key: OWN } as Destination);
  vacating.ends();
  vacating.begins("shop");
  vacating.begins(""); // the one before was not seen to end
  vacating.ends();
  vacating.ends();
  deepEqual(log, ["out", "listeners", "in", "out", "listeners", "in"]);
  const keys: DestinationKey[] = [
    { ...OWN, database: "shop" },
    OWN,
    { ...OWN, cluster: "other", database: "shop" },
  ];
  deepEqual(asked.map((which) => keys.map(which)), [[true, false, false], [true, false, false]]);
});
