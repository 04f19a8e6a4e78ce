import { assert } from "../kernel/mod.ts";
import { settingEntries, type SettingEntry } from "./entries.ts";
import { formatPath, type Segments, valueAt, withValue } from "./path.ts";
import type { Config } from "./schema.ts";
import { Secret } from "./secret.ts";

/** A reload may add 100,000 users. */
const LISTED_MAX = 20;

/** What a reload would change. */
export interface ConfigDiff {
  /** Paths that take effect now. What was added or removed as a whole is named as a whole: `clusters.new`. */
  readonly live: readonly string[];
  /** Paths that need a restart; in {@link effective} they keep their old values. */
  readonly restart: readonly string[];
  /** The configuration to go on with: the new one, with the old values of {@link restart}. */
  readonly effective: Config;
}

/**
 * Compares two configurations for a reload. Secrets and the texts of certificates are compared too, so that a renewed
 * certificate in the same file is a change of its `cert_file`. Both empty lists: nothing to do.
 *
 * A name that the new file gives to an alias may equal the old `console.database`, which a restart alone changes: until
 * then the console keeps it.
 */
export function diffConfig(old: Config, next: Config): ConfigDiff {
  const before = new Map([...settingEntries(old)].map((entry) => [entry.path, entry]));
  const after = new Map([...settingEntries(next)].map((entry) => [entry.path, entry]));
  const live: string[] = [];
  const restart: string[] = [];
  const changed = new Set<string>();
  let effective = next;
  for (const [path, entry] of new Map([...after, ...before])) {
    const was = before.get(path);
    const is = after.get(path);
    if (was !== undefined && is !== undefined && sameEntry(was, is)) continue;
    if (entry.segments.some((_, index) => changed.has(formatPath(entry.segments.slice(0, index))))) continue;
    changed.add(path);
    if (entry.setting.reload === "live") live.push(path);
    else {
      assert(was !== undefined && is !== undefined, "only keys that always exist need a restart");
      restart.push(path);
      for (const segments of [entry.segments, ...besideOf(entry)]) {
        effective = withValue(effective, segments, valueAt(old, segments));
      }
    }
  }
  return { live, restart, effective };
}

/** Paths for a line that people read: the first {@link LISTED_MAX}, and how many others there are. */
export function listPaths(paths: readonly string[]): string {
  const others = paths.length - LISTED_MAX;
  const first = paths.slice(0, LISTED_MAX).join(", ");
  return others > 0 ? `${first} and ${others} more` : first;
}

/** Where the text of the file that an entry names is kept, where it is beside it. */
function besideOf({ segments, setting: { type }, contents }: SettingEntry): Segments[] {
  return type.kind === "file" && contents !== undefined ? [[...segments.slice(0, -1), type.contents]] : [];
}

/** Whether two entries of one path are alike in themselves; members have entries of their own. */
function sameEntry(a: SettingEntry, b: SettingEntry): boolean {
  switch (a.setting.type.kind) {
    case "group":
      return (a.value === null) === (b.value === null);
    case "map":
      return true;
    case "list":
      return same(namesIn(a.value), namesIn(b.value));
    default:
      return same(a.value, b.value) && same(a.contents, b.contents);
  }
}

/** Where entries have names, another order or another name makes another list; else its length does. */
function namesIn(list: unknown): unknown[] {
  return (list as readonly { readonly name?: string }[]).map((item) => item.name ?? "");
}

function same(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.equals(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => same(item, b[index]));
  }
  return a === b;
}
