import type { Cell, Table } from "../answer/mod.ts";
import { branch, observed, type ReadyNode } from "./node.ts";

/**
 * A table as a branch: its rows by their keys, one step for each key column, and in a row its columns as leaves. `SHOW` of
 * the branch itself answers the table.
 */
export function tableNode(table: Table, keys: readonly string[]): ReadyNode {
  const [key, ...rest] = keys;
  const at = table.columns.findIndex(({ name }) => name === key);
  const groups = new Map<string, (readonly Cell[])[]>();
  for (const row of table.rows) {
    const name = String(row[at] ?? "");
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  const children = new Map<string, ReadyNode>();
  for (const [name, rows] of groups) {
    children.set(
      name,
      rest.length > 0 ? tableNode({ columns: table.columns, rows }, rest) : rowNode(table, rows[0]!),
    );
  }
  return branch(children, () => table);
}

/** One row: its columns as leaves; of a table of names and values it is the value. */
function rowNode({ columns }: Table, row: readonly Cell[]): ReadyNode {
  if (columns.length === 2) return observed(row[1] ?? null);
  return branch(new Map(columns.map(({ name }, index) => [name, observed(row[index] ?? null)])));
}
