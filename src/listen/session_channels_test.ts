import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { queriesIn } from "../backend/fake_network_test.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { encodeParameterStatus, encodeTextRow, sqlTraits } from "../protocol/mod.ts";
import { DONE, FakeListener, FakeSession, MARKER, notification } from "./fake_session_test.ts";
import type { Listeners } from "./listeners.ts";
import { type ChannelsHost, SessionChannels, SHARED_CHANNELS_MAX } from "./session_channels.ts";

const HAND_OVER = `SELECT pg_catalog.set_config('synchronous_commit', 'off', true); LISTEN "m"; NOTIFY "m", `;

/** A session in its first lease, whose server brings a marker as soon as it is notified there. */
function rig() {
  const session = new FakeSession();
  const [listener, latin1] = [new FakeListener(), new FakeListener()];
  latin1.encoding = "LATIN1";
  const listeners = {
    get: (_destination: unknown, encoding: string) => (encoding === "LATIN1" ? latin1 : listener).shared,
  } as unknown as Listeners;
  const { server, stream } = fakeServer();
  const reader = server.start();
  const channels = new SessionChannels(listeners, session as unknown as ChannelsHost, server);
  server.onNotification((message) => void channels.fromOwn(message, 0, message.length));
  const queries: string[] = [];
  /** What the server listens to, by its own account. */
  const listening: string[] = [];
  stream.onWrite = (bytes) => {
    for (const query of queriesIn(bytes)) {
      queries.push(query.replaceAll(MARKER, "m"));
      const marked = new RegExp(`NOTIFY "${MARKER}", '(\\d+)'`).exec(query);
      if (marked !== null) stream.say(notification(MARKER, marked[1]!));
      if (query.includes("pg_listening_channels")) {
        stream.say(...listening.map((name) => encodeTextRow(name)));
      }
      stream.say(DONE);
    }
  };
  return {
    session,
    listener,
    latin1,
    listening,
    server,
    stream,
    channels,
    queries: () => queries.splice(0),
    async [Symbol.asyncDispose]() {
      server.close();
      await reader;
    },
  };
}

Deno.test("SessionChannels hands what a LISTEN left over to the shared listener, from a marker on", async () => {
  await using one = rig();
  const { channels, server, listener, queries } = one;
  equal(await channels.settle(server, ["a"], true), true);
  deepEqual(queries(), [`${HAND_OVER}'1'`, "UNLISTEN *"]);
  deepEqual(listener.taken(), ["listen a", "expect 1", "await 1", "retain a"]);
  deepEqual([[...channels.channels], channels.suspicious], [["a"], false]);
});

Deno.test("SessionChannels has nothing to do where nothing is listened to", async () => {
  await using one = rig();
  equal(await one.channels.settle(one.server, [], true), true);
  deepEqual([one.queries(), one.listener.taken()], [[], ["retain "]]);
});

Deno.test("SessionChannels ends what the shared listener has already", async () => {
  await using one = rig();
  const { channels, server, listener, queries } = one;
  await channels.settle(server, ["a", "b"], true);
  queries();
  equal(await channels.settle(server, ["b", MARKER], true), true);
  deepEqual(queries(), ["UNLISTEN *"]);
  equal(await channels.settle(server, [MARKER], true), true);
  deepEqual(queries(), ["UNLISTEN *"]);
  listener.taken();
  equal(await channels.settle(server, ["c"], true), true);
  deepEqual(listener.taken()[0], "listen a,b,c");
  deepEqual([...channels.channels], ["a", "b", "c"]);
});

Deno.test("SessionChannels keeps its own connection where the session may not go, or listens to too much", async () => {
  await using one = rig();
  const { channels, server, listener } = one;
  equal(await channels.settle(server, ["a"], false), false);
  const many = Array.from({ length: SHARED_CHANNELS_MAX + 1 }, (_, i) => `c${i}`);
  equal(await channels.settle(server, many, true), false);
  deepEqual(one.queries(), []);
  equal(listener.calls.some((call) => call.startsWith("listen")), false);
  equal(await channels.settle(server, many.slice(1), true), true);
});

Deno.test("SessionChannels keeps its own connection until the shared listener is there", async () => {
  await using one = rig();
  const { channels, server, listener } = one;
  listener.up = false;
  equal(await channels.settle(server, ["a"], true), false);
  deepEqual([listener.taken(), channels.suspicious], [["wish", "retain "], false]);
  listener.up = true;
  equal(channels.suspicious, true, "its end is to be looked at again");
  listener.listens = false;
  equal(await channels.settle(server, ["a"], true), false);
  listener.listens = true;
  equal(await channels.settle(server, ["a"], true), true);
  equal(channels.suspicious, false);
});

Deno.test("SessionChannels: a hand-over whose marker the server refuses changes nothing", async () => {
  await using one = rig();
  const { channels, server, stream, listener } = one;
  stream.onWrite = () => stream.say(DONE); // committed, but the marker does not come
  equal(await channels.settle(server, ["a"], true), false);
  deepEqual([channels.channels.size, listener.taken()], [
    0,
    ["listen a", "expect 1", "unexpect 1", "retain "],
  ]);
});

Deno.test("SessionChannels goes on at the shared listener when its own connection is lost, and warns of the gap", async () => {
  await using one = rig();
  const { channels, session, server, listener } = one;
  await channels.settle(server, ["a"], true);
  channels.before(server, sqlTraits("NOTIFY a"), true);
  listener.taken();
  listener.marks = false;
  const marker = notification(MARKER, "2");
  channels.fromOwn(marker, 0, marker.length);
  equal(channels.holding, true);
  channels.ownLost();
  deepEqual(listener.taken(), ["await 2", "unexpect 2", "mark 3"]);
  deepEqual([channels.holding, channels.suspicious, channels.channels.size], [false, false, 0]);
  listener.marked(3);
  channels.deliver();
  deepEqual([[...channels.channels], await session.got()], [["a"], ["(N)"]]);
});

Deno.test("SessionChannels: a connection that is lost before what was lent is known was never listened to", async () => {
  await using one = rig();
  const { channels, session, server, listener } = one;
  await channels.settle(server, ["a"], true);
  channels.before(server, sqlTraits("NOTIFY a"), true);
  equal(channels.suspicious, true);
  listener.taken();
  channels.ownLost();
  deepEqual([listener.taken(), [...channels.channels], channels.suspicious], [["unexpect 2"], ["a"], false]);
  channels.deliver();
  deepEqual(await session.got(), []);
});

Deno.test("SessionChannels: the loss of its connection in a hand-over is the caller's to hear", async () => {
  await using one = rig();
  const { channels, server, stream, listener } = one;
  stream.onWrite = () => stream.end();
  await rejects(channels.settle(server, ["a"], true), { code: "server_lost" });
  deepEqual(listener.taken().at(-1), "mark 2");
  listener.marked(2);
  deepEqual([...channels.channels], ["a"], "it was listened to there already");
});

Deno.test("SessionChannels listens anew in another client_encoding, and hands over to that encoding's listener", async () => {
  await using one = rig();
  const { channels, server, stream, queries, listening, listener, latin1 } = one;
  await channels.settle(server, ["a"], true);
  queries();
  stream.say(encodeParameterStatus("client_encoding", "LATIN1"));
  await stream.drained();
  listening.push("a", "b");
  equal(await channels.settle(server, ["b"], true), true);
  deepEqual(queries(), [
    'SET client_encoding = "UTF8"',
    `LISTEN "a";LISTEN "m"; NOTIFY "m", '2'`,
    'UNLISTEN "m"; SET client_encoding = "LATIN1"',
    "SELECT n.n FROM pg_catalog.pg_listening_channels() n(n)",
    `${HAND_OVER}'1'`,
    "UNLISTEN *",
  ]);
  deepEqual([...channels.channels], ["a", "b"]);
  deepEqual([listener.taken().at(-1), latin1.taken()], ["leave", [
    "listen a,b",
    "expect 1",
    "await 1",
    "retain a,b",
  ]]);
});

Deno.test("SessionChannels finds out by a marker whether what was lent and unlistened was committed", async () => {
  await using one = rig();
  const { channels, server, queries, listener } = one;
  await channels.settle(server, ["a"], true);
  channels.before(server, sqlTraits("UNLISTEN a"), true);
  server.owed.clear();
  queries();
  listener.taken();
  equal(await channels.settle(server, [], true), true);
  deepEqual(queries(), [`NOTIFY "m", '3'`]);
  deepEqual(listener.taken().slice(0, 2), ["expect 3", "await 3"]);
});

Deno.test("SessionChannels.close leaves the listener, and a session that is over hands nothing over", async () => {
  await using one = rig();
  const { channels, server, listener, queries } = one;
  channels.close();
  deepEqual(listener.taken(), ["leave"]);
  equal(await channels.settle(server, ["a"], true), false);
  equal(await channels.settle(server, [], true), true);
  deepEqual([queries(), listener.taken()], [[], []]);
});
