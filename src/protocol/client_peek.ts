import { NAME_BYTES_MAX } from "../kernel/mod.ts";
import { type BinaryString, binaryString, findNul } from "./bytes.ts";

/** A prepared statement's name as PostgreSQL keys it. `end` is where its NUL lies. */
export function statementName(bytes: Uint8Array, start: number, end: number): BinaryString {
  return binaryString(bytes, start, Math.min(end, start + NAME_BYTES_MAX));
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
