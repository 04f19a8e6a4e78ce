import { errorOf, rowsOf, type WireClient, type WireMessage } from "./mod.ts";

/** One row of a console's table, by column name. */
export type ShownRow = Record<string, string | null>;

/** The rows that a command of the console returns, by column name. @throws Error with SQLSTATE and message */
export async function shown(console: WireClient, command: string): Promise<ShownRow[]> {
  return rowsByName(await succeed(console, command));
}

/** The row of {@link shown} in which `column` is `value`. */
export async function shownRow(
  console: WireClient,
  command: string,
  column: string,
  value: string,
): Promise<ShownRow> {
  const rows = await shown(console, command);
  const row = rows.find((row) => row[column] === value);
  if (row === undefined) {
    throw new Error(`${command} has no row ${column} = ${value}: ${JSON.stringify(rows)}`);
  }
  return row;
}

/** Runs a command that must succeed. */
export async function succeed(console: WireClient, command: string): Promise<WireMessage[]> {
  const messages = await console.query(command);
  const error = errorOf(messages);
  if (error !== null) throw new Error(`${command}: ${error["C"]} ${error["M"]}`);
  return messages;
}

/** The SQLSTATE and message with which a command fails. */
export async function failure(console: WireClient, command: string): Promise<string> {
  const error = errorOf(await console.query(command));
  if (error === null) throw new Error(`${command} succeeded`);
  return `${error["C"]} ${error["M"]}`;
}

/** Rows of a result by column name. */
export function rowsByName(messages: WireMessage[]): ShownRow[] {
  const names = messages.find(({ type }) => type === "T")?.columns ?? [];
  return rowsOf(messages).map((row) => Object.fromEntries(row.map((value, i) => [names[i]!, value])));
}

/** Name and type oid of each column of a RowDescription. */
export function describedColumns({ body }: WireMessage): { name: string; oid: number }[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const columns: { name: string; oid: number }[] = [];
  for (let i = 0, at = 2; i < view.getInt16(0); i++) {
    const nul = body.indexOf(0, at);
    columns.push({ name: new TextDecoder().decode(body.subarray(at, nul)), oid: view.getInt32(nul + 7) });
    at = nul + 19; // table oid, column number, type oid, its size and modifier, format
  }
  return columns;
}
