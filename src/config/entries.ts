import { formatPath, type Segments } from "./path.ts";
import type { Config } from "./schema.ts";
import type { Setting, SettingDefault, SettingNode } from "./setting.ts";
import { SETTING_TREE } from "./settings.ts";
import { formatValue } from "./value.ts";

/** One key as one configuration has it: a table row, with the names and places that its path stands for. */
export interface SettingEntry {
  /** `clusters.main.nodes[0].port` */
  readonly path: string;
  readonly segments: Segments;
  readonly setting: Setting;
  readonly value: unknown;
  /** The text of the file that `value` names, where the configuration keeps it beside; else undefined. */
  readonly contents: unknown;
}

/**
 * Every key that `config` has, parents before members, in the order of the table: groups, maps and lists too, so that what
 * was added or removed can be named. Pool keys of a cluster or an alias come only where they are set.
 */
export function* settingEntries(config: Config): Generator<SettingEntry> {
  yield* membersOf(SETTING_TREE, config, []);
}

function* membersOf(node: SettingNode, value: unknown, segments: Segments): Generator<SettingEntry> {
  if (value === null) return;
  if (value instanceof Map) {
    for (const [name, entry] of value) yield* entryOf(node.entry!, entry, [...segments, name], undefined);
  } else if (Array.isArray(value)) {
    if (node.entry === null) return;
    for (const [index, item] of value.entries()) {
      yield* entryOf(node.entry, item, [...segments, index], undefined);
    }
  } else {
    const record = value as Readonly<Record<string, unknown>>;
    for (const [key, member] of node.members) {
      if (record[key] === undefined) continue;
      const { type } = member.setting;
      const beside = type.kind === "file" && !node.members.has(type.contents)
        ? record[type.contents]
        : undefined;
      yield* entryOf(member, record[key], [...segments, key], beside);
    }
  }
}

function* entryOf(
  node: SettingNode,
  value: unknown,
  segments: Segments,
  contents: unknown,
): Generator<SettingEntry> {
  yield { path: formatPath(segments), segments, setting: node.setting, value, contents };
  yield* membersOf(node, value, segments);
}

/** One line of the console's SHOW: all text, no secret in it. */
export interface ShownSetting {
  readonly path: string;
  readonly value: string;
  /** What it is when the file does not say; "required" when the file has to. */
  readonly default: string;
  readonly reload: Setting["reload"];
  readonly doc: string;
}

/** What the console shows: each single value of `config`, secrets as `***`, groups only where they are null. */
export function shownSettings(config: Config): ShownSetting[] {
  return [...settingEntries(config)]
    .filter(({ setting, value }) => !["group", "map", "list"].includes(setting.type.kind) || value === null)
    .map(({ path, segments, setting, value }) => ({
      path,
      value: formatValue(setting.type, value),
      default: shownDefault(setting, setting.default, segments),
      reload: setting.reload,
      doc: setting.doc,
    }));
}

function shownDefault({ type }: Setting, value: SettingDefault, segments: Segments): string {
  switch (value.kind) {
    case "value":
      return formatValue(type, value.value);
    case "name":
      return String(segments.at(-2));
    default:
      return value.kind;
  }
}
