import assert from "node:assert/strict";
import type { Answer } from "../../src/instances/mod.ts";
import { CutWire } from "../harness/cut_wire.ts";
import { type EtcdCluster, startEtcdCluster, waitFor } from "../harness/mod.ts";
import { done, eventually, openStore, timed, Watched } from "./store_rig.ts";

/** What a call may take beyond its limit on a busy machine. */
const SLACK_MS = 400;

/** Writes by the gateway, many keys in each commit. */
async function putMany(etcd: EtcdCluster, keys: readonly string[], value: string): Promise<void> {
  for (let at = 0; at < keys.length; at += 100) {
    const success = keys.slice(at, at + 100).map((key) => ({
      requestPut: { key: btoa(`/pgplex/${key}`), value: btoa(value) },
    }));
    await etcd.api("kv/txn", { success });
  }
}

Deno.test("a member that is stopped costs one call its time, and the next ones go elsewhere", async () => {
  await using etcd = await startEtcdCluster();
  const told: string[] = [];
  // Behind the stop of etcd's own leader, no member answers until there is another one.
  const members = await etcd.leaderLast();
  await using store = await openStore({
    endpoints: members.map(({ url }) => url),
    onMember: (endpoint, problem) => told.push(`${endpoint} ${problem === null ? "good" : "failed"}`),
  });
  done(await store.list(""));
  const [first] = members;
  first!.signal("SIGSTOP");
  const read = await timed(store.list(""));
  done(read.value);
  assert.ok(read.ms < 1_600, `the first read took ${read.ms} ms`);
  for (let n = 0; n < 5; n++) {
    const write = await timed(store.commit([], [{ kind: "put", key: "n", value: String(n) }]));
    done(write.value);
    assert.ok(write.ms < 1_000, `write ${n} took ${write.ms} ms`);
  }
  assert.deepEqual(told, [`${first!.url} failed`]);
  first!.signal("SIGCONT");
});

Deno.test("a write to a member that stops is unknown, is sent once, and is found by the value's own id", async () => {
  await using etcd = await startEtcdCluster();
  using wire = new CutWire(etcd.members[0]!.port);
  await using store = await openStore({
    endpoints: [`http://127.0.0.1:${wire.port}`, ...etcd.urls.slice(1)],
  });
  done(await store.list(""));
  wire.answers = "swallow";
  const write = await timed(store.commit(
    [{ key: "record", createRevision: 0 }],
    [{ kind: "put", key: "record", value: "by me, number 7" }],
  ));
  assert.equal(write.value.kind, "unknown");
  assert.ok(write.ms < store.callTimeoutMs + SLACK_MS, `it took ${write.ms} ms`);
  const { entries } = done(await store.list("record"));
  const { value, createRevision, modRevision } = entries.get("record")!;
  assert.deepEqual([value, createRevision], ["by me, number 7", modRevision]);
});

Deno.test("a write to a member that refuses connections was not sent, and goes to the next one in the same call", async () => {
  await using etcd = await startEtcdCluster();
  using wire = new CutWire(etcd.members[0]!.port);
  await using store = await openStore({
    endpoints: [`http://127.0.0.1:${wire.port}`, ...etcd.urls.slice(1)],
  });
  wire.cut({ refuse: true });
  const write = await timed(store.commit([], [{ kind: "put", key: "a", value: "1" }]));
  assert.equal(done(write.value).isWritten, true);
  assert.ok(write.ms < 1_000, `it took ${write.ms} ms`);
});

Deno.test("without a majority each call ends within its limit, and all comes back by itself", async () => {
  await using etcd = await startEtcdCluster();
  await using store = await openStore({ endpoints: etcd.urls });
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  for (const member of etcd.members.slice(1)) member.signal("SIGSTOP");
  const calls: (() => Promise<Answer<unknown>>)[] = [
    () => store.list(""),
    () => store.commit([], [{ kind: "put", key: "a", value: "1" }]),
  ];
  const ended = await Promise.all(calls.map((call) => timed(call())));
  for (const [index, { value, ms }] of ended.entries()) {
    const told = `call ${index} took ${ms} ms: ${JSON.stringify(value)}`;
    assert.ok(ms < store.callTimeoutMs + SLACK_MS, told);
    assert.equal(value.kind, index === 0 ? "failed" : "unknown", told);
  }
  for (const member of etcd.members.slice(1)) member.signal("SIGCONT");
  await eventually(
    "a write",
    () => store.commit([], [{ kind: "put", key: "back", value: "1" }]),
  );
  await watched.until("the watch to be back", () => watched.value("back") === "1");
});

Deno.test("a watch loses none of 3,000 changes that come while it is cut again and again", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  using wire = new CutWire(etcd.members[0]!.port);
  await using store = await openStore({ endpoints: [`http://127.0.0.1:${wire.port}`] });
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  const keys = Array.from({ length: 3_000 }, (_, n) => `k${n}`);
  for (const [round, bytes] of [20_000, 60_000, 100].entries()) {
    // The changes pile up on the way, and of them a part comes through before the cut.
    wire.answers = "hold";
    await putMany(etcd, keys, `round ${round}`);
    wire.cutAfter(bytes);
    wire.answers = "pass";
    await watched.until(
      `all of round ${round}`,
      () => keys.every((key) => watched.value(key) === `round ${round}`),
    );
  }
});

Deno.test("a watch whose member is stopped goes on at another one", async () => {
  await using etcd = await startEtcdCluster();
  await using store = await openStore({ endpoints: etcd.urls });
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  etcd.members[0]!.signal("SIGSTOP");
  const writer = await openStore({ endpoints: etcd.urls.slice(1) });
  await eventually("a write", () => writer.commit([], [{ kind: "put", key: "a", value: "1" }]));
  await writer.close();
  await watched.until("the change", () => watched.value("a") === "1", 12_000);
  etcd.members[0]!.signal("SIGCONT");
});

Deno.test("a connection that leads into the void is given up, and another one made", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  using wire = new CutWire(etcd.members[0]!.port);
  await using store = await openStore({ endpoints: [`http://127.0.0.1:${wire.port}`] });
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  wire.lose();
  const back = await timed(
    eventually("a write", () => store.commit([], [{ kind: "put", key: "a", value: "1" }])),
  );
  assert.ok(back.ms < 6_000, `it took ${back.ms} ms`);
  await watched.until("the change", () => watched.value("a") === "1");
});

Deno.test("when etcd's own leader is stopped, calls come back with the next one", async () => {
  await using etcd = await startEtcdCluster();
  const members = await etcd.leaderLast();
  await using store = await openStore({ endpoints: members.map(({ url }) => url) });
  done(await store.list(""));
  const leader = members.at(-1)!;
  leader.signal("SIGSTOP");
  const back = await timed(
    eventually(
      "a write",
      () => store.commit([], [{ kind: "put", key: "a", value: "1" }]),
    ),
  );
  assert.ok(back.ms < 5_000, `it took ${back.ms} ms`);
  leader.signal("SIGCONT");
});

Deno.test("members that end one after the other, and come back, are not missed", async () => {
  await using etcd = await startEtcdCluster();
  await using store = await openStore({ endpoints: etcd.urls });
  const watched = new Watched(store, "");
  for (const [index, member] of etcd.members.entries()) {
    await member.stop();
    await eventually(
      "a write",
      () => store.commit([], [{ kind: "put", key: "n", value: String(index) }]),
    );
    await watched.until("the change", () => watched.value("n") === String(index));
    await member.start();
  }
  await waitFor(async () => (await store.list("")).kind === "done", { what: "a listing" });
});
