import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { commitNoteIn, commitNoteSql } from "./commit_note.ts";

const { int16, int32, message, text } = frontend;

const row = (...values: (string | null)[]) =>
  message(
    "D",
    int16(values.length),
    ...values.flatMap((value) => value === null ? [int32(-1)] : [int32(value.length), text(value)]),
  );

Deno.test("commitNoteIn reads what the statement says of a transaction that has written, and of one that has not", () => {
  deepEqual(commitNoteIn(row("1234", "1/A0", "0000000B"), 0, "m"), {
    xid: "1234",
    lsn: "1/A0",
    timeline: 11,
    marker: "m",
  });
  deepEqual(commitNoteIn(row(null, null, null), 0, "m"), { xid: null, lsn: "", timeline: 0, marker: "m" });
});

Deno.test("commitNoteIn takes nothing for a note that is none", () => {
  for (
    const values of [["1"], ["1", null, "00000001"], ["1", "0/1", null], ["x", "0/1", "00000001"], [
      "1",
      "0/1",
      "1",
    ]]
  ) {
    equal(commitNoteIn(row(...values), 0, "m"), null);
  }
});

Deno.test("commitNoteSql names each function in full, so that no client's search_path changes what it is", () => {
  const sql = commitNoteSql("0a1b");
  match(sql, /'0a1b'/);
  for (const [, before] of sql.matchAll(/(\S*?)\b(?:txid|pg)_\w+\(/g)) {
    equal(before!.endsWith("pg_catalog."), true);
  }
});
