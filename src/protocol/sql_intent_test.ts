import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { mayHaveIntent, sqlIntent } from "./sql_intent.ts";

const said = (text: string) => {
  const intent = sqlIntent(text);
  return intent === null ? null : `${intent.intent} ${intent.scope}`;
};

Deno.test("sqlIntent reads the mode of BEGIN and START TRANSACTION, the last where there are several", () => {
  for (
    const text of [
      "BEGIN READ ONLY",
      "begin transaction isolation level repeatable read, read  only",
      "START TRANSACTION READ ONLY;",
      " /* pool */ -- x\n ;Begin Work Read\nOnly",
      "BEGIN READ WRITE READ ONLY",
      "BEGIN READ ONLY; SELECT 1",
    ]
  ) equal(said(text), "read transaction", text);
  equal(said("BEGIN READ WRITE"), "write transaction");
  equal(said("START TRANSACTION READ ONLY, READ WRITE"), "write transaction");
});

Deno.test("sqlIntent says nothing of a transaction that ends in the same text, or says no mode", () => {
  for (
    const text of [
      "BEGIN",
      "BEGIN; SELECT 'read only'",
      "BEGIN READ ONLY; SELECT 1; COMMIT; INSERT INTO t VALUES (1)",
      "BEGIN READ ONLY; SET TRANSACTION READ WRITE",
      "BEGIN READ ONLY; SET transaction_read_only = off",
      "SELECT 1",
      "beginning read only",
      "",
    ]
  ) equal(said(text), null, text);
});

Deno.test("sqlIntent knows the statements that no standby runs though a READ ONLY session may", () => {
  const texts = [
    "LISTEN a",
    "unlisten *",
    "/* x */NOTIFY a, 'b'",
    "SELECT pg_notify('a', 'b')",
    "vacuum t",
    "ANALYSE",
  ];
  deepEqual(new Set(texts.map(said)), new Set(["write statement"]));
  deepEqual(["listening", "EXPLAIN ANALYZE SELECT 1"].map(said), [null, null]);
});

Deno.test("mayHaveIntent tells most texts by how they begin, and doubts what has not come", () => {
  const may = (text: string, seen = text.length) => {
    const bytes = new TextEncoder().encode(text);
    return mayHaveIntent(bytes, 0, seen, bytes.length);
  };
  const doubtful = [
    " Begin",
    "START",
    "listen",
    "UNLISTEN",
    ";notify",
    "/* x */",
    "-- x",
    "values (pg_notify('a', ''))",
  ];
  deepEqual(doubtful.filter((text) => !may(text)), []);
  const plain = [
    "INSERT",
    "  delete",
    "with",
    "explain analyze",
    "",
    "set x = 1",
    "select 1",
    "update t",
    "call p()",
  ];
  deepEqual(plain.filter((text) => may(text)), []);
  deepEqual(["s", "se", "select pg_not"].map((seen) => may(`${seen}...`, seen.length)), [true, true, true]);
  equal(may("   INSERT", 2), true);
});

Deno.test("mayHaveIntent lets SELECT pass, but for what works on channels", () => {
  const may = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    return mayHaveIntent(bytes, 0, bytes.length, bytes.length);
  };
  deepEqual(
    ["SELECT abalance FROM pgbench_accounts WHERE aid = 1", "select pg_", "SELECT pg_sleep(1), txpg_a"].map(
      may,
    ),
    [false, false, false],
  );
  deepEqual(["SELECT PG_Notify('a', 'b')", "select * from pg_listening_channels()"].map(may), [true, true]);
});
