import { AssertionFailure } from "../kernel/mod.ts";

/** What a key's value may be. Everything that reads, writes or compares a value switches on `kind`. */
export type SettingType =
  /** A string; `shape` narrows it. */
  | {
    readonly kind: "text";
    readonly nullable?: true;
    readonly shape?: TextShape;
    readonly bytesMax?: number;
  }
  /** A list of strings, each one of `values` where they are given; one string is taken as a list of one. */
  | { readonly kind: "texts"; readonly entriesMax: number; readonly values?: readonly string[] }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  /** Milliseconds. */
  | { readonly kind: "duration"; readonly minMs?: number }
  /** Bytes. */
  | { readonly kind: "size"; readonly min: number; readonly max: number }
  | { readonly kind: "choice"; readonly values: readonly string[] }
  | { readonly kind: "boolean" }
  /** null, true, or SQL with `$1`. */
  | { readonly kind: "query" }
  /** A secret or null. Its value is never printed. */
  | { readonly kind: "secret" }
  /** The name of a file; its text is put beside it under `contents`. */
  | {
    readonly kind: "file";
    readonly nullable?: true;
    readonly contents: string;
    readonly holds: FileContents;
  }
  /** The name of an environment variable that holds a secret, which is put beside it under `contents`. */
  | { readonly kind: "env"; readonly contents: string }
  /** Keys that the table lists; `shorthand` is the key meant when a bare value stands in its place. */
  | { readonly kind: "group"; readonly nullable?: true; readonly shorthand?: string }
  /** Names that people choose, each with what the table lists under `*`. */
  | { readonly kind: "map"; readonly entriesMin: number; readonly names: TextShape }
  /** A list, each entry with what the table lists under `[]`. */
  | { readonly kind: "list"; readonly entriesMin: number };

/**
 * What a text has to look like: `name` is for clusters and nodes, whose names appear in etcd keys, metrics and paths;
 * `database` and `user` are PostgreSQL's own names; `absolute` is a path from the root.
 */
export type TextShape = "any" | "name" | "database" | "user" | "absolute";

/** What a file that the configuration names must hold. */
export type FileContents = "secret" | "certificate" | "key" | "users" | "hba" | "ident";

/** What a key has when the file does not give it. */
export type SettingDefault =
  /** This value, in the form of the configuration (milliseconds, bytes); for groups, maps and lists an empty one. */
  | { readonly kind: "value"; readonly value: string | number | boolean | null | readonly string[] }
  /** A group, map or list made of its members' defaults. */
  | { readonly kind: "members" }
  /** The file has to give it. */
  | { readonly kind: "required" }
  /** The same key one level further out holds; the key is absent here. */
  | { readonly kind: "inherited" }
  /** The name of the map entry in which the key stands. */
  | { readonly kind: "name" };

/** When a changed value takes effect: at the next reload, or at the next start. */
export type Reload = "live" | "restart";

/** One row of the table. */
export interface Setting {
  /** With `*` for any name and `[]` for any place in a list: `clusters.*.nodes[].host`. */
  readonly path: string;
  readonly type: SettingType;
  readonly default: SettingDefault;
  readonly reload: Reload;
  /** One sentence for the example file, the console and the manual. */
  readonly doc: string;
}

/** A {@link Setting} with those below it. */
export interface SettingNode {
  readonly setting: Setting;
  /** Of a group, by key. */
  readonly members: ReadonlyMap<string, SettingNode>;
  /** Of a map or a list, what each entry is. */
  readonly entry: SettingNode | null;
}

/** The rows as a tree; the root is a group. Rows of parents stand before those of their members. */
export function settingTree(settings: Iterable<Setting>): SettingNode {
  const root = node({
    path: "",
    type: { kind: "group" },
    default: { kind: "members" },
    reload: "live",
    doc: "The whole configuration.",
  });
  for (const setting of settings) {
    const steps = setting.path.replaceAll("[]", ".[]").split(".");
    let parent = root;
    for (const step of steps.slice(0, -1)) {
      parent = (step === "*" || step === "[]" ? parent.entry : parent.members.get(step)) ??
        missing(setting.path);
    }
    const last = steps.at(-1)!;
    if (last === "*" || last === "[]") parent.entry = node(setting);
    else parent.members.set(last, node(setting));
  }
  return root;
}

interface GrowingNode extends SettingNode {
  readonly members: Map<string, GrowingNode>;
  entry: GrowingNode | null;
}

function node(setting: Setting): GrowingNode {
  return { setting, members: new Map(), entry: null };
}

function missing(path: string): never {
  throw new AssertionFailure(`the table has no row for the parent of ${path}`);
}
