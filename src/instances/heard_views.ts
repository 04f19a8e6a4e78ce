import type { InstanceView } from "../arbiter/mod.ts";
import type { Listing } from "./key_store.ts";
import type { Roll } from "./roll.ts";
import type { Healths } from "./sight.ts";
import { clusterPartOf, seenOf, viewOf } from "./values.ts";

/** What other instances make of the nodes, by cluster. */
export type HeardViews = ReadonlyMap<string, readonly InstanceView[]>;

/** Who reads them. */
export interface HeardViewsParts {
  readonly clusters: Pick<ReadonlySet<string>, "has">;
  /** Learns of each that has said something. */
  readonly roll: Roll;
  readonly selfId: number;
  readonly nowMs: number;
}

/** The views in a listing that instances which are there have of these clusters. */
export function viewsIn(
  { entries }: Listing,
  { clusters, roll, selfId, nowMs }: HeardViewsParts,
): HeardViews {
  const views = new Map<string, InstanceView[]>();
  for (const { key, value } of entries.values()) {
    const part = clusterPartOf(key);
    if (part?.folder !== "views" || !clusters.has(part.cluster)) continue;
    const instance = Number(part.name);
    const view = viewOf(value);
    if (view === null || instance === selfId) continue;
    roll.doubt(instance, view.incarnation, nowMs);
    const isThere = roll.holders(part.cluster).some(({ id, incarnation }) =>
      id === instance && incarnation === view.incarnation
    );
    if (!isThere) continue;
    const of = views.get(part.cluster) ?? [];
    of.push({ instance, healths: new Map(Object.entries(view.healths)), seen: seenOf(view.seen) });
    views.set(part.cluster, of);
  }
  return views;
}

/** The same of one instance: what it makes of the nodes of each cluster. */
export function healthsBy(instance: number, views: HeardViews): ReadonlyMap<string, Healths> {
  return new Map(
    [...views].flatMap(([cluster, of]) =>
      of.filter((view) => view.instance === instance).map(({ healths }) => [cluster, healths] as const)
    ),
  );
}
