/** The types that the console's columns have on the wire; PgBouncer uses `numeric` for its statistics. */
export type ColumnType = "text" | "int4" | "int8" | "numeric" | "bool";

/** One column of a {@link Table}. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** One value; null is SQL's NULL. A number in a column of an integer type is whole. */
export type Cell = string | number | bigint | boolean | null;

/** What a SHOW answers: as many cells in each row as there are columns. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Columns from a list of `name type` pairs: `columns("name text, port int4")`. */
export function columns(list: string): readonly Column[] {
  return list.split(",").map((pair) => {
    const [name, type] = pair.trim().split(/\s+/) as [string, ColumnType];
    return { name, type };
  });
}
