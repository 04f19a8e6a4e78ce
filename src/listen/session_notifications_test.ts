import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { PgplexError } from "../kernel/mod.ts";
import { int32At, notificationAt } from "../protocol/mod.ts";
import { FakeListener, FakeSession, MARKER, notification } from "./fake_session_test.ts";
import { SessionNotifications } from "./session_notifications.ts";

/** A session that has handed over channel `a`, unless told otherwise. */
function rig(channels: readonly string[] = ["a"]) {
  const session = new FakeSession();
  const listener = new FakeListener();
  listener.marks = false;
  const notifications = new SessionNotifications(session, listener.shared);
  const { server } = fakeServer();
  notifications.leased(server);
  const { subscription } = notifications;
  if (channels.length > 0) {
    subscription.beginHandOver(100, new Set(channels));
    subscription.ownMarker(100);
    subscription.sharedMarker(100);
  }
  return {
    session,
    listener,
    notifications,
    server,
    subscription,
    /** The session's own connection says this; whether the client gets it. */
    own(channel: string, payload: string): boolean {
      const bytes = notification(channel, payload);
      return notifications.fromOwn(bytes, 0, bytes.length);
    },
    /** The shared listener brings this. */
    shared(channel: string, payload: string, pid = 99): Uint8Array {
      const bytes = notification(channel, payload, pid);
      notifications.notified(notificationAt(bytes, 0, bytes.length)!, bytes);
      return bytes;
    },
  };
}

Deno.test("SessionNotifications gives the client what the shared listener brings, once it is idle", async () => {
  const { session, notifications, shared } = rig();
  session.progress.quiet = false;
  shared("a", "1");
  shared("other", "no");
  notifications.deliver();
  deepEqual(await session.got(), []);
  session.progress.quiet = true;
  notifications.deliver();
  deepEqual(await session.got(), ["1"]);
});

Deno.test("SessionNotifications lets its own connection say what the shared listener does not listen to", () => {
  const { own } = rig();
  deepEqual([own("b", "1"), own("a", "2")], [true, false]);
});

Deno.test("SessionNotifications keeps markers from the client, also those of a listener that it had before", () => {
  const { own } = rig();
  equal(own(MARKER, "1"), false);
  equal(own(`pgplex_${"f".repeat(32)}`, "1"), false);
  equal(own("pgplex_short", "1"), true);
});

Deno.test("SessionNotifications gives its own notification the process id that the client knows", () => {
  const { session, subscription, server, shared } = rig();
  const pid = server.identity.key!.pid;
  const message = shared("a", "1", pid);
  equal(int32At(subscription.queue.shift()!, 5), session.pid);
  equal(int32At(message, 5), pid, "other sessions have it too");
  shared("a", "2", pid + 1);
  equal(int32At(subscription.queue.shift()!, 5), pid + 1);
  server.tenancy.begins();
  shared("a", "3", pid);
  equal(int32At(subscription.queue.shift()!, 5), pid, "another session holds it now");
});

Deno.test("SessionNotifications holds its own connection back until the shared listener has caught up", async () => {
  const { session, notifications, listener, subscription, own, shared } = rig();
  subscription.beginLend(7, true);
  equal(own(MARKER, "7"), false);
  deepEqual([notifications.holding, listener.taken()], [true, ["await 7"]]);
  session.relay.client.put(notification("a", "own"));
  shared("a", "shared");
  deepEqual(await session.got(), []);
  subscription.sharedMarker(7);
  notifications.sharedCut(7);
  equal(notifications.holding, false);
  deepEqual(await session.got(), ["shared", "own"]);
});

Deno.test("SessionNotifications has no client wait for a marker that has come over the shared listener already", async () => {
  const { session, notifications, subscription, own, shared } = rig();
  subscription.beginLend(7, true);
  shared("a", "1");
  subscription.sharedMarker(7);
  equal(own(MARKER, "7"), false);
  deepEqual([notifications.holding, await session.got()], [false, ["1"]]);
});

Deno.test("SessionNotifications warns once of what may be lost, when the listener is there again", async () => {
  const { session, notifications, listener } = rig();
  notifications.lost();
  listener.up = false;
  notifications.warnIfUp();
  deepEqual(await session.got(), []);
  listener.up = true;
  notifications.warnIfUp();
  deepEqual(await session.got(), ["(N)"]);
  notifications.warn();
  deepEqual(await session.got(), []);
});

Deno.test("SessionNotifications loses nothing where it listens to nothing", async () => {
  const { session, notifications } = rig([]);
  notifications.lost();
  notifications.warn();
  deepEqual(await session.got(), []);
});

Deno.test("SessionNotifications.awaitMarker resolves with its own marker, not with another one", async () => {
  const { notifications } = rig();
  let caughtUp = false;
  const waiting = notifications.awaitMarker(9).then(() => caughtUp = true);
  notifications.sharedCut(8);
  for (let turns = 0; turns < 10; turns++) await null;
  deepEqual([caughtUp, notifications.awaited], [false, 9]);
  notifications.sharedCut(9);
  await waiting;
  equal(notifications.awaited, 0);

  const lost = notifications.awaitMarker(10);
  notifications.sharedCut(null);
  await lost;
});

Deno.test("SessionNotifications.cutIsDone waits for the shared listener's marker, and at the session's end no longer", async () => {
  const { notifications, subscription } = rig();
  await notifications.cutIsDone();
  subscription.beginHandOver(11, new Set(["a", "b"]));
  subscription.ownMarker(11);
  let done = false;
  const waiting = notifications.cutIsDone().then(() => done = true);
  for (let turns = 0; turns < 10; turns++) await null;
  equal(done, false);
  subscription.sharedMarker(11);
  notifications.sharedCut(11);
  await waiting;

  subscription.beginHandOver(12, new Set(["a"]));
  const ended = notifications.cutIsDone();
  notifications.close();
  await ended;
});

Deno.test("SessionNotifications tells its session what it cannot do alone", () => {
  const { session, notifications, subscription } = rig();
  notifications.listenerUp();
  notifications.listenerGone(new PgplexError("config_changed", "gone"));
  subscription.overflowed = true;
  notifications.deliver();
  deepEqual(session.events, ["look again", "end config_changed", "overflowed"]);
});

Deno.test("SessionNotifications.close leaves the listener, and gives the client nothing more", async () => {
  const { session, notifications, listener, shared } = rig();
  shared("a", "1");
  notifications.close();
  notifications.deliver();
  deepEqual([notifications.closed, listener.taken(), await session.got()], [true, ["leave"], []]);
});

Deno.test("SessionNotifications.moveTo leaves one listener for another, and stays where it is", () => {
  const { notifications, listener } = rig([]);
  notifications.moveTo(listener.shared);
  deepEqual(listener.taken(), []);
  const other = new FakeListener();
  notifications.moveTo(other.shared);
  deepEqual([listener.taken(), notifications.listener], [["leave"], other.shared]);
});
