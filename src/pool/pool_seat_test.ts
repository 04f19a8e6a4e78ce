import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { AssertionFailure } from "../kernel/mod.ts";
import { SharedLimit } from "./limits.ts";
import { FakeWorld, limitsOf, tooLate, unreachable } from "./pool_fake_test.ts";

Deno.test("Pool gives seats within its size, for which nothing is opened", () => {
  const world = new FakeWorld({ size: 2 });
  const guests = [1, 2, 3].map(() => world.sit());
  deepEqual(guests.map(({ leave }) => leave !== null), [true, true, false]);
  deepEqual([world.opens.length, world.pool.seatCount, world.pool.total, world.pool.quiet], [0, 2, 0, true]);
  equal(world.pool.hasRoom, false);
  guests[0]!.leave!();
  equal(guests[2]!.leave !== null, true);
  throws(() => {
    for (let i = 0; i < 3; i++) guests[1]!.leave!();
  }, AssertionFailure);
});

Deno.test("Pool: seats and resources wait for each other, in the order in which they came", () => {
  const world = new FakeWorld({ size: 1 });
  const first = world.sit();
  const second = world.wait("second");
  const third = world.sit();
  equal(world.opens.length, 0);
  first.leave!();
  deepEqual([world.opens.length, third.leave], [1, null]);
  world.open();
  world.release(second.granted);
  // What was released is not idle any more: the seat takes its place.
  deepEqual([world.closed.map(({ reason }) => reason), third.leave !== null], [["evicted"], true]);
});

Deno.test("Pool: an idle resource makes room for a seat, and a lent one is had back for it", () => {
  const world = new FakeWorld({ size: 1 });
  const session = world.wait("session");
  const resource = world.open();
  world.pool.lends(resource, {
    recall: () => {
      world.release(resource);
      return "given";
    },
  });
  const guest = world.sit();
  deepEqual([session.granted, guest.leave !== null, world.pool.total], [resource, true, 0]);
});

Deno.test("Pool gives a seat of the reserve to who has waited for long enough", () => {
  const world = new FakeWorld({ size: 1, reserveSize: 1, reserveTimeoutMs: 500 });
  const guests = [world.sit(), world.sit()];
  world.tick(499);
  equal(guests[1]!.leave, null);
  world.tick(1);
  equal(guests[1]!.leave !== null, true);
});

Deno.test("Pool refuses whoever waited too long for a seat, and lets the next one have it", () => {
  const world = new FakeWorld({ size: 1 });
  const guests = [world.sit(), world.sit(100), world.sit()];
  world.tick(100);
  equal(guests[1]!.error, tooLate);
  equal(world.pool.forget(guests[2]!), true);
  guests[0]!.leave!();
  deepEqual([guests[2]!.leave, world.pool.seatCount], [null, 0]);
});

Deno.test("Pool gives seats where nothing can be opened: whoever has one tries for itself", () => {
  const world = new FakeWorld({ size: 3 });
  world.wait("session");
  world.fail();
  equal(world.pool.failure, unreachable);
  equal(world.sit().leave !== null, true);
});

Deno.test("Pool gives no seat while it is paused, and none when it is closed", () => {
  const world = new FakeWorld({ size: 1 });
  world.pool.setPaused(true, 0);
  const guests = [world.sit(), world.sit()];
  equal(guests[0]!.leave, null);
  world.pool.setPaused(false, 0);
  equal(guests[0]!.leave !== null, true);
  world.pool.close(unreachable);
  equal(guests[1]!.error, unreachable);
  equal(world.sit().error, unreachable);
  guests[0]!.leave!();
  equal(world.pool.seatCount, 0);
});

Deno.test("Pool counts a seat in shared limits, makes room for it there, and moves it to others", () => {
  const limit = new SharedLimit(1);
  const world = new FakeWorld({ size: 5 }, [limit]);
  const session = world.wait("session");
  world.release(world.open());
  const guest = world.sit();
  deepEqual([session.calls, guest.leave !== null, limit.used, world.pool.total], [1, true, 1, 0]);
  equal(world.sit().leave, null);
  const other = new SharedLimit(1);
  world.pool.configure(limitsOf({ size: 5 }), world.nowMs, [other]);
  deepEqual([limit.used, other.used], [0, 1]);
  guest.leave!();
  equal(other.used, 1, "whoever waited has it now");
});

Deno.test("Pool does not keep its minimum beyond what seats leave of its size", () => {
  const world = new FakeWorld({ size: 2, sizeMin: 2 });
  const guests = [world.sit(), world.sit()];
  world.tick(1000);
  equal(world.opens.length, 0);
  guests[0]!.leave!();
  world.tick(1000);
  equal(world.opens.length, 1);
});
