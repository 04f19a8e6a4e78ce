import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { UNREAD_MS, type UnreadLease, UnreadLeases } from "./unread_leases.ts";

/** A lease that tells when it was asked, and stays unread until the test says otherwise. */
class FakeLease implements UnreadLease {
  readonly askedMs: number[] = [];
  whenAsked: () => void = () => {};

  readIfAtRest(nowMs: number): void {
    this.askedMs.push(nowMs);
    this.whenAsked();
  }
}

Deno.test("UnreadLeases has no timer while it is empty, and one for all of them", () => {
  const clock = new VirtualClock();
  const leases = new UnreadLeases(clock);
  equal(clock.pending, 0);
  const all = [new FakeLease(), new FakeLease(), new FakeLease()];
  for (const lease of all) leases.add(lease);
  equal(clock.pending, 1);
  for (const lease of all) leases.delete(lease);
  clock.advance(UNREAD_MS);
  deepEqual([clock.pending, all.map(({ askedMs }) => askedMs)], [0, [[], [], []]]);
});

Deno.test("UnreadLeases asks each again and again for as long as it is unread", () => {
  const clock = new VirtualClock();
  const leases = new UnreadLeases(clock);
  const [first, second] = [new FakeLease(), new FakeLease()];
  leases.add(first);
  clock.advance(UNREAD_MS - 1);
  leases.add(second);
  deepEqual([first.askedMs, second.askedMs], [[], []], "not before its time");
  clock.advance(1);
  second.whenAsked = () => leases.delete(second);
  clock.advance(2 * UNREAD_MS);
  deepEqual([first.askedMs, second.askedMs], [
    [UNREAD_MS, 2 * UNREAD_MS, 3 * UNREAD_MS],
    [UNREAD_MS, 2 * UNREAD_MS],
  ]);
  leases.delete(first);
  clock.advance(UNREAD_MS);
  equal(clock.pending, 0);
});

Deno.test("UnreadLeases begins anew with one that comes when all others are gone", () => {
  const clock = new VirtualClock();
  const leases = new UnreadLeases(clock);
  const lease = new FakeLease();
  lease.whenAsked = () => leases.delete(lease);
  leases.add(lease);
  leases.add(lease);
  clock.advance(UNREAD_MS);
  deepEqual([lease.askedMs, clock.pending], [[UNREAD_MS], 0]);
  leases.add(lease);
  equal(clock.pending, 1);
  clock.advance(UNREAD_MS);
  deepEqual([lease.askedMs, clock.pending], [[UNREAD_MS, 2 * UNREAD_MS], 0]);
});
