import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { Owed } from "../../backend/mod.ts";
import { Fingerprints, StateWatch } from "../../learning/mod.ts";
import { ClientEncoding, TxStatus } from "../../protocol/mod.ts";
import { Progress } from "../progress.ts";
import { TransactionControl } from "../transaction_control.ts";
import { NameDrops } from "./name_drops.ts";
import { SqlStatements } from "./sql_statements.ts";

const A = "PREPARE a AS SELECT 1";
const QUERY = { simple: true, sure: true };
const BATCH = { simple: false, sure: true };

function made() {
  const watch = new StateWatch(new Fingerprints());
  const drops = new NameDrops();
  const control = new TransactionControl();
  const encoding = new ClientEncoding();
  const sql = new SqlStatements({ watch, changes: { drops }, control, progress: new Progress(), encoding });
  sql.found(fakeServer().server, new Map([["a", A]]));
  return { watch, drops, sql, encoding };
}

Deno.test("SqlStatements makes a server have what was made elsewhere, once, and not where it refuses", async () => {
  const { sql } = made();
  const { server, stream } = fakeServer();
  server.noteStatus(TxStatus.Failed);
  sql.ensure(server, "a", QUERY);
  deepEqual([server.owed.length, sql.outOfReach(server, "a")], [0, true]);
  server.noteStatus(TxStatus.Idle);
  for (let i = 0; i < 2; i++) sql.ensure(server, "a", QUERY);
  sql.ensure(server, "b", QUERY);
  deepEqual([server.owed.length, server.sqlStatements.get("a")?.sql, sql.outOfReach(server, "a")], [
    5,
    A,
    false,
  ]);
  await server.out.flush();
  equal(new TextDecoder().decode(stream.taken()).split(A).length, 2);
});

Deno.test("SqlStatements makes a text with literals by the settings that held when it was found, as the server keeps it", async () => {
  const { sql, encoding } = made();
  const { server, stream } = fakeServer();
  const settings = [["client_encoding", "LATIN1"], ["server_encoding", "UTF8"], [
    "DateStyle",
    "German",
  ]] as const;
  for (const [name, value] of settings) server.state.reports(name, value);
  encoding.follow(server.settings.values);
  sql.found(
    server,
    new Map([["d", "PREPARE d AS SELECT '1.2.2024'::date"], ["e", "PREPARE e AS SELECT '\xc3\xa9'"]]),
  );
  server.sqlStatements.clear();
  server.state.reports("DateStyle", "ISO");
  const makes = async (name: string) => {
    sql.ensure(server, name, BATCH);
    await server.out.flush();
    return new TextDecoder("latin1").decode(stream.taken());
  };
  const dated = await makes("d");
  deepEqual([dated.includes("German"), dated.includes("SQL_ASCII")], [true, false]);
  const encoded = await makes("e");
  equal(encoded.includes("SQL_ASCII") && encoded.indexOf("SQL_ASCII") < encoded.indexOf("\xc3\xa9"), true);
});

Deno.test("SqlStatements: the server has it not where its PREPARE failed", () => {
  const { sql } = made();
  const { server } = fakeServer();
  sql.ensure(server, "a", BATCH);
  server.owed.error("42P05", () => {});
  equal(server.sqlStatements.has("a"), false);
});

Deno.test("SqlStatements.mayBe knows those that are, and those that a text of this lease named", () => {
  const { sql, watch } = made();
  const text = "PREPARE b AS SELECT 2";
  watch.runs(watch.look(new TextEncoder().encode(text), 0, text.length));
  deepEqual(["a", "b", "c"].map((name) => sql.mayBe(name)), [true, true, false]);
});

Deno.test("SqlStatements.close takes one away, and back, unless all were dropped meanwhile", () => {
  const { sql, drops } = made();
  sql.close("a").undo();
  equal(sql.texts.get("a")?.sql, A);
  const closed = sql.close("a");
  equal(sql.texts.size, 0);
  drops.done();
  closed.undo();
  equal(sql.texts.size, 0);
});

Deno.test("SqlStatements.found: what the server had and has no more is gone, what it never had is not", () => {
  const { sql } = made();
  const { server } = fakeServer();
  const B = "PREPARE b AS SELECT 2";
  equal(sql.found(server, new Map([["b", B]])), true);
  deepEqual([...sql.texts.keys()], ["a", "b"]);
  equal(sql.found(server, new Map([["b", B]])), false);
  equal(sql.found(server, new Map()), true);
  deepEqual([...sql.texts.keys()], ["a"]);
  sql.allDropped(server);
  deepEqual([sql.texts.size, server.sqlStatements.size], [0, 0]);
});

Deno.test("SqlStatements.found: one that was prepared anew is another one, though its text is the same", () => {
  const { sql, watch } = made();
  const { server } = fakeServer();
  const found = () => {
    sql.found(server, new Map([["a", A]]));
    return sql.texts.get("a");
  };
  const elsewhere = sql.texts.get("a");
  const first = found();
  equal(elsewhere === first, false);
  equal(found(), first);
  sql.texted(server, watch.look(new TextEncoder().encode(A), 0, A.length).traits);
  equal(found() === first, false);
});

Deno.test("SqlStatements makes nothing behind a DEALLOCATE ALL of the same batch", () => {
  const { sql, drops } = made();
  const { server } = fakeServer();
  drops.begin(server.owed, false);
  server.owed.sent(Owed.Execute);
  sql.ensure(server, "a", BATCH);
  equal(server.owed.length, 1);
});

Deno.test("SqlStatements: what a server may still skip is doubtful to later batches, and made again where it was", () => {
  const { sql } = made();
  const { server } = fakeServer();
  const { owed } = server;
  sql.ensure(server, "a", BATCH);
  deepEqual([sql.pending, sql.doubtful("a", owed.batch), sql.doubtful("b", owed.batch)], [
    true,
    false,
    false,
  ]);
  owed.sent(Owed.Sync);
  deepEqual([sql.doubtful("a", owed.batch), server.sqlStatements.has("a")], [true, true]);
  owed.error("22012", () => {});
  owed.ready();
  deepEqual([sql.pending, sql.doubtful("a", owed.batch), server.sqlStatements.has("a")], [
    false,
    false,
    false,
  ]);
});

Deno.test("SqlStatements makes a statement under the search_path that held where a text prepared it, where both are certain", async () => {
  const { sql, watch } = made();
  const { server, stream } = fakeServer();
  const prepares = (text: string) => {
    const fingerprint = watch.look(new TextEncoder().encode(text), 0, text.length);
    sql.texted(server, fingerprint.traits);
    watch.runs(fingerprint);
  };
  const B = "PREPARE b AS SELECT 2";
  server.state.reports("search_path", "one");
  prepares(B);
  prepares("SET search_path = two; PREPARE c AS SELECT 3");
  server.state.reports("search_path", "two");
  sql.found(server, new Map([["b", B], ["c", "PREPARE c AS SELECT 3"]]));
  const makes = async (name: string, sure: boolean) => {
    server.sqlStatements.clear();
    sql.ensure(server, name, { simple: false, sure });
    await server.out.flush();
    const text = new TextDecoder().decode(stream.taken());
    return ["one", "PREPARE", "two"].filter((what) => text.includes(what));
  };
  deepEqual(await makes("b", true), ["one", "PREPARE", "two"]);
  deepEqual(await makes("b", false), ["PREPARE"]);
  deepEqual(await makes("c", true), ["PREPARE"]);
});

Deno.test("SqlStatements.isElsewhere of what this connection has not, and of nothing that a DEALLOCATE ALL before in the batch ends", () => {
  const { sql, drops } = made();
  const { server } = fakeServer();
  deepEqual(["a", "b"].map((name) => sql.isElsewhere(server, name)), [true, false]);
  server.foreignNames.add("a");
  equal(sql.isElsewhere(server, "a"), false);
  server.foreignNames.clear();
  drops.begin(server.owed, false);
  server.owed.sent(Owed.Execute);
  equal(sql.isElsewhere(server, "a"), false);
});
