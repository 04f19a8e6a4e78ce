import type { Segments } from "./path.ts";
import type { Setting, SettingNode } from "./setting.ts";
import { SETTING_TREE } from "./settings.ts";

/** The table's node for a path of a configuration, also for keys that it does not give; undefined where none is known. */
export function settingNodeAt(segments: Segments): SettingNode | undefined {
  let node: SettingNode | undefined = SETTING_TREE;
  for (const segment of segments) {
    if (node === undefined) return undefined;
    node = node.setting.type.kind === "group" ? node.members.get(String(segment)) : node.entry ?? undefined;
  }
  return node;
}

/** The table's row for a path of a configuration. */
export function settingAt(segments: Segments): Setting | undefined {
  return settingNodeAt(segments)?.setting;
}
