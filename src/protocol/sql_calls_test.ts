import { strictEqual as equal } from "node:assert/strict";
import { sqlTraits } from "./sql_traits.ts";

const CALLS: readonly string[] = [
  "SELECT f()",
  "SELECT my.count(*) FROM t",
  "select * from t where check_it(a)",
  "INSERT INTO t (a) VALUES (f(1))",
  'SELECT "Odd"(1)',
  "WITH q AS (SELECT g(x) FROM t) SELECT count(*) FROM q",
];

const NO_CALLS: readonly string[] = [
  "SELECT abalance FROM pgbench_accounts WHERE aid = 1",
  "INSERT INTO pgbench_history (tid, bid) VALUES (1, 2)",
  "INSERT INTO s.t (a, b) SELECT a, count(*) FROM u GROUP BY a",
  "SELECT pg_catalog.lower(a), coalesce(b, now()), a IN (1, 2) FROM t WHERE (a = 1) AND (b = 2)",
  "COPY t (a, b) FROM STDIN",
  "WITH q (a) AS (VALUES (1)) SELECT sum(a) OVER (PARTITION BY a) FROM q",
  "SELECT a::numeric(10, 2), CAST(b AS varchar(3)) FROM t JOIN u USING (a)",
];

Deno.test("A statement that calls a function of which nothing is known is stateful, as it may do anything tomorrow", () => {
  for (const sql of CALLS) equal(sqlTraits(sql).stateful, true, sql);
});

Deno.test("Lists of columns, keywords, types and common functions of the catalogue are no reason to probe", () => {
  for (const sql of NO_CALLS) equal(sqlTraits(sql).stateful, false, sql);
});
