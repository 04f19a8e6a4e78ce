import { strictEqual as equal } from "node:assert/strict";
import { BEFORE_STATEMENT, isLocalSet, isTwoPhase, STATEFUL_FIRST } from "./sql_statement.ts";

Deno.test("isLocalSet is true for a SET that ends with the transaction, and for nothing else", () => {
  for (const next of ["local", "transaction", "constraints"]) {
    equal(isLocalSet(["set", next, "a"], 0), true, next);
    equal(isLocalSet([";", "set", next], 1), true, next);
    equal(isLocalSet(["reset", next], 0), false, next);
    equal(isLocalSet(["set", next, ".", "a"], 0), false, `a custom setting of ${next}`);
  }
  for (const next of ["session", "role", "work_mem", ""]) equal(isLocalSet(["set", next], 0), false, next);
});

Deno.test("isTwoPhase is true for PREPARE TRANSACTION, and for no prepared statement", () => {
  equal(isTwoPhase(["prepare", "transaction", "?"], 0), true);
  equal(isTwoPhase([";", "prepare", "transaction", "u", "&", "?"], 1), true);
  equal(isTwoPhase(["prepare", "transaction", "as", "select", "?"], 0), false);
  equal(isTwoPhase(["prepare", "transaction", "(", "int", ")", "as"], 0), false);
  equal(isTwoPhase(["execute", "transaction"], 0), false);
});

Deno.test("STATEFUL_FIRST has the words of what outlasts a transaction in its session, and none of what reads or writes data", () => {
  const stateful = [
    "set",
    "reset",
    "discard",
    "prepare",
    "deallocate",
    "listen",
    "load",
    "do",
    "create",
    "declare",
  ];
  for (const word of stateful) equal(STATEFUL_FIRST.has(word), true, word);
  for (
    const word of [
      "select",
      "insert",
      "update",
      "delete",
      "begin",
      "commit",
      "call",
      "show",
      "notify",
      "fetch",
    ]
  ) {
    equal(STATEFUL_FIRST.has(word), false, word);
  }
});

Deno.test("BEFORE_STATEMENT has what stands before a statement in a routine's body too", () => {
  // The point of `<<label>> SET …` is the last of its brackets.
  for (const word of [";", "begin", "then", "else", "loop", "atomic", ">"]) {
    equal(BEFORE_STATEMENT.has(word), true, word);
  }
  for (const word of ["update", "as", "(", "select", "t"]) equal(BEFORE_STATEMENT.has(word), false, word);
});
