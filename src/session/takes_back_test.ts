import { strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { encodeSync } from "../protocol/mod.ts";
import { saysRollback, takesBack } from "./takes_back.ts";

const TAKES_BACK: readonly string[] = [
  "RESET ALL",
  "reset role",
  "DISCARD ALL",
  "SET ROLE other",
  "\n ;; set work_mem = 1",
  "ROLLBACK",
  "abort;",
  "COMMIT",
  "end",
  `RESET ALL; ${"SELECT 1; ".repeat(100)}`,
];

const DOES_NOT: readonly string[] = [
  "",
  "SELECT 1",
  "SELECT 'RESET ALL'",
  "SELECT 1; RESET ALL",
  "BEGIN",
  "settle()",
  "ending",
  `${" ".repeat(500)}RESET ALL`,
];

/** What it says of a message, wherever that lies in a buffer. */
function says(message: Uint8Array): boolean {
  const buffer = frontend.concat([frontend.query("RESET ALL"), message, frontend.query("RESET ALL")]);
  const start = frontend.query("RESET ALL").length;
  return takesBack(buffer, start, start + message.length);
}

Deno.test("takesBack knows a query by its first word, which sets, takes back, or ends what has failed", () => {
  for (const sql of TAKES_BACK) equal(says(frontend.query(sql)), true, sql);
  for (const sql of DOES_NOT) equal(says(frontend.query(sql)), false, sql);
});

Deno.test("takesBack reads the text of a Parse behind its name, whatever that is", () => {
  for (const name of ["", "s", "reset", "n".repeat(63)]) {
    equal(says(frontend.parse("RESET ALL", { name })), true, name);
    equal(says(frontend.parse("SELECT 1", { name })), false, name);
  }
});

Deno.test("takesBack says no to messages that bring no statement", () => {
  equal(says(frontend.bind({ statement: "reset" })), false);
  equal(says(encodeSync()), false);
});

Deno.test("saysRollback knows ROLLBACK and ABORT by their first word", () => {
  const said = (message: Uint8Array) => saysRollback(message, 0, message.length);
  for (const sql of ["ROLLBACK", " abort;", "rollback to s"]) equal(said(frontend.query(sql)), true, sql);
  equal(said(frontend.parse("ROLLBACK", { name: "r" })), true);
  for (const sql of ["COMMIT", "SELECT 'ROLLBACK'", "RESET ALL"]) {
    equal(said(frontend.query(sql)), false, sql);
  }
});
