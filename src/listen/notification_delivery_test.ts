import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeSession, notification } from "./fake_session_test.ts";
import { NotificationDelivery } from "./notification_delivery.ts";
import { NotificationQueue } from "./notification_queue.ts";

function rig() {
  const queue = new NotificationQueue();
  const session = new FakeSession();
  return { queue, session, delivery: new NotificationDelivery(queue, session.relay, session.out) };
}

const note = (payload: string) => notification("a", payload);

Deno.test("NotificationDelivery writes what waits to an idle client, and nothing to a busy one", async () => {
  const { queue, session, delivery } = rig();
  queue.push(note("1"));
  session.progress.quiet = false;
  delivery.deliver();
  deepEqual(await session.got(), []);
  session.progress.quiet = true;
  queue.push(note("2"));
  delivery.deliver();
  deepEqual(await session.got(), ["1", "2"]);
  equal(queue.length, 0);
});

Deno.test("NotificationDelivery writes a client that does not read no more than a piece, and the rest by and by", async () => {
  const { queue, session, delivery } = rig();
  const reads = Promise.withResolvers<void>();
  session.stream.stalled = reads.promise;
  const big = note("x".repeat(40_000));
  for (let i = 0; i < 5; i++) queue.push(big);
  delivery.deliver();
  equal(queue.length, 3);
  delivery.deliver();
  equal(queue.length, 3, "one write at a time");
  session.stream.stalled = null;
  reads.resolve();
  for (let turns = 0; turns < 50 && session.stream.written.length < 5 * big.length; turns++) await null;
  equal((await session.got()).length, 5);
});

Deno.test("NotificationDelivery writes all that waits to a client whose socket takes each piece at once", async () => {
  const { queue, session, delivery } = rig();
  session.stream.takesAtOnce = true;
  const big = note("x".repeat(40_000));
  for (let i = 0; i < 5; i++) queue.push(big);
  delivery.deliver();
  equal(queue.length, 0);
  equal((await session.got()).length, 5);
});

Deno.test("NotificationDelivery holds what the server says behind what waits", async () => {
  const { queue, session, delivery } = rig();
  delivery.hold();
  equal(delivery.holding, true);
  session.relay.client.put(note("server"));
  delivery.hold();
  queue.push(note("shared"));
  delivery.deliver();
  deepEqual(await session.got(), []);
  delivery.release();
  deepEqual(await session.got(), ["shared", "server"]);
  session.relay.client.put(note("next"));
  deepEqual([delivery.holding, await session.got()], [false, ["next"]]);
});

Deno.test("NotificationDelivery.release without anything held changes nothing", async () => {
  const { queue, session, delivery } = rig();
  queue.push(note("1"));
  delivery.release();
  deepEqual(await session.got(), []);
  equal(queue.length, 1);
});

Deno.test("NotificationDelivery.flushHeld waits for the release, and for the write behind it", async () => {
  const { session, delivery } = rig();
  delivery.hold();
  session.relay.client.put(note("held"));
  let flushed = false;
  const flushing = delivery.flushHeld().then(() => flushed = true);
  for (let turns = 0; turns < 20; turns++) await null;
  equal(flushed, false);
  delivery.release();
  await flushing;
  deepEqual(await session.got(), ["held"]);
});

Deno.test("NotificationDelivery.putAll puts what waits in front of what the server says next", async () => {
  const { queue, session, delivery } = rig();
  session.progress.quiet = false;
  queue.push(note("1"));
  delivery.putAll();
  session.relay.client.put(note("2"));
  deepEqual(await session.got(), ["1", "2"]);
});
