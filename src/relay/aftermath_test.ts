import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { Rig } from "../../tests/harness/rig.ts";
import { messagesIn } from "../servers/fake_cluster_test.ts";
import { StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { LeftOver } from "./aftermath.ts";

const { bind, close, concat, describe, execute, extendedQuery, flush, parse, query, sync } = frontend;

const LOST = new PgplexError("transaction_lost", "lost");
const ABORTED: LeftOver = { inTransaction: true, skipping: false, untold: null };
const UNTOLD: LeftOver = { ...ABORTED, untold: LOST };
const SKIPPING: LeftOver = { inTransaction: false, skipping: true, untold: null };

/** A session without a server, in the middle of what `left` says. */
function session(left: LeftOver, { renames = true } = {}) {
  const rig = new Rig({ statements: new StatementStore(), renames, acquire: () => null });
  rig.clientScan.serverLost(left);
  /** What the client hears when it says `parts`; `lease` where a server is needed then. */
  const say = async (...parts: Uint8Array[]) => {
    await rig.say(concat(parts));
    const heard = messagesIn(rig.out.taken()).map(({ type, fields, status, tag }) => {
      if (type === "E") return fields!["C"]!;
      if (type === "C") return tag!;
      return type === "Z" ? `Z${status}` : type;
    });
    return [...heard, ...rig.waiting === "lease" ? ["lease"] : []].join(" ");
  };
  return { rig, say };
}

Deno.test("Aftermath refuses all but the end of the transaction, by simple query", async () => {
  const { say } = session(ABORTED);
  equal(await say(query("SELECT 1")), "25P02 ZE");
  equal(await say(query("SELECT 1; ROLLBACK")), "25P02 ZE");
  equal(await say(query("SAVEPOINT s")), "25P02 ZE");
  equal(await say(query("ROLLBACK TO SAVEPOINT s")), "3B001 ZE");
  equal(await say(query("ROLLBACK AND CHAIN")), "25P02 ZE");
  equal(await say(query("COMMIT PREPARED 'x'")), "25P02 ZE");
  equal(await say(query(" ; -- nothing")), "I ZE");
  equal(await say(frontend.functionCall(5)), "25P02 ZE");
  equal(await say(sync()), "ZE");
  equal(await say(query("rollback")), "ROLLBACK ZI");
  equal(await say(query("SELECT 1")), "lease");
});

Deno.test("Aftermath answers ROLLBACK to each way to end the transaction", async () => {
  for (
    const sql of [
      "COMMIT",
      "END",
      "ABORT",
      "end work",
      "/* x */ Rollback Transaction;",
      "COMMIT AND NO CHAIN",
      "PREPARE TRANSACTION 'x'",
    ]
  ) {
    const { say } = session(ABORTED);
    equal(await say(query(sql)), "ROLLBACK ZI", sql);
    equal(await say(query("SELECT 1")), "lease");
  }
});

Deno.test("Aftermath tells once of a loss that the client has not heard of, COMMIT too, but not ROLLBACK", async () => {
  const other = session(UNTOLD);
  equal(await other.say(query("SELECT 1")), "40001 ZE");
  equal(await other.say(query("SELECT 1")), "25P02 ZE");
  equal(await other.say(query("COMMIT")), "ROLLBACK ZI");
  equal(await session(UNTOLD).say(query("COMMIT")), "40001 ZI");
  equal(await session(UNTOLD).say(query("ROLLBACK")), "ROLLBACK ZI");
  equal(await session(UNTOLD).say(query("ROLLBACK TO s")), "40001 ZE");
  equal(await session(UNTOLD).say(extendedQuery("SELECT 1")), "40001 ZE");
  equal(await session(UNTOLD).say(extendedQuery("COMMIT")), "1 2 n 40001 ZI");
});

Deno.test("Aftermath says where a client rolled back without having heard", async () => {
  for (const [sql, expected] of [["ROLLBACK", 1], ["ROLLBACK; BEGIN", 1], ["COMMIT", 0]] as const) {
    let unheard = 0;
    const { say } = session({ ...UNTOLD, unheard: () => void unheard++ });
    await say(query(sql));
    equal(unheard, expected, sql);
  }
});

Deno.test("Aftermath runs nothing of a text behind COMMIT, and leaves what stands behind ROLLBACK to a server", async () => {
  const committing = session(ABORTED);
  equal(await committing.say(query("COMMIT; SELECT 1")), "ROLLBACK 40001 ZI");
  const rollingBack = session(ABORTED);
  equal(await rollingBack.say(query("ROLLBACK; BEGIN")), "lease");
});

Deno.test("Aftermath takes the extended protocol as an aborted transaction does", async () => {
  const { say } = session(ABORTED);
  equal(await say(extendedQuery("SELECT 1")), "25P02 ZE");
  equal(await say(parse("SELECT 1"), bind(), execute(), flush()), "25P02");
  equal(await say(query("SELECT 1"), parse("COMMIT")), "");
  equal(await say(sync()), "ZE");
  equal(await say(parse("ROLLBACK"), bind(), describe("P"), flush()), "1 2 n");
  equal(await say(execute(), sync()), "ROLLBACK ZI");
  equal(await say(sync()), "ZI");
});

Deno.test("Aftermath keeps statements that the client prepares, and knows what there is not", async () => {
  const { rig, say } = session(ABORTED);
  equal(await say(parse("COMMIT", { name: "end" }), sync()), "1 ZE");
  equal(await say(parse("COMMIT", { name: "end" }), sync()), "42P05 ZE");
  equal(await say(describe("S", "end"), sync()), "t n ZE");
  equal(await say(bind({ statement: "nobody" }), sync()), "26000 ZE");
  equal(await say(execute({ portal: "nobody" }), sync()), "34000 ZE");
  equal(await say(describe("P", "nobody"), sync()), "34000 ZE");
  equal(await say(close("S", "nobody"), close("P", "nobody"), sync()), "3 3 ZE");
  equal(await say(parse(""), bind(), execute(), sync()), "1 2 I ZE");
  equal(await say(bind({ statement: "end" }), execute(), sync()), "2 ROLLBACK ZI");
  deepEqual([...rig.relay.names.names()], ["end"]);
});

Deno.test("Aftermath drops what is left of a batch that has failed", async () => {
  const { say } = session(SKIPPING);
  equal(await say(bind(), execute(), query("SELECT 1"), flush()), "");
  equal(await say(sync()), "ZI");
  equal(await say(query("SELECT 1")), "lease");
});

Deno.test("Aftermath drops COPY data that the client sends on", async () => {
  const { say } = session(ABORTED);
  equal(await say(frontend.copyData("1\n"), frontend.copyDone(), query("SELECT 1")), "25P02 ZE");
});

Deno.test("Aftermath refuses what is too long to be an end, as it comes", async () => {
  const { say } = session(UNTOLD);
  const long = `ROLLBACK /* ${"x".repeat(100_000)} */`;
  equal(await say(query(long)), "40001 ZE");
  equal(await say(extendedQuery(long)), "25P02 ZE");
  equal(await say(query("ROLLBACK")), "ROLLBACK ZI");
});

Deno.test("Aftermath leaves Terminate to the session", async () => {
  const { rig, say } = session(ABORTED);
  await say(frontend.terminate());
  equal(rig.waiting, "end");
});

Deno.test("Aftermath needs a server behind the end of a transaction in the middle of a batch", async () => {
  const { say } = session(ABORTED);
  equal(await say(parse("ROLLBACK"), bind(), execute(), parse("SELECT 1")), "1 2 ROLLBACK lease");
});
