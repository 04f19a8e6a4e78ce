import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { UNKNOWN_INSTANCE } from "../arbiter/mod.ts";
import { record as recordWith } from "../arbiter/scene_test.ts";
import { Town, TTL_MS } from "./town_test.ts";
import { clusterKey, instanceKey, instanceOf, LEADER, recordKey } from "./values.ts";

const record = (epoch: number) => recordWith({ epoch });

Deno.test("a record that the leader writes is heard by the others, and by none but the leader written", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  deepEqual([one.coordination.isLeading, two.coordination.isLeading], [true, false]);
  deepEqual([one.instances, two.instances], [[1, 2], [1, 2]]);
  const swapped = one.coordination.swap("main", 0, record(1));
  await town.pass(50);
  const { revision } = await swapped as { revision: number };
  deepEqual(two.records, [{ revision, record: record(1) }]);
  equal((await two.coordination.swap("main", revision, record(2))).kind, "failed");
  const again = one.coordination.swap("main", 0, record(2));
  await town.pass(50);
  deepEqual(await again, { kind: "conflict", stored: { revision, record: record(1) } });
  const read = two.coordination.record("main");
  await town.pass(50);
  deepEqual(await read, { revision, record: record(1) });
});

Deno.test("one whose entry was removed by hand counts for a lease, also for an instance that has never seen it", async () => {
  const town = new Town();
  const two = town.instance(2);
  await town.pass(2_500);
  two.coordination.publish("main", { healths: new Map([["n1", "up"]]), seen: null });
  await town.pass(50);
  two.store.fate = "failed";
  town.keys.entries.delete(instanceKey(2));
  town.keys.entries.delete(LEADER);
  const one = town.instance(1);
  await town.pass(2_500);
  deepEqual([one.coordination.isLeading, one.instances], [true, [UNKNOWN_INSTANCE, 1, 2]]);
  await town.pass(TTL_MS - 2_600);
  deepEqual(one.instances, [UNKNOWN_INSTANCE, 1, 2]);
  await town.pass(400 + TTL_MS / 5);
  deepEqual(one.instances, [1]);
});

Deno.test("nobody leads before he has heard what there is, or has looked for a whole lease", async () => {
  const town = new Town();
  const one = town.instance(1, { isWatching: false });
  await town.pass(TTL_MS - 100);
  equal(one.coordination.isLeading, false);
  await town.pass(2_500);
  equal(one.coordination.isLeading, true);
});

Deno.test("where the store was empty somebody may be there whom nobody knows, for a lease: it may have been emptied", async () => {
  const town = new Town({ isUsed: false });
  const one = town.instance(1);
  await town.pass(TTL_MS - 500);
  deepEqual([one.coordination.isLeading, one.instances], [true, [UNKNOWN_INSTANCE, 1]]);
  const two = town.instance(2);
  await town.pass(400);
  deepEqual(two.instances, [1, 2]);
  await town.pass(TTL_MS / 5 + 200);
  deepEqual(one.instances, [1, 2]);
});

Deno.test("a record reaches an instance whose watch is deaf with its next renewal", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  two.store.isWatching = false;
  await town.pass(2_500);
  void one.coordination.swap("main", 0, record(1));
  await town.pass(TTL_MS / 5 + 100);
  equal(two.records.length, 1);
});

Deno.test("whoever was there before a write is known to the leader when the write is confirmed", async () => {
  const town = new Town();
  const one = town.instance(1);
  await town.pass(2_500);
  const two = town.instance(2);
  await town.pass(20);
  equal(two.coordination.permitUntilMs("main") > 0, true);
  deepEqual(one.instances, [1]);
  const swapped = one.coordination.swap("main", 0, record(1));
  await town.pass(20);
  equal((await swapped).kind, "written");
  deepEqual(one.coordination.instancesOf("main"), [1, 2]);
});

Deno.test("acknowledgements and views reach the others, also where a write of them is lost", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const seen = { primary: "n1", timeline: 1, lsn: 2n ** 60n };
  two.store.fate = "failed";
  two.coordination.acknowledge("main", { epoch: 2, startedAtMs: 5, isDrained: false, seen: null });
  two.coordination.publish("main", { healths: new Map([["n1", "down"]]), seen });
  await town.pass(50);
  deepEqual([one.acks, one.views], [[], []]);
  two.store.fate = "done";
  await town.pass(2_500);
  two.coordination.acknowledge("main", { epoch: 2, startedAtMs: 5, isDrained: true, seen });
  await town.pass(50);
  deepEqual(one.acks, [
    { instance: 2, epoch: 2, startedAtMs: 5, isDrained: false, seen: null },
    { instance: 2, epoch: 2, startedAtMs: 5, isDrained: true, seen },
  ]);
  deepEqual(one.views, [{ instance: 2, healths: new Map([["n1", "down"]]), seen }]);
});

Deno.test("an acknowledgement and a view that somebody has removed are written again at once", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  two.coordination.acknowledge("main", { epoch: 2, startedAtMs: 5, isDrained: true, seen: null });
  two.coordination.publish("main", { healths: new Map([["n1", "down"]]), seen: null });
  await town.pass(50);
  const keys = [clusterKey("main", "acks", 2), clusterKey("main", "views", 2)];
  two.store.commit([], keys.map((key) => ({ kind: "remove", key }) as const));
  await town.pass(50);
  deepEqual(keys.map((key) => town.keys.entries.has(key)), [true, true]);
  deepEqual([one.acks.length > 0, one.views.length > 0], [true, true]);
});

Deno.test("who leads and has lost a node that the others reach does not lead for long, and is told at once", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const healths = (n2: string) => new Map([["n1", "up"], ["n2", n2]]);
  for (const { coordination } of [one, two]) {
    coordination.publish("main", { healths: healths("up"), seen: null });
  }
  await town.pass(10_000);
  deepEqual([one.coordination.isLeading, two.coordination.isLeading], [true, false]);
  one.coordination.publish("main", { healths: healths("down"), seen: null });
  await town.pass(5_000);
  deepEqual([one.coordination.isLeading, two.coordination.isLeading], [false, true]);
  deepEqual([one.standings.at(-1), two.standings.at(-1)], ["follows true", "leads true"]);
});

Deno.test("an acknowledgement of another life of an instance counts for nothing", async () => {
  const town = new Town();
  const [one] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const value = JSON.stringify({ incarnation: "old", epoch: 9, startedAtMs: 5, isDrained: true });
  town.keys.commit([], [{ kind: "put", key: clusterKey("main", "acks", 2), value }]);
  await town.pass(2_500);
  deepEqual(one.acks, []);
});

Deno.test("a permit ends by itself where the store is away, and comes back with it", async () => {
  const town = new Town();
  const one = town.instance(1);
  await town.pass(2_500);
  one.store.fate = "failed";
  await town.pass(TTL_MS);
  deepEqual(one.standings.slice(-2), ["leads true", "follows false"]);
  one.store.fate = "done";
  await town.pass(2_500);
  equal(one.standings.at(-1), "leads true");
});

Deno.test("a command goes to the instance that leads, is done once, and is answered where it was asked", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const command = { kind: "switchover", to: null, withinMs: null, isForced: false } as const;
  const answers = [two, one].map(({ coordination }, at) => coordination.ask("main", command, `op${at}`));
  await town.pass(200);
  deepEqual(await Promise.all(answers), [{ ok: true, text: "done by 1" }, { ok: true, text: "done by 1" }]);
  deepEqual(one.commands.toSorted(), ["switchover op0", "switchover op1"]);
  await town.pass(100);
  deepEqual([...town.keys.list("clusters/main/requests/").entries], []);
});

Deno.test("a command whose leader is away is done by the next one, and by nobody else", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  one.store.fate = "failed";
  const asked = two.coordination.ask("main", { kind: "rejoin", node: "n1" }, "op");
  await town.pass(15_100);
  deepEqual(await asked, { ok: true, text: "done by 2" });
  one.store.fate = "done";
  await town.pass(3_000);
  deepEqual([one.commands, two.commands], [[], ["rejoin op"]]);
});

Deno.test("a command that nobody takes up is taken back, and done by nobody later", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  one.store.isWatching = false;
  const asked = two.coordination.ask("main", { kind: "rejoin", node: "n1" }, "op");
  await town.pass(15_100);
  deepEqual(await asked, { ok: false, text: "no instance has taken it up: try again" });
  one.store.isWatching = true;
  await town.pass(3_000);
  deepEqual([one.commands, two.commands], [[], []]);
});

Deno.test("a record of a newer pgplex is said to be misunderstood, and cannot be read", async () => {
  const town = new Town();
  const one = town.instance(1);
  town.keys.commit([], [{ kind: "put", key: recordKey("main"), value: '{"format":2,"record":{}}' }]);
  await town.pass(2_500);
  equal(one.misunderstood.length, 1);
  const read = rejects(one.coordination.record("main"), /format 2/);
  await town.pass(50);
  await read;
});

Deno.test("one that leaves says so, and leaves nothing behind that runs", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const left = one.coordination.leave();
  equal(one.standings.at(-1), "follows false");
  await town.pass(100);
  await left;
  await town.pass(2_500);
  equal(two.coordination.isLeading, true);
  deepEqual(two.coordination.members().map(({ id, isLeading, isThere }) => [id, isLeading, isThere]), [
    [1, false, false],
    [2, true, true],
  ]);
  const other = two.coordination.leave();
  await town.pass(100);
  await other;
  equal(town.clock.pending, 0);
});

Deno.test("whoever was there before a record is known when the record is read, or met by a write", async () => {
  const town = new Town();
  const one = town.instance(1);
  await town.pass(2_500);
  town.instance(2);
  await town.pass(20);
  const read = one.coordination.record("main");
  await town.pass(20);
  await read;
  deepEqual(one.coordination.instancesOf("main"), [1, 2]);
  town.instance(3);
  await town.pass(20);
  const swapped = one.coordination.swap("main", 9, record(1));
  await town.pass(20);
  deepEqual([(await swapped).kind, one.coordination.instancesOf("main")], ["conflict", [1, 2, 3]]);
});

Deno.test("a write of unknown end that comes late finds that the record was read, and changes nothing", async () => {
  const town = new Town();
  const one = town.instance(1);
  await town.pass(2_500);
  const first = one.coordination.swap("main", 0, record(1));
  await town.pass(50);
  const { revision } = await first as { revision: number };
  one.store.fate = "late";
  const second = one.coordination.swap("main", revision, record(2));
  await town.pass(50);
  equal((await second).kind, "unknown");
  one.store.fate = "done";
  const read = one.coordination.record("main");
  await town.pass(50);
  const stored = await read;
  deepEqual([stored?.record, stored!.revision > revision], [record(1), true]);
  one.store.deliverLate();
  const again = one.coordination.record("main");
  await town.pass(50);
  deepEqual(await again, stored);
});

Deno.test("an instance that does not have a cluster is not asked about its moves, until a reload puts it there", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2, { has: false })];
  await town.pass(3_000);
  deepEqual([one.coordination.instancesOf("main"), one.coordination.instancesOf("other")], [[1], [1]]);
  equal(two.coordination.permitUntilMs("main"), -Infinity);
  const end = two.listen();
  await town.pass(20);
  equal(two.coordination.permitUntilMs("main") > town.clock.nowMs(), true);
  // Whoever has a permit is known to the leader behind the next record.
  void one.coordination.swap("main", 0, record(1));
  await town.pass(20);
  deepEqual([one.instances, two.records.length > 0], [[1, 2], true]);
  end();
  await town.pass(5_000);
  deepEqual(one.instances, [1]);
  equal(two.coordination.permitUntilMs("main"), -Infinity);
});

Deno.test("an instance that has a cluster without its moves is waited for, and so is one of an earlier version", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2, { has: false })];
  two.coordination.serve(["main"]);
  await town.pass(3_000);
  deepEqual([one.coordination.instancesOf("main"), two.coordination.permitUntilMs("main")], [
    [1, 2],
    -Infinity,
  ]);
  two.coordination.serve([]);
  await town.pass(5_000);
  deepEqual(one.coordination.instancesOf("main"), [1]);
  const { clusters: _, ...earlier } = instanceOf(town.keys.entries.get("instances/2")!)!;
  const value = JSON.stringify({ ...earlier, incarnation: "old", counter: 1 });
  town.keys.commit([], [{ kind: "put", key: "instances/3", value }]);
  await town.pass(3_000);
  deepEqual(one.coordination.instancesOf("main"), [1, 3]);
});

Deno.test("what an instance has said of a cluster before a reload removed it counts for nothing behind the next one", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(3_000);
  two.coordination.publish("main", { healths: new Map([["n1", "down"]]), seen: null });
  await town.pass(50);
  equal(one.views.length, 1);
  one.store.isWatching = true;
  // It stays away from one renewal to the next.
  const [again] = [town.instance(3, { has: false })];
  again.listen()();
  town.keys.commit([], [{
    kind: "put",
    key: clusterKey("main", "views", 3),
    value: JSON.stringify({ incarnation: "i3", healths: { n1: "down" } }),
  }]);
  await town.pass(3_000);
  equal(one.views.some(({ instance }) => instance === 3), false);
  again.listen();
  await town.pass(3_000);
  equal(one.views.some(({ instance }) => instance === 3), false);
  again.coordination.publish("main", { healths: new Map([["n1", "up"]]), seen: null });
  await town.pass(3_000);
  deepEqual(one.views.find(({ instance }) => instance === 3)?.healths, new Map([["n1", "up"]]));
});

Deno.test("who leads no more knows it when it has read a record, or as soon as it hears that a record was removed", async () => {
  for (const how of ["reads", "hears"]) {
    const town = new Town();
    const [one, two] = [town.instance(1), town.instance(2)];
    await town.pass(2_500);
    void one.coordination.swap("main", 0, record(1));
    await town.pass(50);
    const value = JSON.stringify({ id: 2, incarnation: "i2" });
    town.keys.commit([], [{ kind: "put", key: LEADER, value }]);
    equal(one.coordination.isLeading, true);
    if (how === "reads") void one.coordination.record("main");
    else void two.store.commit([], [{ kind: "remove", key: recordKey("main") }]);
    await town.pass(50);
    deepEqual([how, one.coordination.isLeading, one.standings.at(-1)], [how, false, "follows true"]);
  }
});

Deno.test("a record that somebody removes is told to be lost, until it is there again", async () => {
  const town = new Town();
  const one = town.instance(1);
  await town.pass(2_500);
  const swapped = one.coordination.swap("main", 0, record(1));
  await town.pass(3_000);
  equal((await swapped).kind, "written");
  equal(one.lost, 0);
  town.keys.commit([], [{ kind: "remove", key: recordKey("main") }]);
  await town.pass(3_000);
  equal(one.lost > 0, true);
  const again = one.coordination.swap("main", 0, record(1));
  await town.pass(50);
  equal((await again).kind, "written");
  await town.pass(100);
  one.lost = 0;
  await town.pass(3_000);
  equal(one.lost, 0);
});

Deno.test("a record that is removed before whoever wrote it has heard of it is told to be lost", async () => {
  const town = new Town();
  const one = town.instance(1, { isWatching: false });
  await town.pass(2_500);
  const swapped = one.coordination.swap("main", 0, record(1));
  await town.pass(50);
  equal((await swapped).kind, "written");
  town.keys.commit([], [{ kind: "remove", key: recordKey("main") }]);
  await town.pass(5_000);
  deepEqual([one.lost > 0, one.lostOld], [true, 0]);
});

Deno.test("a record that is removed while an instance has no permit may have been another one by then", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const swapped = one.coordination.swap("main", 0, record(1));
  await town.pass(3_000);
  equal((await swapped).kind, "written");
  two.store.fate = "failed";
  await town.pass(TTL_MS);
  town.keys.commit([], [{ kind: "remove", key: recordKey("main") }]);
  two.store.fate = "done";
  await town.pass(3_000);
  deepEqual([one.lost > 0, one.lostOld, two.lost, two.lostOld > 0], [true, 0, 0, true]);
});

Deno.test("a defect in one cluster's part ends neither renewals nor what the other clusters hear", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  two.listen("other");
  two.standings.length = 0;
  two.defect = new Error("a nil pool");
  two.coordination.serve(["third"]);
  await town.pass(50);
  deepEqual([two.standings, two.log.at(-1)], [
    ["follows true"],
    "a defect in what instances agree upon, which goes on",
  ]);
  await town.pass(3 * TTL_MS);
  equal(two.coordination.permitUntilMs("main") > town.clock.nowMs(), true);
  deepEqual(one.instances, [1, 2]);
});

Deno.test("where etcd is replaced by an empty one its records are heard by all, by whatever revision", async () => {
  const town = new Town();
  town.keys.revision = 100_000;
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  void one.coordination.swap("main", 0, record(1));
  await town.pass(50);
  equal(two.records.length, 1);
  town.keys.entries.clear();
  town.keys.revision = 1;
  await town.pass(3 * TTL_MS);
  deepEqual([one.anew, two.anew, one.lostOld > 0, two.lostOld > 0], [1, 1, true, true]);
  const [leader, other] = one.coordination.isLeading ? [one, two] : [two, one];
  const swapped = leader.coordination.swap("main", 0, record(12));
  await town.pass(50);
  const { revision } = await swapped as { revision: number };
  deepEqual([other.records.at(-1), revision < 1_000], [{ revision, record: record(12) }, true]);
  await town.pass(TTL_MS);
  deepEqual([one.anew, two.anew, leader.records.at(-1)], [1, 1, { revision, record: record(12) }]);
});

Deno.test("where etcd is put back from a backup its record is heard by all, and so is what comes behind it", async () => {
  const town = new Town();
  const [one, two] = [town.instance(1), town.instance(2)];
  await town.pass(2_500);
  const swap = async (revision: number, epoch: number) => {
    const swapped = one.coordination.swap("main", revision, record(epoch));
    await town.pass(50);
    return (await swapped as { revision: number }).revision;
  };
  const first = await swap(0, 1);
  const backup = { entries: [...town.keys.entries], revision: town.keys.revision };
  await town.pass(TTL_MS);
  await swap(first, 2);
  town.keys.entries.clear();
  for (const [key, entry] of backup.entries) town.keys.entries.set(key, entry);
  town.keys.revision = backup.revision;
  await town.pass(TTL_MS / 5 + 100);
  const old = { revision: first, record: record(1) };
  deepEqual([one.anew, two.anew, one.records.at(-1), two.records.at(-1)], [1, 1, old, old]);
  deepEqual([one.coordination.isLeading, one.lost, two.lost], [true, 0, 0]);
  const revision = await swap(first, 3);
  deepEqual(two.records.at(-1), { revision, record: record(3) });
});
