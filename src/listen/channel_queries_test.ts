import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { queriesIn } from "../backend/fake_network_test.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import { encodeError, encodeReadyForQuery, encodeTextRow, TxStatus } from "../protocol/mod.ts";
import {
  hearMarker,
  listenForeign,
  listeningChannels,
  notifyMarker,
  unlistenAll,
} from "./channel_queries.ts";
import { answerAll, DONE } from "./fake_session_test.ts";

const REFUSED = concat(
  encodeError("ERROR", new PgplexError("internal", "no", { sqlstate: "42501" })),
  encodeReadyForQuery(TxStatus.Idle),
);

function rig() {
  const { server, stream } = fakeServer();
  const reader = server.start();
  return {
    server,
    stream,
    queries: answerAll(stream),
    async [Symbol.asyncDispose]() {
      server.close();
      await reader;
    },
  };
}

Deno.test("channel queries quote names, and say no more than they must", async () => {
  await using one = rig();
  const { server, queries } = one;
  await unlistenAll(server);
  await notifyMarker(server, 'm"m', 7);
  equal(await hearMarker(server, "m", 8), true);
  deepEqual(queries, [
    "UNLISTEN *",
    `NOTIFY "m""m", '7'`,
    `SELECT pg_catalog.set_config('synchronous_commit', 'off', true); LISTEN "m"; NOTIFY "m", '8'`,
  ]);
  equal(server.sink, null);
});

Deno.test("listenForeign speaks the names' encoding for as long as it names them", async () => {
  await using one = rig();
  await listenForeign(one.server, {
    channels: ["\xe4", "b"],
    marker: "m",
    serial: 3,
    encoding: "LATIN1",
    ownEncoding: "UTF8",
  });
  deepEqual(one.queries, [
    'SET client_encoding = "LATIN1"',
    `LISTEN "\xe4";LISTEN "b";LISTEN "m"; NOTIFY "m", '3'`,
    'UNLISTEN "m"; SET client_encoding = "UTF8"',
  ]);
});

Deno.test("listenForeign goes no further than what the server refuses", async () => {
  await using one = rig();
  const { server, stream } = one;
  const seen: string[] = [];
  stream.onWrite = (bytes) => {
    seen.push(...queriesIn(bytes));
    stream.say(seen.length === 2 ? REFUSED : DONE);
  };
  const names = { channels: ["a"], marker: "m", serial: 3, encoding: "LATIN1", ownEncoding: "UTF8" };
  await rejects(listenForeign(server, names), { sqlstate: "42501" });
  equal(seen.length, 2);
});

Deno.test("listeningChannels brings one name a row", async () => {
  await using one = rig();
  one.stream.onWrite = () => one.stream.say(encodeTextRow("a"), encodeTextRow("B c"), DONE);
  deepEqual(await listeningChannels(one.server), ["a", "B c"]);
});

Deno.test("channel queries fail with the server's error, but for a marker that could not be heard", async () => {
  await using one = rig();
  one.stream.onWrite = () => one.stream.say(REFUSED);
  await rejects(unlistenAll(one.server), { sqlstate: "42501" });
  await rejects(notifyMarker(one.server, "m", 1), { sqlstate: "42501" });
  await rejects(listeningChannels(one.server), { sqlstate: "42501" });
  equal(await hearMarker(one.server, "m", 1), false);
});

Deno.test("channel queries fail when the connection is lost", async () => {
  await using one = rig();
  one.stream.onWrite = () => one.stream.end();
  await rejects(hearMarker(one.server, "m", 1), { code: "server_lost" });
  await rejects(unlistenAll(one.server), { code: "server_lost" });
});
