import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { NOTIFICATION_BYTES_MAX, NOTIFICATIONS_MAX } from "./notification_queue.ts";
import { Subscription } from "./subscription.ts";

const note = (n: number) => Uint8Array.of(n);
const waiting = ({ queue }: Subscription) => {
  const seen: number[] = [];
  for (let next; (next = queue.shift()) !== null;) seen.push(next[0]!);
  return seen;
};

/** A session that has handed over channel `a`. */
function listening(): Subscription {
  const subscription = new Subscription();
  subscription.beginHandOver(1, new Set(["a"]));
  subscription.ownMarker(1);
  subscription.sharedMarker(1);
  return subscription;
}

Deno.test("Subscription: a hand-over takes what comes before its marker from the one, what comes behind it from the other", () => {
  const subscription = new Subscription();
  subscription.beginHandOver(1, new Set(["a"]));
  deepEqual([subscription.changing, subscription.awaitsOwn], [true, true]);
  subscription.fromShared("a", note(1));
  subscription.sharedMarker(1);
  subscription.fromShared("a", note(2));
  deepEqual(waiting(subscription), [], "what is behind the marker waits for what is before it");
  equal(subscription.fromOwn("a"), true);
  subscription.ownMarker(1);
  equal(subscription.fromOwn("a"), false);
  deepEqual(waiting(subscription), [2]);
  deepEqual([subscription.changing, [...subscription.channels]], [false, ["a"]]);
});

Deno.test("Subscription: what is lent and rolled back changes nothing, and may be lent again", () => {
  const subscription = listening();
  subscription.beginLend(2, true);
  subscription.beginLend(2, true);
  equal(subscription.fromOwn("a"), false);
  subscription.fromShared("a", note(1));
  subscription.ownSettled();
  subscription.fromShared("a", note(2));
  deepEqual([waiting(subscription), subscription.changing], [[1, 2], false]);
});

Deno.test("Subscription: what was lent and then unlistened is known by the shared listener alone", () => {
  const committed = listening();
  committed.beginLend(2, true);
  committed.sharedMarker(2);
  committed.sharedSettled();
  deepEqual([committed.changing, [...committed.channels]], [false, []]);
  const rolledBack = listening();
  rolledBack.beginLend(2, true);
  rolledBack.sharedSettled();
  deepEqual([rolledBack.changing, [...rolledBack.channels]], [false, ["a"]]);
  const blind = listening();
  blind.beginLend(2, true);
  blind.sharedLost();
  blind.sharedSettled();
  deepEqual([blind.changing, [...blind.channels]], [false, ["a"]]);
});

Deno.test("Subscription: a marker that comes twice, or of a lease that is over, is nothing", () => {
  const subscription = listening();
  subscription.beginLend(2, true);
  subscription.ownMarker(1);
  subscription.sharedMarker(1);
  equal(subscription.holding, false);
  subscription.ownMarker(2);
  equal(subscription.holding, true);
  subscription.ownMarker(2);
  subscription.sharedMarker(2);
  subscription.sharedMarker(2);
  deepEqual([subscription.holding, [...subscription.channels]], [false, []]);
});

Deno.test("Subscription: nobody waits for the marker of a listener that was lost", () => {
  const lost = listening();
  lost.beginLend(2, true);
  lost.ownMarker(2);
  lost.sharedLost();
  deepEqual([lost.holding, [...lost.channels]], [false, []]);
  const down = listening();
  down.beginLend(2, false);
  down.ownMarker(2);
  equal(down.holding, false);
  const handing = new Subscription();
  handing.beginHandOver(1, new Set(["a"]));
  handing.sharedLost();
  handing.ownMarker(1);
  deepEqual([handing.changing, [...handing.channels]], [false, ["a"]]);
});

Deno.test("Subscription: a listener that is lost and comes again while a hand-over goes on repeats nothing", () => {
  for (const seen of [false, true]) {
    const subscription = new Subscription();
    subscription.beginHandOver(1, new Set(["a"]));
    if (seen) subscription.sharedMarker(1);
    subscription.fromShared("a", note(1));
    subscription.sharedLost();
    subscription.fromShared("a", note(2));
    subscription.ownMarker(1);
    subscription.fromShared("a", note(3));
    deepEqual(waiting(subscription), seen ? [1, 3] : [3]);
  }
});

Deno.test("Subscription: a session's connection that is lost while it hands over leaves the shared listener, from a new marker on", () => {
  const subscription = new Subscription();
  subscription.beginHandOver(1, new Set(["a"]));
  subscription.fromShared("a", note(1));
  equal(subscription.ownLost(2, new Set(), true), true);
  subscription.sharedMarker(1);
  subscription.fromShared("a", note(2));
  deepEqual(waiting(subscription), [], "the lost connection may have said it");
  subscription.sharedMarker(2);
  subscription.fromShared("a", note(3));
  deepEqual([waiting(subscription), [...subscription.channels]], [[3], ["a"]]);
});

Deno.test("Subscription: a session's connection that is lost behind its marker has said all", () => {
  const subscription = new Subscription();
  subscription.beginHandOver(1, new Set(["a"]));
  subscription.ownMarker(1);
  equal(subscription.ownLost(2, new Set(), true), false);
  subscription.sharedMarker(1);
  subscription.fromShared("a", note(1));
  deepEqual(waiting(subscription), [1]);
});

Deno.test("Subscription: a session's connection that is lost with what was lent to it leaves that too", () => {
  const lost = (happens: (subscription: Subscription) => void) => {
    const subscription = listening();
    const lent = subscription.channels;
    subscription.beginLend(2, true);
    happens(subscription);
    const gap = subscription.ownLost(3, lent, true);
    subscription.fromShared("a", note(1));
    subscription.sharedMarker(3);
    subscription.fromShared("a", note(2));
    return [gap, waiting(subscription)];
  };
  deepEqual(lost(() => {}), [false, [1, 2]], "it was not taken yet");
  deepEqual(lost((subscription) => subscription.ownMarker(2)), [true, [2]]);
  deepEqual(
    lost((subscription) => subscription.sharedMarker(2)),
    [true, [1, 2]],
    "it is lost what came before",
  );
  const taken = (subscription: Subscription) => {
    subscription.ownMarker(2);
    subscription.sharedMarker(2);
  };
  deepEqual(lost(taken), [true, [2]]);
  equal(listening().ownLost(2, new Set(), true), false);
});

Deno.test("Subscription: a hand-over that could not be made leaves what was", () => {
  const subscription = new Subscription();
  subscription.beginHandOver(1, new Set(["a"]));
  subscription.fromShared("a", note(1));
  subscription.abandonHandOver();
  deepEqual([subscription.changing, subscription.fromOwn("a"), waiting(subscription)], [false, true, []]);
});

Deno.test("Subscription: DISCARD ALL drops what has not been said yet", () => {
  const subscription = listening();
  subscription.fromShared("a", note(1));
  subscription.discard();
  subscription.fromShared("a", note(2));
  deepEqual([waiting(subscription), subscription.concerns("a")], [[], false]);
});

Deno.test("Subscription: more than may wait is an overflow, by number and by bytes", () => {
  const many = listening();
  for (let i = 0; i < NOTIFICATIONS_MAX; i++) many.fromShared("a", note(1));
  equal(many.overflowed, false);
  many.fromShared("a", note(1));
  equal(many.overflowed, true);
  const large = listening();
  const message = new Uint8Array(8000);
  for (let bytes = 0; bytes + 8000 <= NOTIFICATION_BYTES_MAX; bytes += 8000) large.fromShared("a", message);
  equal(large.overflowed, false);
  large.fromShared("a", message);
  equal(large.overflowed, true);
});
