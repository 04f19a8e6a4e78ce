import type { ClusterRecord } from "./record.ts";

/** How a node that is not the primary stands to it. */
export type Standing =
  /** It receives the primary's WAL, itself or by another standby. */
  | "follows"
  /** It does not, and could. */
  | "astray"
  /** It has what the primary's history does not have. */
  | "diverged"
  /** It says that it is a primary. */
  | "stale"
  /** Nobody knows. */
  | "unknown";

/** What there is to say of a node besides its role. */
export type NodeCondition =
  /** A primary that is none: it is read-only, and lets nobody in but pgplex. */
  | "fenced"
  /** It has what the primary's history does not have, and serves nobody until it is rewound. */
  | "diverged"
  /** It is being made a standby. */
  | "rejoining"
  /** That has failed, and is tried again only when somebody asks. */
  | "quarantined";

/** What the record alone says of a node; null: nothing. */
export function recordedConditionOf({ rejoins }: ClusterRecord, name: string): NodeCondition | null {
  const rejoin = rejoins.find(({ node }) => node === name);
  if (rejoin === undefined) return null;
  return rejoin.state === "running" ? "rejoining" : "quarantined";
}
