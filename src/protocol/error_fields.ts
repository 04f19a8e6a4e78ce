import { encodeBack } from "./backend_writer.ts";
import { type BinaryString, binaryString, findNul, putBinary } from "./bytes.ts";
import { Back } from "./types.ts";

/** SQLSTATE query_canceled: at the client's wish, or for a statement_timeout. */
export const QUERY_CANCELED = "57014";

/** Fields of an ErrorResponse or NoticeResponse by their one-letter code ("Error and Notice Message Fields"). */
export type ErrorFields = ReadonlyMap<string, BinaryString>;

/** Decodes the body (type and length excluded) of an ErrorResponse or NoticeResponse; what is cut off is left out. */
export function decodeErrorFields(bytes: Uint8Array, start: number, end: number): ErrorFields {
  const fields = new Map<string, BinaryString>();
  let at = start;
  while (at < end && bytes[at] !== 0) {
    const code = String.fromCharCode(bytes[at]!);
    const nul = findNul(bytes, at + 1, end);
    if (nul < 0) break;
    fields.set(code, binaryString(bytes, at + 1, nul));
    at = nul + 1;
  }
  return fields;
}

/** An ErrorResponse of these fields. */
export function encodeErrorFields(fields: ErrorFields): Uint8Array {
  let text = "";
  for (const [code, value] of fields) text += `${code}${value}\0`;
  const body = new Uint8Array(text.length + 1);
  putBinary(body, 0, text);
  return encodeBack(Back.ErrorResponse, body);
}

/** The severity without translation (field V, since PostgreSQL 9.6; S before). */
export function severityOf(fields: ErrorFields): string {
  return fields.get("V") ?? fields.get("S") ?? "ERROR";
}

/** Whether the sender ends its connection after this error. */
export function endsConnection(fields: ErrorFields): boolean {
  const severity = severityOf(fields);
  return severity === "FATAL" || severity === "PANIC";
}
