import { type BinaryString, binaryString, findNul, uint16At } from "../protocol/mod.ts";

/** The {@link Description.row} of a statement that returns no rows. */
export const NO_ROW: BinaryString = "";

/** A column of a RowDescription behind its name: table, column number, type, length of the type, type modifier, format. */
const COLUMN_BYTES = 18;

/** What is known of a prepared statement's types, to a client or of a statement on a server; null: nothing. */
export class Description {
  /** A ParameterDescription's body, which is also what a Parse says of the types behind its text. */
  parameters: BinaryString | null = null;
  /** {@link rowTypes} of what it returns, or {@link NO_ROW}. */
  row: BinaryString | null = null;
  /** {@link Description.row} was learnt by a Describe of portals alone. */
  ofPortals = false;
}

/** A prepared statement, as far as it keeps what describes it. */
export interface Described {
  /** One string of these types for all that know the same. */
  known(types: BinaryString): BinaryString;
}

/** A name with other letters than ASCII's is another in each client_encoding, and not compared. */
const NOT_ASCII = /[\x80-\xff]/;

/**
 * What a RowDescription's body says of each column as far as PostgreSQL compares it before it runs a plan another time (equalRowTypes in
 * tupdesc.c): name, type and modifier; not the table that it comes from.
 */
export function rowTypes(body: Uint8Array): BinaryString {
  const columns = uint16At(body, 0);
  let types = binaryString(body, 0, 2);
  let at = 2;
  for (let i = 0; i < columns; i++) {
    const nul = findNul(body, at, body.length);
    if (nul < 0 || nul + 1 + COLUMN_BYTES > body.length) return binaryString(body, 0, body.length);
    const name = binaryString(body, at, nul);
    types += `${NOT_ASCII.test(name) ? "" : name}\0${binaryString(body, nul + 7, nul + 17)}`;
    at = nul + 1 + COLUMN_BYTES;
  }
  return types;
}
