import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeKeys } from "./fake_store_test.ts";
import type { Answer } from "./key_store.ts";
import { Membership, type MembershipCall } from "./membership.ts";
import {
  clusterKey,
  instanceKey,
  instanceOf,
  INSTANCES,
  LEADER,
  NO_LEADER,
  recordKey,
  recordValue,
} from "./values.ts";

const TTL_MS = 10_000;

/** One that asks the store, and has the answer at once; or `lost`, with what it asked done all the same. */
class One {
  readonly membership: Membership;
  readonly #keys: FakeKeys;
  nowMs = 0;

  constructor(keys: FakeKeys, id: number, { incarnation = `i${id}`, nowMs = 0, ttlMs = TTL_MS } = {}) {
    this.#keys = keys;
    this.nowMs = nowMs;
    const self = { id, incarnation, name: `h${id}`, address: null, version: "1", sinceMs: 0 };
    this.membership = new Membership(self, { ttlMs, nowMs });
    this.membership.serve(["main"], []);
  }

  /** Whatever is due at a time is called; `answered`: how the calls end. */
  at(nowMs: number, { fails = false, loses = false } = {}): string[] {
    this.nowMs = nowMs;
    const { membership } = this;
    for (let call = membership.next(nowMs); call !== null; call = membership.next(nowMs)) {
      const failed = { kind: loses ? "unknown" : "failed", reason: "no store" } as const;
      const answer = <T>(run: () => T): Answer<T> => {
        if (fails) return failed;
        const value = run();
        return loses ? failed : { kind: "done", value };
      };
      if (call.kind === "list") {
        const { prefix } = call;
        const value = this.#keys.list(prefix);
        membership.listed(fails ? failed : { kind: "done", value }, nowMs);
      } else {
        const { conditions, changes, keys, prefix } = call;
        membership.committed(answer(() => this.#keys.commit(conditions, changes, keys, prefix)), nowMs);
      }
    }
    return membership.takeLines().map(({ text }) => text);
  }

  until(endMs: number): void {
    for (let at = this.nowMs; at <= endMs; at += 100) this.at(at);
  }
}

Deno.test("the first instance is there, has a permit for less than a lease, and leads", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  deepEqual(one.at(0), ["this instance is among the others", "this instance leads"]);
  equal(one.membership.permitUntilMs, TTL_MS - 1_000);
  deepEqual(one.membership.leading(0), { key: LEADER, modRevision: keys.entries.get(LEADER)!.modRevision });
  equal(one.membership.dueMs, TTL_MS / 5);
  one.at(2_000);
  equal(one.membership.permitUntilMs, TTL_MS + 1_000);
});

Deno.test("of two one leads, and the other one takes the lead a lease behind the last renewal", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.at(0);
  deepEqual([two.membership.leading(0), two.membership.leaderId], [null, 1]);
  two.until(TTL_MS - 100);
  equal(two.membership.leading(two.nowMs), null);
  two.until(TTL_MS + 1_100);
  equal(two.membership.leading(two.nowMs)?.key, LEADER);
  // The first one was asleep: its permit had ended before, and it does not lead any more.
  equal(one.membership.permitUntilMs < TTL_MS, true);
  equal(one.membership.leading(TTL_MS + 1_100), null);
  one.at(TTL_MS + 1_200);
  deepEqual([one.membership.isMember, one.membership.leaderId], [true, 2]);
});

Deno.test("one whose lease is longer is waited for until its permit has ended, and the difference is said once", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1, { ttlMs: 3 * TTL_MS }), new One(keys, 2)];
  one.at(0);
  const text =
    "instance 1 has a lease_ttl of 30000 ms, and this one of 10000 ms: the longer one counts until all have the same";
  deepEqual(two.at(0), [text, "this instance is among the others"]);
  two.until(one.membership.permitUntilMs);
  deepEqual([two.membership.leading(two.nowMs), two.membership.roll.isHolder(1)], [null, true]);
  two.until(3 * TTL_MS + 100);
  deepEqual([two.membership.roll.isHolder(1), two.at(two.nowMs)], [false, []]);
});

Deno.test("a renewal that fails is worth nothing, one whose answer was lost is found", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  one.at(0);
  equal(one.at(2_000, { fails: true }).length, 1);
  equal(one.membership.permitUntilMs, TTL_MS - 1_000);
  one.at(2_200, { loses: true });
  equal(one.membership.permitUntilMs, TTL_MS - 1_000);
  one.at(2_400);
  equal(one.membership.permitUntilMs, 2_400 + TTL_MS - 1_000);
  equal(one.membership.isMember, true);
});

Deno.test("an id that somebody else has is waited for a lease where his entry is removed by hand: he may have a permit", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  one.at(0);
  const twin = new One(keys, 1, { incarnation: "twin" });
  twin.at(0);
  keys.commit([], [{ kind: "remove", key: instanceKey(1) }]);
  twin.until(1_000 + one.membership.permitUntilMs);
  deepEqual([twin.membership.isMember, twin.membership.leading(twin.nowMs)], [false, null]);
  twin.until(2 * TTL_MS + 3_000);
  equal(twin.membership.isMember, true);
});

Deno.test("an id that somebody else has is waited for, and taken when he stands still", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  one.at(0);
  const twin = new One(keys, 1, { incarnation: "twin" });
  deepEqual(twin.at(0), ["instance 1 is there already (h1): waiting until it is gone"]);
  for (let at = 100; at < 3 * TTL_MS; at += 100) {
    one.at(at);
    twin.at(at);
  }
  equal(twin.membership.isMember, false);
  twin.until(4 * TTL_MS + 1_100);
  equal(twin.membership.isMember, true);
  deepEqual(one.at(5 * TTL_MS)[0], "the entry of this instance was taken or removed");
  equal(one.membership.permitUntilMs, -Infinity);
});

Deno.test("one that leaves gives up its permit first, and its place and the lead at once", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.at(0);
  one.membership.leave();
  equal(one.membership.permitUntilMs, -Infinity);
  one.at(10);
  equal(one.membership.hasLeft, true);
  equal(one.membership.dueMs, Infinity);
  two.at(2_000);
  two.at(2_000);
  equal(two.membership.leading(2_000)?.key, LEADER);
  const heir = new One(keys, 1, { incarnation: "heir", nowMs: 2_100 });
  heir.at(2_100);
  equal(heir.membership.isMember, true);
});

Deno.test("the records are read by the renewal itself", () => {
  const keys = new FakeKeys();
  keys.commit([], [{ kind: "put", key: recordKey("main"), value: recordValue("{}") }]);
  const one = new One(keys, 1);
  one.at(0);
  const glance = one.membership.takeGlance();
  equal(glance?.records.get("main")?.value, recordValue("{}"));
  equal(one.membership.takeGlance(), null);
});

Deno.test("one that does not understand a record does not lead", () => {
  const keys = new FakeKeys();
  keys.commit([], [{ kind: "put", key: recordKey("main"), value: '{"format":99,"record":{}}' }]);
  const one = new One(keys, 1);
  one.at(0);
  deepEqual([one.membership.isMember, one.membership.leaderId], [true, null]);
});

Deno.test("who leads removes what instances have left that are gone for long", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.at(0);
  one.until(59 * TTL_MS);
  equal(keys.entries.has(instanceKey(2)), true);
  one.until(62 * TTL_MS);
  equal(keys.entries.has(instanceKey(2)), false);
});

Deno.test("an instance whose entry was removed by hand comes back without a permit in between", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  one.at(0);
  keys.commit([], [{ kind: "remove", key: instanceKey(1) }]);
  const lines = one.at(2_000);
  deepEqual(lines, [
    "the entry of this instance was taken or removed",
    "this instance is among the others",
    "this instance leads",
  ]);
  equal(one.membership.isMember, true);
});

Deno.test("a renewal that is only found in the store gives no permit: what it has read of the records is lost", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  one.at(0);
  one.at(2_000, { loses: true });
  const { membership } = one;
  const list = membership.next(2_300);
  equal(list?.kind, "list");
  membership.listed({ kind: "done", value: keys.list("instances/") }, 2_300);
  equal(membership.permitUntilMs, TTL_MS - 1_000);
  one.at(2_300);
});

Deno.test("the lead is not taken from one that has renewed since it was seen to stand still", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.until(TTL_MS - 100);
  const { membership } = two;
  let campaign: MembershipCall | null = null;
  for (let at = TTL_MS; campaign === null; at += 100) {
    for (let call = membership.next(at); call !== null; call = membership.next(at)) {
      if (call.kind === "list") {
        membership.listed({ kind: "done", value: keys.list(call.prefix) }, at);
        continue;
      }
      if (call.changes.some(({ key }) => key === LEADER)) {
        campaign = call;
        break;
      }
      const { conditions, changes, keys: read } = call;
      membership.committed({ kind: "done", value: keys.commit(conditions, changes, read) }, at);
    }
  }
  one.at(TTL_MS + 2_000);
  if (campaign.kind !== "commit") throw new Error("no campaign");
  const { conditions, changes, keys: read } = campaign;
  equal(keys.commit(conditions, changes, read).isWritten, false);
  equal(one.membership.leading(TTL_MS + 2_000)?.key, LEADER);
});

Deno.test("records that an answer brings belong to the clusters that were asked for", () => {
  const keys = new FakeKeys();
  keys.commit([], [{ kind: "put", key: recordKey("main"), value: recordValue("1") }]);
  const { membership } = new One(keys, 1);
  membership.next(0);
  membership.listed({ kind: "done", value: keys.list("instances/") }, 0);
  const renewal = membership.next(0);
  membership.clusters = ["other", "main"];
  if (renewal?.kind !== "commit") throw new Error("no renewal");
  const { conditions, changes, keys: read } = renewal;
  membership.committed({ kind: "done", value: keys.commit(conditions, changes, read) }, 0);
  deepEqual([...membership.takeGlance()!.records.keys()], ["main"]);
});

Deno.test("the lead whose entry somebody has removed is had by nobody for a lease: others may have had it meanwhile, and not know", () => {
  const keys = new FakeKeys();
  const [one, two, three] = [new One(keys, 1), new One(keys, 2), new One(keys, 3)];
  for (const each of [one, two]) each.at(0);
  three.at(50);
  for (let at = 100; at <= TTL_MS; at += 100) for (const each of [three, two]) each.at(at);
  equal(two.membership.leading(TTL_MS)?.key, LEADER);
  equal(three.membership.leaderId, 1);
  keys.commit([], [{ kind: "remove", key: LEADER }]);
  // The one that has it does not reach the store meanwhile.
  for (let at = two.nowMs + 100; at < two.membership.permitUntilMs; at += 100) three.at(at);
  equal(three.membership.leading(three.nowMs), null);
  three.until(three.nowMs + TTL_MS);
  equal(three.membership.leading(three.nowMs)?.key, LEADER);
});

Deno.test("who begins while the entry of the one that leads is removed waits a lease before it leads", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  keys.commit([], [{ kind: "remove", key: instanceKey(1) }]);
  two.until(TTL_MS - 100);
  deepEqual([two.membership.leading(two.nowMs), two.membership.leaderId], [null, 1]);
  two.until(TTL_MS + 1_100);
  equal(two.membership.leading(two.nowMs)?.key, LEADER);
});

Deno.test("who comes while the entry of the lead is removed waits a lease where others are there, and leads at once where nobody is", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  keys.commit([], [{ kind: "remove", key: LEADER }]);
  two.until(TTL_MS - 100);
  equal(two.membership.leading(two.nowMs), null);
  two.until(TTL_MS + 2_100);
  equal(two.membership.leading(two.nowMs)?.key, LEADER);
  const alone = new One(new FakeKeys(), 3);
  alone.at(0);
  equal(alone.membership.leading(0)?.key, LEADER);
});

Deno.test("who leads, was given up and comes back says again that it leads: whoever saw it go may take the lead else", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.at(0);
  const revision = keys.entries.get(LEADER)!.modRevision;
  keys.commit([], [{ kind: "remove", key: instanceKey(1) }]);
  one.at(2_000);
  equal(keys.entries.get(LEADER)!.modRevision > revision, true);
  deepEqual(one.membership.leading(2_000), {
    key: LEADER,
    modRevision: keys.entries.get(LEADER)!.modRevision,
  });
});

Deno.test("who leads and sees less than the others leaves the lead to one of them", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.at(0);
  const [all, some] = ["up", "down"].map((health) => new Map([["main", new Map([["n1", health]])]]));
  one.membership.sight.compare(some!, [all!], 0);
  deepEqual(one.at(2_000), ["this instance leaves the lead to the others: they see nodes that it does not"]);
  deepEqual([one.membership.leading(2_000), keys.entries.get(LEADER)?.value], [null, NO_LEADER]);
  one.at(4_000);
  equal(one.membership.leaderId, null);
  deepEqual(two.at(4_000), ["this instance leads"]);
  one.at(6_000);
  equal(one.membership.leaderId, 2);
});

Deno.test("who gives the lead up does not lead from that moment on, also where the answer is lost", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  one.at(0);
  const [all, some] = ["up", "down"].map((health) => new Map([["main", new Map([["n1", health]])]]));
  one.membership.sight.compare(some!, [all!], 0);
  for (
    let call = one.membership.next(2_000);
    call?.kind !== "commit" || call.changes[0]!.key !== LEADER;
  ) {
    if (call!.kind === "list") one.membership.listed({ kind: "done", value: keys.list(call!.prefix) }, 2_000);
    else {
      const { conditions, changes, keys: asked, prefix } = call!;
      one.membership.committed(
        { kind: "done", value: keys.commit(conditions, changes, asked, prefix) },
        2_000,
      );
    }
    call = one.membership.next(2_000);
  }
  equal(one.membership.leading(2_000), null);
  one.membership.committed({ kind: "unknown", reason: "lost" }, 2_100);
  equal(one.membership.leading(2_100), null);
  one.at(4_000);
  deepEqual([one.membership.leading(4_000), keys.entries.get(LEADER)?.value], [null, NO_LEADER]);
});

Deno.test("while nothing happens a round is one call, and it shows who else is there", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  const call = one.membership.next(TTL_MS / 5);
  deepEqual([call?.kind, call?.kind === "commit" ? call.prefix : null], ["commit", INSTANCES]);
  two.at(TTL_MS / 5);
  if (call?.kind !== "commit") return;
  const value = keys.commit(call.conditions, call.changes, call.keys, call.prefix);
  one.membership.committed({ kind: "done", value }, TTL_MS / 5);
  deepEqual(one.membership.roll.members().map(({ id }) => id), [1, 2]);
  equal(one.membership.next(TTL_MS / 5), null);
  equal(one.membership.dueMs, 2 * TTL_MS / 5);
});

Deno.test("a round comes when it can show that somebody counts no more, not only when the next renewal is due", () => {
  const keys = new FakeKeys();
  const [one, two] = [new One(keys, 1), new One(keys, 2)];
  one.at(0);
  two.at(300);
  for (const atMs of [2_300, 4_300, 6_300, 8_300]) two.at(atMs);
  // The first one was seen at 300 ms, and stands still since.
  equal(two.membership.dueMs, TTL_MS + 300);
  deepEqual(two.at(TTL_MS + 300), ["this instance leads"]);
});

Deno.test("a permit is for a cluster only from the renewal on that has announced it, which comes at once", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  const { membership } = one;
  one.at(0);
  for (const folder of ["acks", "views"] as const) {
    keys.commit([], [{ kind: "put", key: clusterKey("shop", folder, 1), value: "of before" }]);
  }
  membership.serve(["main", "shop"], ["followed"]);
  deepEqual([membership.permitFor("main") > 0, membership.permitFor("shop")], [true, -Infinity]);
  equal(membership.dueMs < 100, true);
  one.at(100, { fails: true });
  equal(membership.permitFor("shop"), -Infinity);
  one.at(300);
  equal(membership.permitFor("shop"), 300 + TTL_MS - 1_000);
  const member = instanceOf(keys.entries.get(instanceKey(1))!);
  deepEqual(member?.clusters, ["followed", "main", "shop"]);
  deepEqual(membership.permitFor("followed"), -Infinity);
  equal(keys.list(clusterKey("shop", "views", "")).entries.size, 0);
  equal(keys.list(clusterKey("shop", "acks", "")).entries.size, 0);
});

Deno.test("a cluster that was dropped and is served again has no permit by the renewals before", () => {
  const keys = new FakeKeys();
  const one = new One(keys, 1);
  const { membership } = one;
  one.at(0);
  // Without a renewal in between the others have never heard that it was dropped.
  membership.serve([], []);
  membership.serve(["main"], []);
  equal(membership.permitFor("main") > 0, true);
  membership.serve([], []);
  // It may have come to the store, or come yet.
  one.at(TTL_MS / 5, { loses: true });
  membership.serve(["main"], []);
  equal(membership.permitFor("main"), -Infinity);
  one.at(TTL_MS / 5 + 300);
  equal(membership.permitFor("main"), TTL_MS / 5 + 300 + TTL_MS - 1_000);
});

Deno.test("an id that is taken is not asked for without a pause, although a cluster is to be announced", () => {
  const keys = new FakeKeys();
  new One(keys, 1, { incarnation: "first" }).at(0);
  const second = new One(keys, 1, { incarnation: "second" });
  second.at(10);
  equal(second.membership.dueMs, 10 + TTL_MS / 5);
});

Deno.test("one that led, and had no permit for a while, waits where the entry is missing: somebody may lead in its place", () => {
  const keys = new FakeKeys();
  const all = [new One(keys, 1), new One(keys, 2)] as const;
  const [one, two] = all;
  one.at(0);
  two.at(0);
  for (let at = 100; at <= 1.5 * TTL_MS; at += 100) two.at(at);
  const atMs = 1.5 * TTL_MS + 100;
  equal(two.membership.leading(atMs) !== null, true);
  keys.commit([], [{ kind: "remove", key: LEADER }]);
  one.at(atMs);
  deepEqual([one.membership.leading(atMs), two.membership.leading(atMs) !== null], [null, true]);
  let led = 0;
  for (let at = atMs + 100; at <= atMs + 2 * TTL_MS; at += 100) {
    for (const each of all) each.at(at);
    const leading = all.filter(({ membership }) => membership.leading(at) !== null).length;
    equal(leading < 2, true);
    if (leading > 0) led ||= at;
  }
  equal(led > 0, true);
});

Deno.test("a lead whose entry is removed is taken again, also where each takes another one for the last that led", () => {
  const keys = new FakeKeys();
  const all = [new One(keys, 1), new One(keys, 2)] as const;
  const [one, two] = all;
  one.at(0);
  two.at(0);
  // The second one has taken the lead, and has not heard of it; then somebody removes the entry.
  const value = JSON.stringify({ id: 2, incarnation: "i2" });
  keys.commit([], [{ kind: "put", key: LEADER, value }]);
  one.at(TTL_MS / 5);
  keys.commit([], [{ kind: "remove", key: LEADER }]);
  let led = 0;
  for (let at = TTL_MS / 5; at <= 2 * TTL_MS; at += 100) {
    for (const each of all) each.at(at);
    const leading = all.filter(({ membership }) => membership.leading(at) !== null).length;
    equal(leading < 2, true);
    if (leading > 0) led ||= at;
  }
  equal(led > TTL_MS && led < 2 * TTL_MS, true, `${led}`);
});
