import { Back, binaryFromUtf8, type BinaryString, encodeBack, putBinary } from "../../protocol/mod.ts";
import type { Cell, Column, Notice } from "../answer/mod.ts";
import { cellBinary, cellText, WIRE_TYPES } from "./cells.ts";

/** The wire's two formats of a value. */
export type Format = 0 | 1;

/** A RowDescription; `formats` as Bind says them: none for text, one for all, or one each. */
export function encodeRowDescription(
  columns: readonly Column[],
  formats: readonly Format[] = [],
): Uint8Array {
  let body = int16(columns.length);
  columns.forEach(({ name, type }, index) => {
    const { oid, length } = WIRE_TYPES[type];
    // No table, no attribute, no modifier: as PostgreSQL describes a computed column.
    body += `${binaryFromUtf8(name)}\0${int32(0)}${int16(0)}${int32(oid)}${int16(length)}${int32(-1)}`;
    body += int16(formatOf(formats, index));
  });
  return message(Back.RowDescription, body);
}

/** A DataRow. */
export function encodeDataRow(
  columns: readonly Column[],
  row: readonly Cell[],
  formats: readonly Format[] = [],
): Uint8Array {
  let body = int16(columns.length);
  columns.forEach(({ type }, index) => {
    const cell = row[index] ?? null;
    const value = formatOf(formats, index) === 1 ? cellBinary(type, cell) : cellText(type, cell);
    body += value === null ? int32(-1) : int32(value.length) + value;
  });
  return message(Back.DataRow, body);
}

/** A CommandComplete. */
export function encodeCommandComplete(tag: string): Uint8Array {
  return message(Back.CommandComplete, `${tag}\0`);
}

/** A NoticeResponse. */
export function encodeNotice(notice: Notice): Uint8Array {
  const { severity, message: text, detail, hint } = notice;
  const sqlstate = notice.sqlstate ?? (severity === "WARNING" ? "01000" : "00000");
  let body = `S${severity}\0V${severity}\0C${sqlstate}\0M${binaryFromUtf8(text)}\0`;
  if (detail !== undefined) body += `D${binaryFromUtf8(detail)}\0`;
  if (hint !== undefined) body += `H${binaryFromUtf8(hint)}\0`;
  return message(Back.NoticeResponse, `${body}\0`);
}

/** A ParameterDescription. */
export function encodeParameterDescription(types: readonly number[]): Uint8Array {
  return message(Back.ParameterDescription, int16(types.length) + types.map(int32).join(""));
}

/** A message without a body: ParseComplete, BindComplete, NoData, … */
export function encodeEmpty(type: number): Uint8Array {
  return encodeBack(type, new Uint8Array(0));
}

/** The format at `index` of a list as Bind has it: none for text, one for all, or one each. */
export function formatOf(formats: readonly Format[], index: number): Format {
  return formats.length === 1 ? formats[0]! : formats[index] ?? 0;
}

function message(type: number, body: BinaryString): Uint8Array {
  const bytes = new Uint8Array(body.length);
  putBinary(bytes, 0, body);
  return encodeBack(type, bytes);
}

function int16(value: number): BinaryString {
  return String.fromCharCode((value >> 8) & 0xff, value & 0xff);
}

function int32(value: number): BinaryString {
  return int16(value >> 16) + int16(value);
}
