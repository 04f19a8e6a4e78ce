import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import {
  encodeCommandComplete,
  encodeDataRow,
  encodeEmpty,
  encodeNotice,
  encodeParameterDescription,
  encodeRowDescription,
  formatOf,
} from "./reply.ts";

/** A message as its type and its bytes as text, the length checked and left out. */
function said(message: Uint8Array): string {
  const length = new DataView(message.buffer, message.byteOffset).getInt32(1);
  deepEqual(length, message.length - 1);
  return String.fromCharCode(message[0]!) +
    [...message.subarray(5)].map((b) => String.fromCharCode(b)).join("");
}

Deno.test("encodeRowDescription describes columns as PostgreSQL describes computed ones", () => {
  deepEqual(
    said(encodeRowDescription(columns("é text, n int4"), [1])),
    "T\0\x02" +
      "\xc3\xa9\0" + "\0\0\0\0" + "\0\0" + "\0\0\0\x19" + "\xff\xff" + "\xff\xff\xff\xff" + "\0\x01" +
      "n\0" + "\0\0\0\0" + "\0\0" + "\0\0\0\x17" + "\0\x04" + "\xff\xff\xff\xff" + "\0\x01",
  );
});

Deno.test("encodeDataRow writes each cell in its column's format, and NULL as length -1", () => {
  const three = columns("a text, b int4, c int4");
  deepEqual(
    said(encodeDataRow(three, ["x", 258, null], [0, 1, 0])),
    "D\0\x03" + "\0\0\0\x01x" + "\0\0\0\x04\0\0\x01\x02" + "\xff\xff\xff\xff",
  );
  // A row that is too short ends with NULLs.
  deepEqual(said(encodeDataRow(three, ["x"])), "D\0\x03\0\0\0\x01x\xff\xff\xff\xff\xff\xff\xff\xff");
});

Deno.test("encodeNotice gives a WARNING and a NOTICE their own SQLSTATE unless there is one", () => {
  deepEqual(
    said(encodeNotice({ severity: "NOTICE", message: "é", detail: "d", hint: "h" })),
    "NSNOTICE\0VNOTICE\0C00000\0M\xc3\xa9\0Dd\0Hh\0\0",
  );
  deepEqual(said(encodeNotice({ severity: "WARNING", message: "m" })), "NSWARNING\0VWARNING\0C01000\0Mm\0\0");
  deepEqual(
    said(encodeNotice({ severity: "WARNING", message: "m", sqlstate: "25001" })),
    "NSWARNING\0VWARNING\0C25001\0Mm\0\0",
  );
});

Deno.test("encodeParameterDescription, encodeCommandComplete and encodeEmpty write their few bytes", () => {
  deepEqual(said(encodeParameterDescription([25, 20])), "t\0\x02\0\0\0\x19\0\0\0\x14");
  deepEqual(said(encodeCommandComplete("SHOW")), "CSHOW\0");
  deepEqual(said(encodeEmpty(0x31)), "1");
});

Deno.test("formatOf takes none for text, one for all, or one each", () => {
  deepEqual([formatOf([], 1), formatOf([1], 5), formatOf([0, 1], 1), formatOf([0, 1], 0)], [0, 1, 1, 0]);
});
