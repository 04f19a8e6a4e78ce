import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { RelayPlay } from "../../tests/harness/relay_play.ts";
import { Rig } from "../../tests/harness/rig.ts";
import { StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Need } from "./client_cursor.ts";
import { InvalidMessageLength } from "./malformed.ts";

const { concat } = frontend;

Deno.test("a session without a server fails one query, or one batch up to its Sync, and goes on", async () => {
  const waiting = new Rig({ statements: new StatementStore(), renames: true, acquire: () => null });
  const tooLate = new PgplexError("query_wait_timeout", "too late");
  for (
    const [type, bytes] of [
      ["Q", frontend.query("SELECT 1")],
      ["F", frontend.functionCall(5)],
      [
        "P",
        concat([
          frontend.parse("A"),
          frontend.bind(),
          frontend.flush(),
          frontend.query("skipped"),
          frontend.sync(),
        ]),
      ],
    ] as const
  ) {
    const rest = await waiting.say(concat([bytes, frontend.sync()]));
    equal(waiting.waiting, "lease");
    waiting.clientScan.failPending(type.charCodeAt(0), tooLate);
    await waiting.resume();
    await waiting.say(rest);
    const heard = new TextDecoder().decode(waiting.out.taken());
    deepEqual([heard[0], heard.includes("C53300\0Mtoo late"), heard.split("Z\0\0\0\x05I").length - 1], [
      "E",
      true,
      2,
    ]);
    equal(waiting.waiting, "bytes");
  }
});

Deno.test("ClientScan stops at a message that needs a server, and takes it once there is one", () => {
  const { rig, server } = new RelayPlay();
  const bytes = frontend.query("rows 1 1");
  equal(rig.clientScan.scan(bytes, 0, bytes.length), 0);
  equal(rig.clientScan.need, Need.Lease);
  rig.relay.leaseBegins(server.connection, false);
  equal(rig.clientScan.scan(bytes, 0, bytes.length), bytes.length);
  deepEqual([rig.clientScan.need, rig.clientScan.atMessageStart], [Need.Bytes, true]);
});

Deno.test("ClientScan ends with Terminate, and with what no PostgreSQL takes", () => {
  const { rig: { clientScan } } = new RelayPlay();
  const terminate = frontend.message("X");
  equal(clientScan.scan(terminate, 0, terminate.length), 0);
  equal(clientScan.need, Need.End);
  throws(() => clientScan.scan(frontend.text("?"), 0, 1), /invalid frontend message type 63/);
  const short = concat([frontend.text("Q"), frontend.int32(3)]);
  throws(() => clientScan.scan(short, 0, short.length), InvalidMessageLength);
});

Deno.test("ClientScan waits for the replies to what came before a message that ends the connection", async () => {
  const play = new RelayPlay();
  await play.tell(frontend.query("rows 1 1"));
  const { clientScan } = play.rig;
  equal(clientScan.scan(frontend.text("?"), 0, 1), 0);
  deepEqual([clientScan.need, clientScan.blocked], [Need.Replies, true]);
  await play.answer();
  equal(clientScan.blocked, false);
  equal(play.server.holder, null);
});

Deno.test("ClientScan asks for all of a query that it looks at, and for a header", () => {
  const { rig: { relay, clientScan }, server } = new RelayPlay();
  relay.leaseBegins(server.connection, false);
  const bytes = frontend.query("rows 1 1");
  equal(clientScan.scan(bytes, 0, 4), 0);
  equal(clientScan.wanted, 0);
  equal(clientScan.scan(bytes, 0, 8), 0);
  equal(clientScan.wanted, bytes.length);
});
