import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { fakeConsole } from "../command/fake_context_test.ts";
import { type Command, showCommand } from "../command/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { CONNECTION_COMMANDS } from "./connection_commands.ts";

const POOLS = { columns: columns("n int4"), rows: [[7]] };

function console() {
  const pools = showCommand("POOLS", () => POOLS);
  const path: Command = { words: ["SHOW"], access: "stats", run: (args) => (args.texts(1, 1), {}) };
  return fakeConsole([...CONNECTION_COMMANDS, pools, path], new FakeParts().parts);
}

Deno.test("BEGIN and COMMIT keep the transaction's status, and warn as PostgreSQL does", async () => {
  const { run, asker } = console();
  deepEqual(await run("BEGIN ISOLATION LEVEL SERIALIZABLE"), { tag: "BEGIN" });
  deepEqual(asker.inTransaction, true);
  deepEqual((await run("START TRANSACTION")).notices?.[0]?.sqlstate, "25001");
  deepEqual(await run("SAVEPOINT s"), {});
  deepEqual(await run("ROLLBACK TO SAVEPOINT s"), { tag: "ROLLBACK" });
  deepEqual(asker.inTransaction, true);
  deepEqual(await run("END"), { tag: "COMMIT" });
  deepEqual(asker.inTransaction, false);
  deepEqual((await run("ABORT")).notices?.[0]?.sqlstate, "25P01");
});

Deno.test("DISCARD and DEALLOCATE close what the client has prepared", async () => {
  const { run, asker } = console();
  deepEqual(await run("DISCARD PLANS"), { tag: "DISCARD PLANS" });
  deepEqual(asker.told, []);
  deepEqual(await run("DISCARD ALL"), { tag: "DISCARD ALL" });
  deepEqual(asker.told, ["deallocate all", "application_name=psql"]);
  asker.told.length = 0;
  deepEqual(await run("DEALLOCATE PREPARE s"), { tag: "DEALLOCATE" });
  deepEqual(await run("DEALLOCATE prepare"), { tag: "DEALLOCATE" });
  deepEqual(await run("DEALLOCATE ALL"), { tag: "DEALLOCATE ALL" });
  deepEqual(asker.told, ["deallocate s", "deallocate prepare", "deallocate all"]);
  await rejects(run("DISCARD x"), { code: "syntax_error" });
  await rejects(run("DEALLOCATE a b"), { message: 'syntax error at or near "b"' });
});

Deno.test("SELECT answers the keep-alive queries of drivers", async () => {
  const { run } = console();
  const one = async (text: string) => {
    const answer = await run(text);
    if (!("columns" in answer)) throw new Error("a SELECT has rows");
    return [answer.columns[0]!.name, answer.columns[0]!.type, answer.rows[0]![0], answer.tag];
  };
  deepEqual(await one("SELECT 1"), ["?column?", "int4", 1, "SELECT 1"]);
  deepEqual(await one("SELECT 'x' AS a"), ["a", "text", "x", "SELECT 1"]);
  deepEqual(await one("SELECT pg_catalog.version()"), [
    "version",
    "text",
    "PostgreSQL 18.0 (pgplex 1.2.3)",
    "SELECT 1",
  ]);
  deepEqual(await one("SELECT current_user"), ["current_user", "text", "admin", "SELECT 1"]);
  deepEqual(await one("SELECT pg_is_in_recovery() r"), ["r", "bool", false, "SELECT 1"]);
  deepEqual(await one("SELECT pg_backend_pid()"), ["pg_backend_pid", "int4", 1, "SELECT 1"]);
});

Deno.test("SELECT of a table's name is its SHOW, of types is empty, and any other is refused", async () => {
  const { run } = console();
  deepEqual(await run("SELECT pools"), { ...POOLS, tag: "SHOW" });
  deepEqual(await run("SELECT oid, typarray FROM pg_catalog.pg_type WHERE x"), {
    columns: columns("oid int4, typarray int4"),
    rows: [],
    tag: "SELECT 0",
  });
  await rejects(run("SELECT * FROM t"), {
    code: "syntax_error",
    message: "invalid command 'SELECT …', use SHOW HELP;",
  });
});
