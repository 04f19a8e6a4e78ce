import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { UNDIRECTED } from "./directives.ts";
import { type Portal, PreparedSet, type PreparedStatement } from "./prepared.ts";

const statement = (chars = 1): PreparedStatement => ({
  invocation: null,
  directed: UNDIRECTED,
  paramTypes: [],
  chars,
});
const portal = (...params: string[]): Portal => ({
  statement: statement(),
  params,
  formats: [],
  answer: null,
  sent: 0,
  finished: false,
});
const table = (rows: number) => ({
  columns: columns("a int4, b int4"),
  rows: Array.from({ length: rows }, () => [1, 2]),
});

Deno.test("PreparedSet replaces what has no name, and refuses a name twice", () => {
  const set = new PreparedSet();
  const [first, second] = [statement(), statement()];
  set.addStatement("", first);
  set.addStatement("", second);
  equal(set.statement(""), second);
  set.addStatement("s", first);
  throws(() => set.addStatement("s", second), { code: "duplicate_statement", sqlstate: "42P05" });
  set.addPortal("p", portal());
  throws(() => set.addPortal("p", portal()), { code: "duplicate_portal", sqlstate: "42P03" });
  set.addPortal("", portal());
  set.addPortal("", portal());
  equal(set.statementCount, 2);
});

Deno.test("PreparedSet says which statement or portal does not exist", () => {
  const set = new PreparedSet();
  set.addStatement("s", statement());
  set.closeStatement("s");
  throws(() => set.statement("s"), { sqlstate: "26000", message: 'prepared statement "s" does not exist' });
  throws(() => set.statement(""), { message: "unnamed prepared statement does not exist" });
  set.addPortal("p", portal());
  set.closePortal("p");
  throws(() => set.portal("p"), { sqlstate: "34000", message: 'portal "p" does not exist' });
  set.addStatement("a", statement());
  set.addPortal("b", portal());
  set.closeAllStatements();
  set.closeAllPortals();
  throws(() => set.statement("a"), { code: "statement_missing" });
  throws(() => set.portal("b"), { code: "portal_missing" });
});

Deno.test("PreparedSet bounds the characters of statements and of parameters", () => {
  const set = new PreparedSet();
  set.addStatement("a", statement(600_000));
  throws(() => set.addStatement("b", statement(400_001)), { code: "statement_too_large" });
  set.addStatement("b", statement(400_000));
  set.addPortal("", portal("x".repeat(600_000)));
  set.addPortal("", portal("x".repeat(600_000))); // in place of the first
  throws(() => set.addPortal("p", portal("x".repeat(400_001))), { code: "statement_too_large" });
});

Deno.test("PreparedSet bounds the cells that portals keep, but a single table may have more", () => {
  const set = new PreparedSet();
  const [first, second] = [portal(), portal()];
  set.addPortal("first", first);
  set.addPortal("second", second);
  const large = table(500_001);
  equal(set.keep(first, large), large);
  throws(() => set.keep(second, table(1)), { code: "statement_too_large" });
  set.finish(first);
  deepEqual([first.finished, first.sent, "rows" in first.answer! && first.answer.rows.length], [true, 0, 0]);
  set.keep(second, table(1));
  equal(second.answer !== null, true);
});
