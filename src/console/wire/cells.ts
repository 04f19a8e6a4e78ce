import { binaryFromUtf8, type BinaryString } from "../../protocol/mod.ts";
import type { Cell, ColumnType } from "../answer/mod.ts";
import { numericBinary } from "./numeric.ts";

/** A column type as RowDescription names it: pg_type's oid and typlen. */
export const WIRE_TYPES: Readonly<Record<ColumnType, { readonly oid: number; readonly length: number }>> = {
  bool: { oid: 16, length: 1 },
  int8: { oid: 20, length: 8 },
  int4: { oid: 23, length: 4 },
  text: { oid: 25, length: -1 },
  numeric: { oid: 1700, length: -1 },
};

const INT4_MAX = 2 ** 31 - 1;

/** A value in its type's text format, as a binary string; null is NULL. */
export function cellText(type: ColumnType, cell: Cell): BinaryString | null {
  if (cell === null) return null;
  switch (type) {
    case "bool":
      return cell === true || cell === "t" || cell === "true" ? "t" : "f";
    case "int4":
      return String(int4(cell));
    case "int8":
      return String(whole(cell));
    case "numeric":
    case "text":
      return binaryFromUtf8(String(cell));
  }
}

/** A value in its type's binary format (typsend), as a binary string; null is NULL. */
export function cellBinary(type: ColumnType, cell: Cell): BinaryString | null {
  if (cell === null) return null;
  switch (type) {
    case "bool":
      return cellText(type, cell) === "t" ? "\x01" : "\0";
    case "int4":
      return bigEndian(BigInt(int4(cell)), 4);
    case "int8":
      return bigEndian(BigInt.asIntN(64, whole(cell)), 8);
    case "numeric":
      return numericBinary(String(cell));
    case "text":
      return binaryFromUtf8(String(cell));
  }
}

/** A count that exceeds its column's type is shown as the largest value of the type. */
function int4(cell: Cell): number {
  return Math.max(-INT4_MAX, Math.min(INT4_MAX, Math.trunc(Number(cell))));
}

function whole(cell: Cell): bigint {
  return typeof cell === "bigint" ? cell : BigInt(Math.trunc(Number(cell)));
}

function bigEndian(value: bigint, bytes: number): BinaryString {
  let text = "";
  for (let shift = BigInt(bytes - 1) * 8n; shift >= 0n; shift -= 8n) {
    text += String.fromCharCode(Number((value >> shift) & 0xffn));
  }
  return text;
}
