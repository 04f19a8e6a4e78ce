import { SETTING_TREE, type SettingNode } from "../../config/mod.ts";

/**
 * The paths of settings that a bare key may mean, as PgBouncer's `SET default_pool_size`: `pool`'s own first, then keys of
 * other sections by their last name (`max_client_conn`), then whole paths with underscores (`log_level`).
 */
export function settingsNamed(key: string): string[][] {
  const name = key.toLowerCase();
  if (SETTING_TREE.members.get("pool")!.members.has(name)) return [["pool", name]];
  const all = [...singles(SETTING_TREE, [])];
  const byLast = all.filter((path) => path.at(-1) === name);
  return byLast.length > 0 ? byLast : all.filter((path) => path.join("_") === name);
}

/** The keys that {@link settingsNamed} takes by their last name. */
export function* bareKeys(): Generator<string> {
  for (const path of singles(SETTING_TREE, [])) yield path.at(-1)!;
}

/** Every setting with a single value that exists in any configuration: not those of named objects. */
function* singles(node: SettingNode, path: readonly string[]): Generator<string[]> {
  for (const [key, member] of node.members) {
    const { type } = member.setting;
    if (type.kind === "group" && type.nullable) continue;
    if (type.kind === "group") yield* singles(member, [...path, key]);
    else if (type.kind !== "map" && type.kind !== "list") yield [...path, key];
  }
}
