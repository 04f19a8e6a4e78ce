import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { queriesIn } from "../backend/fake_network_test.ts";
import { fakeServer, sqlStatement } from "../backend/fake_server_test.ts";
import { Settings } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeError, encodeReadyForQuery, encodeTextRow, TxStatus } from "../protocol/mod.ts";
import { resetConnection } from "./reset.ts";

const IDLE = encodeReadyForQuery(TxStatus.Idle);
const FAILURE = encodeError("ERROR", new PgplexError("internal", "no"));
/** What the three queries of a reset are answered with where all is well: there is no temporary schema. */
const WELL: readonly Uint8Array[][] = [[IDLE], [IDLE], [encodeTextRow("0"), IDLE]];

/** A server that answers each query in turn, on which a session left something. */
function rig(answers: readonly Uint8Array[][]) {
  const { server, stream, statements } = fakeServer({ settings: Settings.from([["TimeZone", "UTC"]]) });
  const asked: string[] = [];
  stream.onWrite = (bytes) => {
    for (const sql of queriesIn(bytes)) {
      asked.push(sql);
      stream.say(...answers[asked.length - 1]!);
    }
  };
  const reader = server.start();
  const close = async () => {
    stream.onWrite = null;
    server.close();
    await reader;
  };
  return { server, stream, statements, asked, close };
}

/** What a reset says of a connection that answers so. */
async function isClean(answers: readonly Uint8Array[][]): Promise<boolean> {
  const { server, close } = rig(answers);
  const clean = await resetConnection(server);
  await close();
  return clean;
}

Deno.test("resetConnection rolls back, discards all, and asks for the temporary schema, a query each", async () => {
  const { server, asked, close } = rig(WELL);
  equal(await resetConnection(server), true);
  deepEqual(asked, ["ROLLBACK", "DISCARD ALL", "SELECT pg_catalog.pg_my_temp_schema()"]);
  await close();
});

Deno.test("resetConnection forgets what the session left: statements, settings that nothing reports, its name", async () => {
  const { server, statements, close } = rig(WELL);
  const statement = statements.use("SELECT 1");
  server.prepared.add(statement);
  statements.release(statement);
  const owner = {};
  server.unnamed.parseSent(owner, 1, 0);
  server.state.found(server.settings.with("work_mem", "1"), true);
  server.sqlStatements.add("s", sqlStatement("PREPARE s AS SELECT 1"));
  await resetConnection(server);
  equal(statements.size, 0);
  deepEqual([server.unnamed.holds(owner, 1), server.state.nameIsSet, server.sqlStatements.size], [
    false,
    false,
    0,
  ]);
  equal(server.settings, server.reported);
  await close();
});

Deno.test("resetConnection trusts no connection that failed, is in a transaction, or has made its temporary schema", async () => {
  equal(await isClean([[FAILURE, IDLE], [IDLE], [encodeTextRow("0"), IDLE]]), false);
  equal(await isClean([[IDLE], [FAILURE, IDLE], [encodeTextRow("0"), IDLE]]), false);
  equal(
    await isClean([[IDLE], [IDLE], [encodeTextRow("0"), encodeReadyForQuery(TxStatus.InTransaction)]]),
    false,
  );
  equal(await isClean([[IDLE], [IDLE], [encodeTextRow("16400"), IDLE]]), false);
  equal(await isClean([[IDLE], [IDLE], [IDLE]]), false);
});

Deno.test("resetConnection rejects when the server ends meanwhile", async () => {
  const { server, stream, close } = rig(WELL);
  stream.onWrite = () => stream.end();
  await rejects(resetConnection(server), { code: "server_lost" });
  await close();
});
