import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import type { StateWatch } from "../learning/mod.ts";
import { sqlTraits } from "../protocol/mod.ts";
import { answerAll, FakeListener, FakeSession, notification } from "./fake_session_test.ts";
import type { Listeners } from "./listeners.ts";
import { Listening } from "./listening.ts";
import type { ChannelsHost } from "./session_channels.ts";

function rig() {
  const session = new FakeSession();
  const listener = new FakeListener();
  listener.up = false;
  let hosts = 0;
  const listeners = { get: () => listener.shared } as unknown as Listeners;
  const listening = new Listening(listeners, {
    channelsHost() {
      hosts++;
      return session as unknown as ChannelsHost;
    },
  });
  const { server, stream } = fakeServer();
  const reader = server.start();
  answerAll(stream);
  return {
    session,
    listener,
    listening,
    server,
    hosts: () => hosts,
    async [Symbol.asyncDispose]() {
      server.close();
      await reader;
    },
  };
}

/** What ran in a lease. */
const ran = (...texts: string[]) =>
  ({ ran: texts.map((text) => ({ traits: sqlTraits(text) })) }) as unknown as StateWatch;

Deno.test("Listening is nothing at all for a session that never listens", async () => {
  await using one = rig();
  const { listening, server, session } = one;
  listening.leased(server);
  equal(listening.found(server, [], true), true);
  const bytes = notification("a", "1");
  equal(listening.fromOwn(bytes, 0, bytes.length), true);
  listening.deliver();
  listening.close();
  deepEqual([[...listening.channels], listening.suspicious, listening.holding], [[], false, false]);
  deepEqual([one.hosts(), session.relay.preamble.lender], [0, null]);
});

Deno.test("Listening makes its part of the session with the first channel that is found, once", async () => {
  await using one = rig();
  const { listening, server, session, listener } = one;
  equal(await listening.found(server, ["a"], true), false);
  deepEqual([one.hosts(), session.relay.preamble.lender !== null], [1, true]);
  listener.up = true;
  equal(listening.suspicious, true);
  listening.leased(server);
  equal(await listening.found(server, [], true), true);
  equal(one.hosts(), 1);
  listening.close();
  equal(listener.taken().at(-1), "leave");
});

Deno.test("Listening.lost: nobody knows what a session listens to whose LISTEN was not looked at", async () => {
  await using one = rig();
  const { listening, server } = one;
  listening.leased(server);
  deepEqual([listening.lost(ran("SELECT 1")), listening.lost(ran("SELECT 1", "LISTEN a"))], [false, true]);
  listening.found(server, [], true);
  equal(listening.lost(ran("LISTEN a")), false, "a probe has seen it");
  listening.leased(server);
  equal(listening.lost(ran("UNLISTEN a")), true, "the next lease begins anew");
});
