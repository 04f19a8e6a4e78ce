import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { sqlWords } from "./sql_tokens.ts";
import { Control, controlBehind, controlOf, endingsIn } from "./transaction_words.ts";

const { Opens, Closes, Commits, RollsBack, Begins, CommitsAlone } = Control;

Deno.test("controlOf tells what opens, ends and commits a transaction from what does neither", () => {
  const cases: readonly [string, number][] = [
    ["SELECT 1", 0],
    ["", 0],
    ["BEGIN", Opens | Begins],
    ["start transaction read only", Opens | Begins],
    ["BEGIN; SELECT 1", Opens],
    ["COMMIT", Closes | Commits | CommitsAlone],
    ["/* x */ end;", Closes | Commits | CommitsAlone],
    ["COMMIT AND CHAIN", Opens | Commits],
    ["COMMIT AND NO CHAIN", Closes | Commits | CommitsAlone],
    ["ROLLBACK", Closes | RollsBack],
    ["SELECT 1; ROLLBACK", Closes],
    ["abort work", Closes | RollsBack],
    ["ROLLBACK AND CHAIN", Opens],
    ["ROLLBACK TO s", 0],
    ["ROLLBACK WORK TO SAVEPOINT s", 0],
    ["PREPARE TRANSACTION 'x'", Closes | Commits],
    ["PREPARE p AS SELECT 1", 0],
    ["COMMIT PREPARED 'x'", Commits],
    ["ROLLBACK PREPARED 'x'", Commits],
    ["BEGIN; INSERT INTO t VALUES (1); COMMIT", Closes | Commits],
    ["COMMIT; BEGIN", Opens | Commits],
    ["SELECT 'commit'", 0],
    ["SAVEPOINT s; RELEASE s", 0],
  ];
  for (const [text, control] of cases) equal(controlOf(sqlWords(text)), control, text);
});

Deno.test("controlBehind remembers that something was committed, and takes the last word on what is open", () => {
  equal(controlBehind(0, Opens), Opens);
  equal(controlBehind(Opens, 0), Opens);
  equal(controlBehind(Opens, Closes | Commits), Closes | Commits);
  equal(controlBehind(Closes | Commits, Opens), Opens | Commits);
});

Deno.test("endingsIn tells statement for statement what an aborted transaction lets through", () => {
  const cases: readonly [string, readonly string[]][] = [
    ["", []],
    [" ; -- nothing\n;", []],
    ["select 1", ["other"]],
    ["ROLLBACK", ["rollback"]],
    ["abort transaction;", ["rollback"]],
    ["Commit work", ["commit"]],
    ["end", ["commit"]],
    ["prepare transaction 'x'", ["commit"]],
    ["rollback to s", ["savepoint"]],
    ["rollback transaction to savepoint s", ["savepoint"]],
    ["rollback and chain", ["chain"]],
    ["commit and no chain", ["commit"]],
    ["commit prepared 'x'", ["other"]],
    ["rollback prepared 'x'", ["other"]],
    ["rollback; select 1", ["rollback", "other"]],
    ["begin", ["other"]],
  ];
  for (const [text, endings] of cases) deepEqual(endingsIn(text), endings, text);
});
