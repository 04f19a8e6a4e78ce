import { strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { NO_ROW, rowTypes } from "./description.ts";

const { concat, cstring, int16, int32 } = frontend;

/** A RowDescription's body. */
function row(...columns: { name: string; table?: number; type?: number; modifier?: number }[]): Uint8Array {
  const parts = columns.map(({ name, table = 0, type = 23, modifier = -1 }) =>
    concat([cstring(name), int32(table), int16(table), int32(type), int16(4), int32(modifier), int16(0)])
  );
  return concat([int16(columns.length), ...parts]);
}

Deno.test("rowTypes tells names, types, modifiers and the number of columns apart, not the tables", () => {
  const types = rowTypes(row({ name: "a" }, { name: "b" }));
  equal(rowTypes(row({ name: "a", table: 9 }, { name: "b" })), types);
  for (
    const other of [
      row({ name: "a" }),
      row({ name: "b" }, { name: "a" }),
      row({ name: "a", type: 20 }, { name: "b" }),
      row({ name: "a" }, { name: "b", modifier: 8 }),
      row(),
    ]
  ) equal(rowTypes(other) === types, false);
  equal(rowTypes(row()) === NO_ROW, false);
  equal(rowTypes(row({ name: "é" })), rowTypes(row({ name: "ß" })));
});
