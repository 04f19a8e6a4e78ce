import { nearest, nearestFirst, type Segments, type Setting } from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import type { Cell, Table } from "../answer/mod.ts";
import { formatPlace } from "./place.ts";

/** How a value can be changed: by SET and in the file, in the file only, at the next start, or not at all. */
export type Changeable = "live" | "file" | "restart" | "no";

/** What is at the end of a path: one value. */
export interface Leaf {
  readonly value: Cell;
  /** `state` for what pgplex observes; else where the setting comes from. */
  readonly source: string;
  readonly changeable: Changeable;
  /** The value when it is not set; null for what is observed. */
  readonly default: string | null;
  /** What takes effect at the next start, where that differs. */
  readonly pending: string | null;
  readonly description: string;
  /** The setting and its place in the configuration, where it is one. */
  readonly setting?: { readonly segments: Segments; readonly row: Setting };
}

/** One place of the tree: a leaf, or a branch with names below it, or, as the root of a list, a table of its own. */
export interface TreeNode {
  readonly leaf?: Leaf;
  /** What a SHOW of this place answers; a branch without one is shown as the leaves below it. */
  readonly table?: () => Table;
  /** The place in the configuration, for RESET. */
  readonly segments?: Segments;
  names(): Iterable<string>;
  child(name: string): TreeNode | undefined | Promise<TreeNode | undefined>;
}

/** A node whose children are available without waiting. */
export interface ReadyNode extends TreeNode {
  child(name: string): ReadyNode | undefined;
}

/** A leaf that pgplex observes. */
export function observed(value: Cell, description = ""): ReadyNode {
  return leafNode({ value, source: "state", changeable: "no", default: null, pending: null, description });
}

/** A node of one value. */
export function leafNode(leaf: Leaf): ReadyNode {
  return { leaf, names: () => [], child: () => undefined };
}

/** A branch from names to nodes. */
export function branch(children: ReadonlyMap<string, ReadyNode>, table?: () => Table): ReadyNode {
  return { ...(table && { table }), names: () => children.keys(), child: (name) => children.get(name) };
}

/** Several views of one object: where they have the same name, the first's value counts. A missing view is left out. */
export function merged(...views: (ReadyNode | undefined)[]): ReadyNode | undefined {
  const there = views.filter((view) => view !== undefined);
  if (there.length <= 1) return there[0];
  const leaf = there.find((view) => view.leaf !== undefined)?.leaf;
  const segments = there.find((view) => view.segments !== undefined)?.segments;
  const table = there.find((view) => view.table !== undefined)?.table;
  return {
    ...(leaf && { leaf }),
    ...(segments && { segments }),
    ...(table && { table }),
    names: () => new Set(there.flatMap((view) => [...view.names()])),
    child: (name) => merged(...there.map((view) => view.child(name))),
  };
}

/** How many names an error lists. */
const NAMES_SHOWN = 50;

/** How many names are compared with the missing one: the first ones. */
const NAMES_COMPARED = 1000;

/**
 * The error for a path that leads nowhere: it lists the names there are, nearest first. `meant` are further valid names that are
 * too many to list; `begun` is the one that was certainly meant.
 */
export function nothingAt(
  path: string,
  { parent, asked, names, meant = [], begun }: {
    parent: string;
    asked: string;
    names: Iterable<string>;
    meant?: Iterable<string>;
    begun?: string | undefined;
  },
): PgplexError {
  const all = [...names];
  const some = all.slice(0, NAMES_COMPARED);
  const near = begun ?? nearest(asked, new Set([...some, ...meant]));
  const others = [...nearestFirst(asked, some), ...all.slice(NAMES_COMPARED)].filter((name) => name !== near);
  const listed = near === undefined ? others : [near, ...others];
  const more = listed.length > NAMES_SHOWN ? `, and ${listed.length - NAMES_SHOWN} more` : "";
  const shown = listed.slice(0, NAMES_SHOWN).map((name) => formatPlace([name])).join(", ");
  return new PgplexError("undefined_object", `${inQuotes(path)} does not exist`, {
    detail: listed.length === 0 ? `${parent} has nothing below it.` : `${parent} has: ${shown}${more}.`,
    ...(near !== undefined && { hint: `Did you mean ${inQuotes(formatPlace([near]))}?` }),
  });
}

/** A path for an error message: in quotes, unless it contains some. */
function inQuotes(path: string): string {
  return path.includes('"') ? path : `"${path}"`;
}
