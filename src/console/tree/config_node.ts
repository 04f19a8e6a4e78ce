import {
  type Config,
  formatValue,
  POOL_KEYS,
  type PoolSettings,
  poolSettings,
  type Segments,
  type Setting,
  type SettingNode,
  settingNodeAt,
  valueAt,
} from "../../config/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";
import { type Changeable, type Leaf, leafNode, type ReadyNode } from "./node.ts";
import { formatPlace } from "./place.ts";

/** What the configuration's part of the tree is made from. */
export type ConfigView = ConsoleParts["live"];

/**
 * The configuration at `segments` as a node, with the keys of a pool also where they are inherited; undefined where the
 * configuration has nothing there.
 */
export function configNode(live: ConfigView, segments: Segments): ReadyNode | undefined {
  const known = settingNodeAt(segments);
  if (known === undefined) return undefined;
  const value = valueAt(live.config, segments);
  if (value === undefined) return inherited(live, segments, known.setting);
  const { type } = known.setting;
  const single = !["group", "map", "list"].includes(type.kind) || value === null;
  if (single) {
    return { ...leafNode(leafOf(live, segments, known.setting, formatValue(type, value))), segments };
  }
  return {
    segments,
    names: () => namesOf(known, value),
    child: (name) => {
      const step = stepOf(value, name);
      return step === undefined && !known.members.has(name)
        ? undefined
        : configNode(live, [...segments, step ?? name]);
    },
  };
}

/** The names below a group, a map or a list; entries of a list go by their `name`. */
function namesOf(known: SettingNode, value: unknown): string[] {
  if (value instanceof Map) return [...value.keys()];
  if (Array.isArray(value)) return value.map((item, index) => String(item.name ?? index));
  return [...known.members.keys()];
}

/** The segment that a name stands for; undefined when the value has none such. */
function stepOf(value: unknown, name: string): string | number | undefined {
  if (value instanceof Map) return value.has(name) ? name : undefined;
  if (!Array.isArray(value)) return undefined;
  const index = value.findIndex((item) => item.name === name);
  if (index >= 0) return index;
  return /^\d{1,4}$/.test(name) && Number(name) < value.length ? Number(name) : undefined;
}

function leafOf(live: ConfigView, segments: Segments, row: Setting, value: string): Leaf {
  return {
    value,
    source: live.sourceOf(segments),
    changeable: changeableOf(segments, row),
    default: defaultOf(segments, row),
    pending: live.pendingAt(segments),
    description: row.doc,
    setting: { segments, row },
  };
}

/** Secrets, values that come from other files, what a node is known by, and objects as a whole can be changed in the file only. */
function changeableOf(segments: Segments, { type, reload, path }: Setting): Changeable {
  if (reload === "restart") return "restart";
  if (path === "include") return "file"; // its files are read with the first one
  if (["secret", "file", "env", "group", "map", "list"].includes(type.kind)) return "file";
  if (path === "clusters.*.nodes[].reads" || path === "clusters.*.nodes[].weight") return "live";
  return segments.some((segment) => typeof segment === "number") ? "file" : "live";
}

function defaultOf(segments: Segments, { type, default: value }: Setting): string | null {
  if (value.kind === "value") return formatValue(type, value.value);
  return value.kind === "name" ? String(segments.at(-2)) : null;
}

/** A key that a cluster, an alias or a user does not set: of a pool key the value in force there, and where it comes from. */
function inherited(live: ConfigView, segments: Segments, row: Setting): ReadyNode | undefined {
  const key = segments.at(-1) as keyof PoolSettings;
  if (row.default.kind !== "inherited") return undefined;
  const parent = segments.slice(0, -1);
  const around = valueAt(live.config, parent);
  if (typeof around !== "object" || around === null) return undefined;
  if (!POOL_KEYS.includes(key)) return { ...leafNode(leafOf(live, segments, row, "null")), segments };
  const { values, owner } = holding(live.config, segments, key);
  const leaf = leafOf(live, segments, row, formatValue(row.type, values[key]));
  return { ...leafNode({ ...leaf, source: owner }), segments };
}

/** The value in force for a key that a cluster or an alias does not set, and the path of the group that sets it. */
function holding(
  config: Config,
  segments: Segments,
  key: keyof PoolSettings,
): { values: PoolSettings; owner: string } {
  // What holds for a user beside its own keys depends on the database: this is where that ends.
  if (segments[0] === "users") return { values: config.pool, owner: "pool" };
  const isAlias = segments[0] === "routing";
  const name = String(segments[isAlias ? 2 : 1]);
  const cluster = isAlias ? config.routing.databases.get(name)!.cluster : name;
  const values = poolSettings(config, { cluster, alias: isAlias ? name : null });
  const given = isAlias && config.clusters.get(cluster)?.pool[key] !== undefined;
  return { values, owner: given ? formatPlace(["clusters", cluster, "pool"]) : "pool" };
}
