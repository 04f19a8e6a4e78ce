import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { RecordingSink } from "../../tests/harness/rig.ts";
import { typesOf } from "../../tests/harness/relay_play.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Mark, Owed, restoreAhead, StatementStore } from "../backend/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { encodeError, TxStatus } from "../protocol/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Relay } from "./relay.ts";
import { ServerScan, type ServerScanPort } from "./server_scan.ts";

const { concat, cstring, int16, int32, message, text } = frontend;
const ready = (status = "I") => message("Z", text(status));
const complete = (tag: string) => message("C", cstring(tag));
const error = (sqlstate: string, severity = "ERROR") =>
  message(
    "E",
    cstring(`S${severity}`),
    cstring(`V${severity}`),
    cstring(`C${sqlstate}`),
    cstring("Mno"),
    text("\0"),
  );

function made(port: Partial<ServerScanPort> = {}, { refusesBlocks = false } = {}) {
  const out = new RecordingSink();
  const relay = new Relay(out, new StatementStore(), {
    renames: true,
    refusesBlocks,
    preparedMax: 10,
    fingerprints: new Fingerprints(),
  });
  const { server } = fakeServer();
  relay.leaseBegins(server, false);
  const scan = new ServerScan(relay, {
    parameter: () => true,
    notification: () => true,
    fatal: () => true,
    canceled: () => null,
    blockBegun() {},
    ...port,
  });
  /** The server says this in one piece; the types of what the client hears. */
  const says = (...messages: Uint8Array[]) => {
    const bytes = concat(messages);
    equal(scan.scan(server, bytes, 0, bytes.length), bytes.length);
    out.flush();
    return typesOf(out.taken());
  };
  return { out, relay, server, scan, says };
}

Deno.test("ServerScan checks replies off, and reaches the boundary with the last one", () => {
  const { relay, server, says } = made();
  for (const kind of [Owed.Parse, Owed.Bind, Owed.Execute, Owed.Sync]) server.owed.sent(kind);
  equal(says(message("1"), message("2"), complete("SELECT 0")), "12C");
  deepEqual([relay.progress.boundary, server.owed.length], [false, 1]);
  equal(says(ready()), "Z");
  equal(relay.progress.boundary, true);
});

Deno.test("ServerScan takes out what pgplex asked for itself, with its notices", () => {
  const { server, says } = made();
  server.owed.sent(Owed.Parse | Mark.Swallow);
  server.owed.sent(Owed.Sync | Mark.Swallow);
  server.owed.sent(Owed.Query);
  const notice = message("N", cstring("SNOTICE"), text("\0"));
  equal(says(notice, message("1"), ready(), notice, complete("SELECT 0"), ready()), "NCZ");
});

Deno.test("ServerScan tells of a transaction that is open behind a reply where none may be, and keeps that from the client", () => {
  const told: string[] = [];
  for (
    const [refusesBlocks, status, heard] of [[true, "T", "C"], [true, "E", "C"], [true, "I", "CZ"], [
      false,
      "T",
      "CZ",
    ]] as const
  ) {
    const { server, says } = made({ blockBegun: () => told.push(status) }, { refusesBlocks });
    server.owed.sent(Owed.Query);
    equal(says(complete("BEGIN"), ready(status)), heard);
    equal(server.txStatus, status.charCodeAt(0));
  }
  deepEqual(told, ["T", "E"]);
});

Deno.test("ServerScan throws what a server breaks, after what came before it has passed", () => {
  for (
    const [broken, owed] of [
      [message("1"), Owed.Bind],
      [ready(), Owed.Bind],
      [message("Z"), Owed.Query],
      [message("v"), Owed.Query],
      [concat([text("D"), int32(3)]), Owed.Query],
    ] as const
  ) {
    const { out, server, scan } = made();
    server.owed.sent(owed);
    const row = message("D", int16(0));
    const bytes = concat([row, broken]);
    throws(() => scan.scan(server, bytes, 0, bytes.length), /the server broke the protocol/);
    out.flush();
    deepEqual(out.taken(), row);
  }
});

Deno.test("ServerScan is in the middle of a message while the client has not got all of one", () => {
  const { relay, server, scan } = made();
  server.owed.sent(Owed.Query);
  const row = message("D", text("0123456789"));
  scan.scan(server, row, 0, 8);
  deepEqual([scan.midMessage, relay.progress.midReply], [true, true]);
  scan.scan(server, row, 8, row.length);
  deepEqual([scan.midMessage, relay.progress.midReply], [false, false]);
});

Deno.test("ServerScan asks whether the client hears of a setting or a notification, and notes the setting", () => {
  const { server, says } = made({ parameter: (name) => name !== "a", notification: () => false });
  const parameter = (name: string) => message("S", cstring(name), cstring("x"));
  const notification = message("A", int32(7), cstring("c"), cstring("p"));
  equal(says(parameter("a"), notification, parameter("b")), "S");
  deepEqual([...server.reported.values], [["a", "x"], ["b", "x"]]);
});

Deno.test("ServerScan tells of a FATAL, and replaces the error of what was cancelled where it is told to", () => {
  const fatal: string[] = [];
  const reply = encodeError("ERROR", new PgplexError("query_timeout", "too late"));
  const { server, says } = made({ fatal: ({ message }) => fatal.push(message) > 0, canceled: () => reply });
  server.owed.sent(Owed.Query);
  equal(says(error("57014")), "E57014 ");
  deepEqual(fatal, []);
  equal(says(error("57P01", "FATAL")), "E57P01 ");
  deepEqual(fatal, ["no"]);
});

Deno.test("ServerScan tells a query's error by that of what was sent ahead of it", () => {
  const { server, says } = made();
  server.owed.sent(Owed.Parse | Mark.Swallow);
  server.owed.sent(Owed.Sync | Mark.Swallow);
  server.owed.sent(Owed.Query);
  equal(says(error("42P01"), ready(), error("26000"), ready()), "E42P01 Z");
});

Deno.test("ServerScan forgets the session's statements when all are dropped, and watches for RESET", () => {
  const { relay, server, says } = made();
  const statement = new StatementStore().use("Q\0\0\0");
  for (
    const [tag, names, reset] of [["RESET", 1, true], ["DEALLOCATE ALL", 0, false], [
      "DISCARD ALL",
      0,
      true,
    ]] as const
  ) {
    relay.leaseBegins(server, false);
    relay.names.set("s", statement);
    server.owed.sent(Owed.Query);
    says(complete(tag), ready());
    deepEqual([relay.names.size, relay.watch.wasReset], [names, reset], tag);
    relay.names.remove("s");
  }
});

Deno.test("ServerScan notes the status that ReadyForQuery tells", () => {
  const { relay, server, says } = made();
  server.owed.sent(Owed.Query);
  says(complete("BEGIN"), ready("T"));
  deepEqual([server.txStatus, relay.progress.boundary], [TxStatus.InTransaction, false]);
});

Deno.test("ServerScan gives a connection up whose restore in front of a message fails, and tells the client nothing of it", () => {
  const { out, server, says } = made();
  restoreAhead(server, [{ name: "app.a", sql: `SET "app"."a" TO '1'` }]);
  server.owed.sent(Owed.Query);
  equal(says(message("1"), message("2"), complete("BEGIN"), message("1"), message("2")), "");
  throws(() => says(error("42602")), { code: "restore_failed", sqlstate: "42602", message: "no" });
  equal(server.ahead?.next, "app.a");
  out.flush();
  equal(typesOf(out.taken()), "");
  // The client still waits for its answer.
  equal(server.owed.readies, 1);
});

Deno.test("ServerScan passes the error of a message behind a restore that went well", () => {
  const { server, says } = made();
  restoreAhead(server, [{ name: "app.a", sql: `SET "app"."a" TO '1'` }]);
  server.owed.sent(Owed.Query);
  for (const tag of ["BEGIN", "SET", "COMMIT"]) equal(says(message("1"), message("2"), complete(tag)), "");
  equal(server.ahead, null);
  equal(says(error("42601"), ready()), "E42601 Z");
});
