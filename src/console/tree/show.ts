import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { Leaf, ReadyNode, TreeNode } from "./node.ts";
import type { Found } from "./path.ts";
import { formatPlace } from "./place.ts";

/** How many leaves one SHOW lists; a branch with more is cut, and the last row says so. */
const LEAVES_MAX = 5000;

/** What a SHOW of a branch has for each leaf below it. */
const COLUMNS = columns(
  "name text, value text, source text, changeable text, pending text, default text, description text",
);

/** The answer to SHOW of a place: a list's own table, or the leaves at and below it. */
export function showPlace({ node, path }: Found): Table {
  return node.table?.() ?? { columns: COLUMNS, rows: leafRows(node, path) };
}

function leafRows(node: TreeNode, path: readonly string[]): Cell[][] {
  const rows: Cell[][] = [];
  for (const [name, leaf] of leavesOf(node as ReadyNode, path)) {
    if (rows.length >= LEAVES_MAX) {
      rows.push(["…", null, null, null, null, null, `more than ${LEAVES_MAX}: ask for a place further down`]);
      break;
    }
    const { value, source, changeable, pending, description } = leaf;
    rows.push([
      name,
      value === null ? null : String(value),
      source,
      changeable,
      pending,
      leaf.default,
      description,
    ]);
  }
  return rows;
}

/** Every leaf at and below a node, with its path. */
export function* leavesOf(node: ReadyNode, path: readonly string[]): Generator<[name: string, leaf: Leaf]> {
  if (node.leaf !== undefined) yield [formatPlace(path), node.leaf];
  for (const name of node.names()) {
    const child = node.child(name);
    if (child !== undefined) yield* leavesOf(child, [...path, name]);
  }
}
