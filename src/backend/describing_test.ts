import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { Back } from "../protocol/mod.ts";
import { Describing } from "./describing.ts";
import { Description, NO_ROW, rowTypes } from "./description.ts";
import { StatementStore } from "./statement.ts";

const { concat, cstring, int16, int32 } = frontend;

/** A RowDescription's body. */
function row(...columns: { name: string; table?: number; type?: number; modifier?: number }[]): Uint8Array {
  const parts = columns.map(({ name, table = 0, type = 23, modifier = -1 }) =>
    concat([cstring(name), int32(table), int16(table), int32(type), int16(4), int32(modifier), int16(0)])
  );
  return concat([int16(columns.length), ...parts]);
}

Deno.test("Describing brings what servers say to all that learn of it, in whatever pieces it comes", () => {
  const statement = new StatementStore().use("SELECT $1\0\0\0");
  const [told, held] = [new Description(), new Description()];
  const queue: Describing[] = [];
  const describing = new Describing(queue, statement, [told, held], false);
  const parameters = concat([int16(1), int32(23)]);
  equal(describing.begin(Back.ParameterDescription, parameters.length), true);
  equal(describing.take(parameters, 0, 1), true);
  equal(describing.take(parameters, 1, parameters.length), false);
  const body = row({ name: "a" });
  deepEqual([describing.pending, describing.begin(Back.RowDescription, body.length)], [true, true]);
  for (let i = 0; i < body.length; i++) equal(describing.take(body, i, i + 1), i + 1 < body.length);
  deepEqual([describing.pending, queue.length], [false, 0]);
  for (const learner of [told, held]) {
    deepEqual([learner.parameters, learner.row], ["\0\x01\0\0\0\x17", rowTypes(body)]);
  }
  equal(statement.encodeParse("s", told.parameters).length, 5 + 2 + "SELECT $1".length + 1 + 6);
});

Deno.test("Describing learns that there is no row, and nothing where the server skipped the message", () => {
  const statement = new StatementStore().use("BEGIN\0\0\0");
  const [none, skipped] = [new Description(), new Description()];
  const queue: Describing[] = [];
  const first = new Describing(queue, statement, [none], true);
  const second = new Describing(queue, statement, [skipped], true);
  equal(first.begin(Back.NoData, 0), false);
  second.undo();
  deepEqual([none.row, none.ofPortals, skipped.row, queue.length], [NO_ROW, true, null, 0]);
});
