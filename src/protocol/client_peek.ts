import { type BinaryString, binaryString, findNul } from "./bytes.ts";

/** NAMEDATALEN - 1: PostgreSQL compares this many bytes of a prepared statement's name (a fixed-size hash key). */
export const STATEMENT_NAME_BYTES_MAX = 63;

/** A prepared statement's name as PostgreSQL keys it. `end` is where its NUL lies. */
export function statementName(bytes: Uint8Array, start: number, end: number): BinaryString {
  return binaryString(bytes, start, Math.min(end, start + STATEMENT_NAME_BYTES_MAX));
}

/**
 * Where the statement's name of a Bind begins: behind the portal's name.
 *
 * @returns its place, or -1 when the portal's name does not end before `end`.
 */
export function peekBindStatement(bytes: Uint8Array, bodyStart: number, end: number): number {
  const portalEnd = findNul(bytes, bodyStart, end);
  return portalEnd < 0 ? -1 : portalEnd + 1;
}
