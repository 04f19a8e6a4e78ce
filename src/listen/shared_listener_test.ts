import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { fakeRuntime } from "../backend/fake_network_test.ts";
import type { FakeStream } from "../backend/fake_server_test.ts";
import type { ClusterTls } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Destination } from "../servers/mod.ts";
import { NO_LOG } from "../telemetry/mod.ts";
import { answerAll, MARKER, notification } from "./fake_session_test.ts";
import type { ListenerMember } from "./listener_members.ts";
import { SharedListener } from "./shared_listener.ts";
import { Subscription } from "./subscription.ts";

const node = (name: string) => ({ name, host: `10.0.0.${name.length}`, port: 5432 });

/** A listener of a server that answers everything, until the test says otherwise. */
function rig() {
  const runtime = fakeRuntime();
  const { network, clock } = runtime;
  const queries: string[] = [];
  let reserved = 0;
  const parts = { full: false, tls: { mode: "disable" } as ClusterTls | null };
  network.onConnect = (stream) => {
    answerAll(stream, { greeted: false, queries });
  };
  const destination = {
    key: { cluster: "main", database: "app", user: "app", alias: null, purpose: "clients" },
    settings: { server_idle_timeout: 1000, server_login_retry: 1000, server_connect_timeout: 5000 },
    credentials: NO_CREDENTIALS,
    routed: { kind: "node", node: node("a") },
  };
  let serial = 0;
  const listener = new SharedListener(destination as unknown as Destination, {
    runtime,
    log: NO_LOG,
    marker: MARKER,
    encoding: "UTF8",
    tls: () => parts.tls,
    reserve: () => {
      if (parts.full) return null;
      reserved++;
      return () => reserved--;
    },
    nextSerial: () => ++serial,
  });
  return {
    clock,
    network,
    parts,
    destination,
    listener,
    /** Statements since the last call, the marker as `m`; settings are one of them. */
    queries: () =>
      queries.splice(0).map((query) => query.startsWith("SET ") ? "SET" : query.replaceAll(MARKER, "m")),
    reserved: () => reserved,
    stream: (): FakeStream => network.streams.at(-1)!,
    async up(): Promise<void> {
      equal(await listener.ready(), true);
    },
    async [Symbol.asyncDispose]() {
      const streams = network.streams;
      listener.close(new PgplexError("shutting_down", "the end"));
      for (const stream of streams) stream.close();
      await turns();
      equal(clock.pending, 0, "no timer is left");
      equal(reserved, 0, "every connection is counted off");
    },
  };
}

/** Lets what has been set in motion by promises run. */
async function turns(): Promise<void> {
  for (let i = 0; i < 100; i++) await null;
}

/** A session that listens to `channels` there already. */
function member(...channels: string[]): ListenerMember & { readonly events: string[] } {
  const events: string[] = [];
  const subscription = new Subscription();
  if (channels.length > 0) {
    subscription.beginHandOver(1000, new Set(channels));
    subscription.ownMarker(1000);
    subscription.sharedMarker(1000);
  }
  return {
    events,
    subscription,
    notified: ({ channel, payload }) => events.push(`${channel} ${payload}`),
    sharedCut: (serial) => events.push(`cut ${serial}`),
    deliver: () => events.push("deliver"),
    lost: () => events.push("lost"),
    warn: () => events.push("warn"),
    listenerUp: () => events.push("up"),
    listenerGone: ({ code }) => events.push(`gone ${code}`),
  };
}

Deno.test("SharedListener is opened when it is needed, at the node where leases begin, and counted", async () => {
  await using one = rig();
  const { listener, queries, network } = one;
  deepEqual([listener.state, listener.node, listener.pid, listener.connection], ["down", null, null, null]);
  await one.up();
  deepEqual(queries(), ["SET", 'LISTEN "m"']);
  deepEqual([listener.state, listener.node?.name, listener.pid, one.reserved()], ["up", "a", 7, 1]);
  await one.up();
  equal(network.streams.length, 1);
});

Deno.test("SharedListener listens once to what several sessions want, and as long as one does", async () => {
  await using one = rig();
  const { listener, queries } = one;
  const [first, second] = [member(), member()];
  equal(await listener.listen(first, new Set(["a"])), false, "it is not there");
  await one.up();
  queries();
  equal(await listener.listen(first, new Set(["a", "b"])), true);
  equal(await listener.listen(second, new Set(["a"])), true);
  deepEqual(queries(), ['LISTEN "a";LISTEN "b"']);
  listener.leave(first);
  await turns();
  deepEqual([queries(), [...listener.channels.counts()]], [['UNLISTEN "b"'], [{
    channel: "a",
    sessions: 1,
  }]]);
});

Deno.test("SharedListener brings notifications to those who listen, and markers to whom they belong", async () => {
  await using one = rig();
  const { listener, stream } = one;
  const [first, second] = [member("a"), member("b")];
  await one.up();
  await listener.listen(first, new Set(["a"]));
  await listener.listen(second, new Set(["b"]));
  listener.expect(5, second);
  stream().say(notification("a", "1"), notification(MARKER, "5"), notification(MARKER, "6"));
  await stream().drained();
  deepEqual([first.events, second.events], [["a 1", "deliver"], ["cut 5", "deliver"]]);
});

Deno.test("SharedListener that is lost is made again at once, and listens to all that it did", async () => {
  await using one = rig();
  const { listener, queries, clock, network } = one;
  const who = member("a");
  await one.up();
  await listener.listen(who, new Set(["a"]));
  queries();
  one.stream().end();
  await turns();
  deepEqual([listener.state, who.events, one.reserved()], [
    "down",
    ["lost", "cut null"],
    0,
  ]);
  clock.advance(0);
  await turns();
  deepEqual([listener.state, network.streams.length, queries()], ["up", 2, ["SET", 'LISTEN "m";LISTEN "a"']]);
  equal(who.events.at(-1), "warn");
});

Deno.test("SharedListener tries again by and by, while somebody needs it", async () => {
  await using one = rig();
  const { listener, clock, network } = one;
  network.refusal = new PgplexError("server_unreachable", "nobody there");
  const who = member();
  listener.wish(who);
  equal(await listener.ready(), false);
  equal(await listener.ready(), false, "the next attempt is not waited for");
  const attempts = async (ms: number) => {
    const before = network.endpoints.length;
    clock.advance(ms);
    await turns();
    return network.endpoints.length - before;
  };
  deepEqual([await attempts(999), await attempts(1)], [0, 1]);
  deepEqual([await attempts(1999), await attempts(1)], [0, 1]);
  network.refusal = null;
  const answers = network.onConnect;
  network.onConnect = null;
  deepEqual([await attempts(4000), listener.state], [1, "opening"]);
  equal(await listener.ready(), false, "nor is this one");
  network.onConnect = answers;
  one.stream().end();
  await turns();
  deepEqual([await attempts(8000), listener.state, who.events], [1, "up", ["up"]]);
});

Deno.test("SharedListener asks for no connection where there may be none, and says why no node is known", async () => {
  await using one = rig();
  one.parts.full = true;
  equal(await one.listener.ready(), false);
  const waits = rig();
  waits.destination.routed = { kind: "wait", reason: "no primary" } as never;
  equal(await waits.listener.ready(), false);
  const gone = rig();
  gone.parts.tls = null;
  equal(await gone.listener.ready(), false);
  deepEqual([one, waits, gone].map(({ network }) => network.endpoints.length), [0, 0, 0]);
  await waits[Symbol.asyncDispose]();
  await gone[Symbol.asyncDispose]();
});

Deno.test("SharedListener.ready waits a second for a server that takes its time", async () => {
  await using one = rig();
  one.network.onConnect = null;
  let ready: boolean | null = null;
  const waiting = one.listener.ready().then((up) => ready = up);
  await turns();
  one.clock.advance(999);
  await turns();
  equal(ready, null);
  one.clock.advance(1);
  await waiting;
  deepEqual([ready, one.listener.state], [false, "opening"]);
});

Deno.test("SharedListener closes a connection that owes a marker and says nothing", async () => {
  await using one = rig();
  const { listener, clock, stream } = one;
  const who = member("a");
  await one.up();
  await listener.listen(who, new Set(["a"]));
  const silent = stream();
  listener.expect(5, who);
  listener.await(5);
  // What came before does not count: the watch looks every three seconds.
  clock.advance(3000);
  await turns();
  equal(silent.closed, false);
  clock.advance(3000);
  await turns();
  deepEqual([silent.closed, who.events.includes("lost")], [true, true]);
});

Deno.test("SharedListener notifies a marker itself where nobody else can", async () => {
  await using one = rig();
  const { listener, queries } = one;
  const who = member("a");
  listener.mark(4, who);
  await one.up();
  queries();
  listener.mark(5, who);
  await turns();
  deepEqual(queries(), [`NOTIFY "m", '5'`]);
});

Deno.test("SharedListener moves to the node where leases begin now", async () => {
  await using one = rig();
  const { listener, destination, clock, network } = one;
  const who = member("a");
  await one.up();
  await listener.listen(who, new Set(["a"]));
  listener.topologyChanged();
  equal(listener.up, true);
  destination.routed = { kind: "node", node: node("other") };
  listener.topologyChanged();
  await turns();
  clock.advance(0);
  await turns();
  deepEqual([listener.state, listener.node?.name, network.endpoints.length], ["up", "other", 2]);
});

Deno.test("SharedListener is bored once nobody has needed it for server_idle_timeout", async () => {
  await using one = rig();
  const { listener, destination } = one;
  const who = member("a");
  await one.up();
  await listener.listen(who, new Set(["a"]));
  deepEqual([listener.bored(0), listener.bored(9000)], [false, false]);
  listener.leave(who);
  deepEqual([listener.bored(9000), listener.bored(9999), listener.bored(10_000)], [false, false, true]);
  destination.settings.server_idle_timeout = 0;
  equal(listener.bored(99_000), false, "0 is for ever");
});

Deno.test("SharedListener.close ends those who listen or wish to, for good", async () => {
  const one = rig();
  const { listener } = one;
  const [listens, wishes] = [member("a"), member()];
  await one.up();
  await listener.listen(listens, new Set(["a"]));
  listener.wish(wishes);
  const error = new PgplexError("config_changed", "gone");
  listener.close(error);
  listener.close(error);
  await turns();
  deepEqual([listener.state, one.stream().closed], ["closed", true]);
  deepEqual([listens.events.filter((event) => event.startsWith("gone")), wishes.events], [
    ["gone config_changed"],
    ["gone config_changed"],
  ]);
  equal(await listener.ready(), false);
  deepEqual([one.reserved(), one.clock.pending], [0, 0]);
});
