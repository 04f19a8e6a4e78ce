import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import { AssertionFailure, PgplexError } from "../kernel/mod.ts";
import { SharedLimit } from "./limits.ts";
import { FakeWorld, limitsOf, tooLate, unreachable } from "./pool_fake_test.ts";

Deno.test("Pool.tryAcquire has nothing while nothing is idle, and opens nothing", () => {
  const world = new FakeWorld();
  equal(world.pool.tryAcquire({ name: "w", base: "a", state: "x" }), null);
  equal(world.opens.length, 0);
});

Deno.test("Pool.wait opens a resource for whoever waits, and grants it once it is there", () => {
  const world = new FakeWorld();
  const first = world.wait("first");
  deepEqual(world.opens, [first.wish]);
  const resource = world.open();
  equal(first.granted, resource);
  deepEqual([world.pool.leasedCount, world.pool.idleCount, world.pool.waitingCount], [1, 0, 0]);
});

Deno.test("Pool.release gives a clean resource to whoever waits first", () => {
  const world = new FakeWorld({ size: 1 });
  const holder = world.wait("holder");
  world.open();
  const [second, third] = [world.wait("second"), world.wait("third")];
  equal(world.opens.length, 0);
  world.release(holder.granted);
  equal(second.granted, holder.granted);
  equal(third.granted, null);
});

Deno.test("Pool.release of a broken resource makes room for another, and closes nothing", () => {
  const world = new FakeWorld({ size: 1 });
  const holder = world.wait("holder");
  world.open();
  const second = world.wait("second");
  world.release(holder.granted, "broken");
  deepEqual(world.closed, []);
  equal(world.opens.length, 1);
  world.open();
  ok(second.granted !== null && second.granted !== holder.granted);
});

Deno.test("Pool.release twice is a defect", () => {
  const world = new FakeWorld();
  const holder = world.wait("holder");
  world.open();
  world.release(holder.granted);
  throws(() => world.release(holder.granted), AssertionFailure);
});

Deno.test("Pool prefers the resource that fits as it is, and among equals the one used last", () => {
  const world = new FakeWorld({ size: 3 });
  const holders = ["ax", "ay", "ax"].map((kind) => world.wait(kind, kind));
  for (const _ of holders) world.open();
  const [x1, y, x2] = holders.map(({ granted }) => granted!);
  for (const resource of [x1, x2, y]) world.release(resource!);
  equal(world.pool.tryAcquire({ name: "", base: "a", state: "x" }), x2);
  equal(world.pool.tryAcquire({ name: "", base: "a", state: "x" }), x1);
  equal(world.pool.tryAcquire({ name: "", base: "a", state: "z" }), y);
});

Deno.test("Pool.tryAcquire overtakes nobody, also when nothing idle fits those who wait", () => {
  const world = new FakeWorld({ size: 1 });
  const holder = world.wait("holder");
  world.open();
  const other = world.wait("other", "bx");
  world.release(holder.granted);
  // The idle one did not fit and made room.
  deepEqual(world.closed.map(({ reason }) => reason), ["evicted"]);
  equal(world.pool.tryAcquire({ name: "", base: "a", state: "x" }), null);
  world.open();
  equal(other.granted?.base, "b");
});

Deno.test("Pool serves a later waiter when a resource fits that one alone", () => {
  const world = new FakeWorld({ size: 2, openingMax: 1 });
  const holder = world.wait("holder", "bx");
  world.open();
  const [waitsA, waitsB] = [world.wait("waitsA", "ax"), world.wait("waitsB", "bx")];
  world.release(holder.granted);
  deepEqual([waitsB.granted, waitsA.calls], [holder.granted, 0]);
  world.open();
  equal(waitsA.granted?.base, "a");
});

Deno.test("Pool makes room for the first in the queue, though a later waiter could use what is idle", () => {
  const world = new FakeWorld({ size: 1 });
  const holder = world.wait("holder", "bx");
  world.open();
  const [waitsA, waitsB] = [world.wait("waitsA", "ax"), world.wait("waitsB", "bx")];
  world.release(holder.granted);
  deepEqual(world.closed.map(({ resource }) => resource), [holder.granted]);
  world.open();
  deepEqual([waitsA.granted?.base, waitsB.calls], ["a", 0]);
});

Deno.test("Pool opens no more than its size, and no more than openingMax at a time", () => {
  const world = new FakeWorld({ size: 5, openingMax: 2 });
  for (let i = 0; i < 8; i++) world.wait(`${i}`);
  equal(world.opens.length, 2);
  world.open();
  equal(world.opens.length, 2);
  while (world.opens.length > 0) world.open();
  deepEqual([world.pool.total, world.pool.waitingCount], [5, 3]);
});

Deno.test("Pool uses its reserve for those who have waited for long enough", () => {
  const world = new FakeWorld({ size: 1, reserveSize: 1, reserveTimeoutMs: 5000 });
  world.wait("holder");
  world.open();
  const urgent = world.wait("urgent");
  world.tick(4999);
  equal(world.opens.length, 0);
  world.tick(1);
  equal(world.opens.length, 1);
  world.open();
  ok(urgent.granted !== null);
  world.pool.invariants();
});

Deno.test("Pool.tick refuses whoever waited too long, and not a moment earlier", () => {
  const world = new FakeWorld({ size: 1 });
  world.wait("holder");
  world.open();
  const late = world.wait("late", "ax", 100);
  world.tick(99);
  equal(late.calls, 0);
  world.tick(1);
  deepEqual([late.refused, late.calls, world.pool.waitingCount], [tooLate, 1, 0]);
});

Deno.test("Pool.tick tells why nothing could be opened rather than that time is up", () => {
  const world = new FakeWorld();
  const late = world.wait("late", "ax", 500);
  world.fail();
  equal(world.pool.failure, unreachable);
  world.tick(500);
  equal(late.refused, unreachable);
});

Deno.test("Pool tries again after retryMs when an open failed for a reason that may pass", () => {
  const world = new FakeWorld({ retryMs: 1000 });
  const waiting = world.wait("waiting");
  world.fail();
  equal(world.opens.length, 0);
  world.tick(999);
  equal(world.opens.length, 0);
  world.tick(1);
  equal(world.opens.length, 1);
  world.open();
  ok(waiting.granted !== null);
  equal(world.pool.failure, null);
});

Deno.test("Pool refuses a waiter at once whose own open failed for good, and goes on with the next", () => {
  const world = new FakeWorld({ size: 1 });
  const [wrong, right] = [world.wait("wrong", "ax"), world.wait("right", "bx")];
  world.fail({ final: true });
  equal(wrong.refused, unreachable);
  deepEqual(world.opens, [right.wish]);
  equal(world.pool.failure, null);
});

Deno.test("Pool opens nothing more for a new waiter while what an earlier one waited for is on its way to nobody", () => {
  const world = new FakeWorld({ size: 5 });
  const first = world.wait("first");
  const second = world.wait("second");
  world.open();
  world.release(first.granted); // the second one has it now
  ok(second.granted !== null);
  const third = world.wait("third");
  equal(world.opens.length, 1);
  world.open();
  deepEqual([third.granted !== null, world.pool.total], [true, 2]);
});

Deno.test("Pool opens another one where what is on its way to nobody has been so for long", () => {
  const world = new FakeWorld({ size: 5 });
  world.wait("gone").forget();
  world.tick(300);
  world.wait("waiter");
  equal(world.opens.length, 2);
});

Deno.test("Pool opens another one where what is on its way to nobody does not fit, or fails", () => {
  for (const fails of [true, false]) {
    const world = new FakeWorld({ size: 5 });
    world.wait("gone", "ax").forget();
    const waiter = world.wait("waiter", "bx");
    equal(world.opens.length, 1);
    if (fails) world.fail({ final: true });
    else world.open();
    equal(world.opens.length, 1);
    world.open();
    ok(waiter.granted !== null, String(fails));
  }
});

Deno.test("Pool opens again for a waiter whose own resource went to an earlier one, when the earlier one's fails", () => {
  const world = new FakeWorld({ size: 2 });
  const [first, second] = [world.wait("first"), world.wait("second")];
  world.open(1); // made for the second, given to the first
  ok(first.granted !== null);
  world.fail(); // made for the first, who needs it no more
  world.tick(1000);
  equal(world.opens.length, 1);
  world.open();
  ok(second.granted !== null);
});

Deno.test("Pool opens again for a waiter whose resource was dead on arrival", () => {
  const world = new FakeWorld({ size: 2 });
  const waiting = world.wait("waiting");
  // It ends between its login and the moment when the pool hears of it.
  const [wish] = world.opens.splice(0);
  const dead = { openedMs: 0, fitness: () => 0 as const };
  world.pool.opened(dead as never, world.nowMs);
  world.pool.lost(dead as never, unreachable, world.nowMs);
  deepEqual(world.opens, [wish]);
  world.open();
  ok(waiting.granted !== null);
});

Deno.test("Pool asks again for a waiter whose open failed from inside the call", () => {
  const world = new FakeWorld({ retryMs: 1000 });
  world.onOpen = (wish) => world.pool.openFailed(unreachable, false, wish, world.nowMs);
  const waiting = world.wait("waiting");
  equal(world.pool.openingCount, 0);
  world.onOpen = null;
  world.tick(1000);
  equal(world.opens.length, 1);
  world.open();
  ok(waiting.granted !== null);
});

Deno.test("Pool.forget takes a waiter out, who then hears nothing", () => {
  const world = new FakeWorld();
  const waiting = world.wait("waiting");
  equal(waiting.forget(), true);
  equal(waiting.forget(), false);
  world.open();
  deepEqual([waiting.calls, world.pool.idleCount], [0, 1]);
});

Deno.test("Pool.lost drops an idle resource, and nothing when it is not idle", () => {
  const limit = new SharedLimit(5);
  const world = new FakeWorld({}, [limit]);
  const holder = world.wait("holder");
  const resource = world.open();
  world.pool.lost(resource, unreachable, 0);
  equal(world.pool.leasedCount, 1);
  world.release(holder.granted);
  world.pool.lost(resource, unreachable, 0);
  deepEqual([world.pool.total, limit.used, world.closed.length], [0, 0, 0]);
});

Deno.test("Pool.tick closes what is idle for too long, but keeps the minimum", () => {
  const world = new FakeWorld({ size: 3, sizeMin: 1, idleTimeoutMs: 1000 });
  const holders = ["1", "2", "3"].map((name) => world.wait(name));
  for (const _ of holders) world.open();
  for (const { granted } of holders) world.release(granted);
  world.tick(999);
  equal(world.pool.idleCount, 3);
  world.tick(1);
  equal(world.pool.idleCount, 1);
  equal(world.pool.total, 1);
});

Deno.test("Pool.tick opens up to the minimum without anybody who waits", () => {
  const world = new FakeWorld({ sizeMin: 2 });
  world.tick(1);
  deepEqual(world.opens, [null]);
  world.open();
  world.tick(1);
  world.open();
  world.tick(1);
  deepEqual([world.pool.idleCount, world.opens.length], [2, 0]);
});

Deno.test("Pool.tick keeps no minimum for a pool without clients", () => {
  const world = new FakeWorld({ sizeMin: 2, idleTimeoutMs: 1000 });
  const tick = () => world.pool.tick(world.clock.nowMs(), () => tooLate, { wanted: false });
  tick();
  deepEqual(world.opens, []);
  const holder = world.wait("1");
  world.open();
  world.release(holder.granted);
  world.clock.advance(1000);
  tick();
  equal(world.pool.quiet, true);
});

Deno.test("Pool ends a resource after its lifetime: idle ones at a tick, leased ones at their release", () => {
  const world = new FakeWorld({ lifetimeMs: 1000 });
  const [idle, leased] = [world.wait("idle"), world.wait("leased")];
  world.open();
  world.open();
  world.release(idle.granted);
  world.tick(999);
  equal(world.closed.length, 0);
  world.tick(1);
  deepEqual(world.closed.map(({ resource }) => resource), [idle.granted]);
  world.release(leased.granted);
  deepEqual([world.closed.length, world.pool.total], [2, 0]);
});

Deno.test("Pool shortens lifetimes by up to a tenth, so that not all end at once", () => {
  const ends = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const world = new FakeWorld({ lifetimeMs: 1000 }, [], seed);
    const holder = world.wait("holder");
    world.open();
    world.release(holder.granted);
    while (world.closed.length === 0) world.tick(10);
    ok(world.nowMs > 890 && world.nowMs <= 1000);
    ends.add(world.nowMs);
  }
  ok(ends.size > 3);
});

Deno.test("Pool.configure with a smaller size ends what is too much as it is released, and idle ones at a tick", () => {
  const world = new FakeWorld({ size: 3 });
  const holders = ["1", "2", "3"].map((name) => world.wait(name));
  for (const _ of holders) world.open();
  world.release(holders[0]!.granted);
  world.pool.configure(limitsOf({ size: 1 }), world.nowMs);
  world.tick(1);
  equal(world.pool.total, 2);
  world.release(holders[1]!.granted);
  equal(world.pool.total, 1);
  world.release(holders[2]!.granted);
  deepEqual([world.pool.total, world.pool.idleCount], [1, 1]);
});

Deno.test("Pool.configure with a larger size serves those who wait", () => {
  const world = new FakeWorld({ size: 1 });
  world.wait("holder");
  world.open();
  world.wait("waiting");
  world.pool.configure(limitsOf({ size: 2 }), world.nowMs);
  equal(world.opens.length, 1);
});

Deno.test("Pool grants nothing while it is paused, and serves in order afterwards", () => {
  const world = new FakeWorld({ size: 1 });
  const holder = world.wait("holder");
  world.open();
  world.pool.setPaused(true, world.nowMs);
  const [first, second] = [world.wait("first"), world.wait("second")];
  world.release(holder.granted);
  equal(world.pool.tryAcquire(first.wish), null);
  deepEqual([first.calls, world.pool.total, world.opens.length], [0, 0, 0]);
  world.pool.setPaused(false, world.nowMs);
  const opened = world.open();
  deepEqual([first.granted, second.granted], [opened, null]);
});

Deno.test("Pool is quiet once a pause has outlived leases and openings, and tells each time that one is gone", () => {
  const world = new FakeWorld({ size: 4, sizeMin: 2 });
  const [idle, clean, broken] = [world.wait("idle"), world.wait("clean"), world.wait("broken")];
  for (let i = 0; i < 3; i++) world.open();
  world.wait("opening", "bx");
  world.release(idle.granted);
  const before = world.closed.length;
  equal(world.receded, 0);
  world.pool.setPaused(true, world.nowMs);
  deepEqual(world.closed.slice(before).map(({ reason }) => reason), ["paused"]);
  equal(world.pool.quiet, false);
  world.release(clean.granted);
  world.release(broken.granted, "broken");
  equal(world.pool.quiet, false);
  world.open();
  deepEqual([world.pool.quiet, world.receded, world.pool.leasedCount], [true, 3, 0]);
  world.tick(60_000);
  deepEqual([world.pool.quiet, world.opens.length, world.pool.waitingCount], [true, 0, 1]);
  world.pool.invariants();
});

Deno.test("Pool.tick refuses whose time is up also while the pool is paused", () => {
  const world = new FakeWorld({ size: 1 });
  world.pool.setPaused(true, world.nowMs);
  const [late, patient] = [world.wait("late", "ax", 50), world.wait("patient")];
  world.tick(50);
  deepEqual([late.refused, patient.calls], [tooLate, 0]);
});

Deno.test("Pool.recycle ends what is idle now and the rest as it comes back, and opens others at once", () => {
  const world = new FakeWorld({ size: 3 });
  const [idle, leased, opening] = [world.wait("idle"), world.wait("leased"), world.wait("opening", "bx")];
  world.open();
  world.open();
  world.release(idle.granted);
  world.pool.recycle(world.nowMs);
  deepEqual([idle.granted!.alive, world.pool.staleCount], [false, 2]);
  const late = world.open();
  deepEqual([late.alive, opening.calls, world.opens.length], [false, 0, 1]);
  const fresh = world.open();
  deepEqual([opening.granted, world.pool.staleCount], [fresh, 1]);
  equal(world.pool.mustEnd(leased.granted!), true);
  equal(world.pool.mustEnd(fresh), false);
  world.release(leased.granted);
  world.release(fresh);
  deepEqual([leased.granted!.alive, fresh.alive, world.pool.staleCount], [false, true, 0]);
  world.pool.invariants();
});

Deno.test("Pool.close refuses those who wait, closes idle ones now and the rest as they come back", () => {
  const limit = new SharedLimit(9);
  const world = new FakeWorld({ size: 3, openingMax: 1 }, [limit]);
  const stopping = new PgplexError("shutting_down", "stop");
  const [idle, leased] = [world.wait("idle"), world.wait("leased")];
  world.open();
  world.open();
  world.release(idle.granted);
  const waiting = world.wait("waiting", "bx");
  world.pool.close(stopping);
  equal(waiting.refused, stopping);
  world.release(leased.granted);
  world.open();
  deepEqual([world.closed.length, world.pool.total, limit.used], [3, 0, 0]);
});

Deno.test("Pool.wait on a closed pool is refused at once", () => {
  const world = new FakeWorld();
  const stopping = new PgplexError("shutting_down", "stop");
  world.pool.close(stopping);
  const late = world.wait("late");
  deepEqual([late.refused, late.calls, world.pool.waitingCount, world.opens.length], [stopping, 1, 0, 0]);
});

Deno.test("Pool.closeIdle and evictIdle end idle resources only", () => {
  const world = new FakeWorld({ size: 3 });
  const holders = ["1", "2", "3"].map((name) => world.wait(name));
  for (const _ of holders) world.open();
  equal(world.pool.evictIdle(), false);
  world.release(holders[0]!.granted);
  world.release(holders[1]!.granted);
  equal(world.pool.evictIdle(), true);
  deepEqual(world.closed.map(({ resource }) => resource), [holders[0]!.granted]);
  world.pool.closeIdle("reconnect");
  deepEqual([world.closed.at(-1)?.reason, world.pool.total], ["reconnect", 1]);
});

Deno.test("Pool asks for room elsewhere when a shared limit is exhausted, and waits when there is none", () => {
  const limit = new SharedLimit(1);
  const world = new FakeWorld({}, [limit]);
  limit.take(); // another pool's
  const waiting = world.wait("waiting");
  equal(world.opens.length, 0);
  world.makeRoom = () => {
    limit.give();
    return true;
  };
  world.tick(1);
  equal(world.opens.length, 1);
  world.open();
  ok(waiting.granted !== null);
  equal(limit.used, 1);
});

Deno.test("Pool gives up its own idle resource that does not fit when a shared limit is exhausted", () => {
  const limit = new SharedLimit(1);
  const world = new FakeWorld({ size: 5 }, [limit]);
  const holder = world.wait("holder", "ax");
  world.open();
  world.release(holder.granted);
  const other = world.wait("other", "bx");
  equal(world.opens.length, 1);
  world.open();
  ok(other.granted !== null);
  equal(limit.used, 1);
});

Deno.test("Pool.hasRoom holds when nobody waits and something is idle or may be opened", () => {
  const world = new FakeWorld({ size: 1 });
  equal(world.pool.hasRoom, true);
  const holder = world.wait("holder");
  equal(world.pool.hasRoom, false);
  world.open();
  equal(world.pool.hasRoom, false);
  world.release(holder.granted);
  equal(world.pool.hasRoom, true);
  world.pool.setPaused(true, 0);
  equal(world.pool.hasRoom, false);
});

Deno.test("Pool.waitedMs and resources tell what the console shows", () => {
  const world = new FakeWorld({ size: 2 });
  const [idle, leased] = [world.wait("idle"), world.wait("leased")];
  world.open();
  world.open();
  world.release(idle.granted);
  deepEqual([...world.pool.resources()], [leased.granted, idle.granted]);
  equal(world.pool.waitedMs(world.nowMs), 0);
  world.pool.setPaused(true, 0);
  world.wait("waiting");
  world.clock.advance(30);
  equal(world.pool.waitedMs(world.nowMs), 30);
});

Deno.test("Pool counts what was lost before it was of any use as a failed open, whatever else opens meanwhile", () => {
  const world = new FakeWorld({ size: 5, retryMs: 1000 });
  const [first, second] = [world.wait("first"), world.wait("second")];
  world.open();
  equal(world.pool.spoilt(first.granted!, unreachable, world.nowMs), true);
  equal(world.pool.failure, unreachable);
  const again = world.wait("again");
  world.open(); // made for the second before that
  equal(world.pool.spoilt(second.granted!, unreachable, world.nowMs), true);
  equal(world.opens.length, 0);
  world.tick(999);
  equal(world.opens.length, 0);
  world.wait("another");
  world.tick(1);
  equal(world.opens.length, 1);
  world.open();
  ok(again.granted !== null);
  deepEqual([world.opens.length, world.pool.failure], [0, unreachable]);
  world.pool.proved();
  world.tick(1);
  deepEqual([world.opens.length, world.pool.failure], [1, null]);
});

Deno.test("Pool goes on at once where what was lost had been in use, or idle for long", () => {
  const world = new FakeWorld({ size: 3, retryMs: 1000 });
  const [used, fresh] = [world.wait("used"), world.wait("fresh")];
  for (const _ of [used, fresh]) world.open();
  world.release(used.granted);
  const wish = { name: "", base: "a", state: "x" };
  equal(world.pool.spoilt(world.pool.tryAcquire(wish)!, unreachable, world.nowMs), false);
  world.wait("next");
  equal(world.opens.length, 1);
  const gone = world.wait("gone", "bx");
  gone.forget();
  const idle = world.open(1);
  equal(world.pool.idleCount, 1);
  world.clock.advance(1001);
  equal(world.pool.lost(idle, unreachable, world.nowMs), false);
  equal(world.pool.failure, null);
});

Deno.test("Pool.lost counts what nobody ever had, and what ended soon, as a failed open", () => {
  const world = new FakeWorld({ sizeMin: 1, retryMs: 1000 });
  world.tick(0);
  equal(world.pool.lost(world.open(), unreachable, world.nowMs), true);
  world.tick(999);
  equal(world.opens.length, 0);
  world.tick(1);
  equal(world.opens.length, 1);
});

Deno.test("Pool forgets why an open failed when it is recycled, resumed, told to or configured", () => {
  const changes: ((world: FakeWorld) => void)[] = [
    ({ pool, nowMs }) => pool.recycle(nowMs),
    ({ pool, nowMs }) => pool.setPaused(false, nowMs),
    ({ pool, nowMs }) => pool.retry(nowMs),
    ({ pool, nowMs }) => pool.configure(limitsOf({}), nowMs),
  ];
  for (const change of changes) {
    const world = new FakeWorld();
    world.wait("waiting");
    world.fail();
    equal(world.opens.length, 0);
    change(world);
    deepEqual([world.opens.length, world.pool.failure], [1, null]);
  }
});

Deno.test("Pool tries one at a time as long as opens fail, and all when one succeeds", () => {
  const world = new FakeWorld({ size: 5, retryMs: 1000 });
  for (let i = 0; i < 3; i++) world.wait(`${i}`);
  while (world.opens.length > 0) world.fail();
  world.tick(1000);
  equal(world.opens.length, 1);
  world.fail();
  world.tick(1000);
  equal(world.opens.length, 1);
  world.open();
  equal(world.opens.length, 2);
});

Deno.test("Pool.configure moves what exists and what is being opened to other shared limits", () => {
  const [before, after] = [new SharedLimit(5), new SharedLimit(5)];
  const world = new FakeWorld({}, [before]);
  world.wait("one");
  world.open();
  world.wait("two");
  world.pool.configure(limitsOf({}), world.nowMs, [after]);
  deepEqual([before.used, after.used, world.pool.shares(after)], [0, 2, true]);
  world.fail();
  equal(after.used, 1);
});

Deno.test("Pool refuses a waiter at once whose open failed for good, also while the minimum cannot be filled", () => {
  const world = new FakeWorld({ sizeMin: 1, retryMs: 1000 });
  world.tick(0);
  world.fail({ final: true });
  const refused = world.wait("refused");
  deepEqual(world.opens, [refused.wish]);
  world.fail({ final: true });
  equal(refused.refused, unreachable);
  world.tick(999);
  equal(world.opens.length, 0);
  world.tick(1);
  deepEqual(world.opens, [null]);
});
