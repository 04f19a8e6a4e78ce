import assert from "node:assert/strict";
import { freePort, startEtcdCluster, waitFor } from "../harness/mod.ts";
import { done, openStore, Watched } from "./store_rig.ts";

Deno.test("a commit writes where its conditions hold, and reads its keys in either case", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  await using store = await openStore({ endpoints: etcd.urls });
  const made = done(
    await store.commit(
      [{ key: "a", createRevision: 0 }],
      [{ kind: "put", key: "a", value: "ä1" }],
      ["a", "b"],
    ),
  );
  assert.equal(made.isWritten, true);
  const [a, b] = made.entries;
  assert.deepEqual([a!.key, a!.value, b], ["a", "ä1", null]);
  assert.deepEqual([a!.createRevision, a!.modRevision], [made.revision, made.revision]);
  assert.equal(await etcd.get("/pgplex/a"), "ä1");

  const again = done(
    await store.commit(
      [{ key: "a", createRevision: 0 }],
      [{ kind: "put", key: "a", value: "2" }],
      ["a"],
      "",
    ),
  );
  assert.deepEqual([again.isWritten, again.revision, again.entries], [false, made.revision, [a]]);
  assert.deepEqual([made.listed, again.listed], [undefined, new Map([["a", a]])]);

  const next = done(
    await store.commit([{ key: "a", modRevision: a!.modRevision }], [
      { kind: "put", key: "a", value: "3" },
      { kind: "put", key: "acks/1", value: "x" },
      { kind: "put", key: "acks/2", value: "y" },
    ], ["a"]),
  );
  assert.deepEqual([next.isWritten, next.entries[0]!.value], [true, "3"]);
  assert.equal(next.entries[0]!.createRevision, made.revision);

  // The key's version is 2 by now, and its creation is not: the condition is about the latter.
  const kept = done(
    await store.commit(
      [{ key: "a", createRevision: made.revision }],
      [{ kind: "put", key: "b", value: "1" }],
    ),
  );
  assert.equal(kept.isWritten, true);
  const stale = await store.commit([{ key: "a", modRevision: made.revision }], [{
    kind: "remove",
    key: "a",
  }]);
  assert.equal(done(stale).isWritten, false);
  const absent = await store.commit([{ key: "none", createRevision: 1 }], [{ kind: "remove", key: "a" }]);
  assert.equal(done(absent).isWritten, false);

  const removed = done(
    await store.commit([], [{ kind: "remove", key: "acks/1" }, { kind: "remove", key: "a" }], ["a"]),
  );
  assert.deepEqual([removed.isWritten, removed.entries], [true, [null]]);
  assert.deepEqual([...done(await store.list("")).entries.keys()], ["acks/2", "b"]);
});

Deno.test("a store sees and touches nothing outside of its prefix", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  await etcd.put("/pgplex", "outside");
  await etcd.put("/pgplex0", "outside");
  await etcd.put("/pgplex/a", "inside");
  await etcd.put("/other/a", "of another one");
  await using store = await openStore({ endpoints: etcd.urls });
  await using other = await openStore({ endpoints: etcd.urls, prefix: "/other/" });
  assert.deepEqual([...done(await store.list("")).entries.values()].map(({ value }) => value), ["inside"]);
  assert.equal(done(await other.list("a")).entries.get("a")!.value, "of another one");
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  await etcd.put("/pgplex0", "again");
  done(await store.commit([], [{ kind: "remove", key: "a" }]));
  await watched.until("nothing to be left", () => watched.last?.entries.size === 0);
  assert.deepEqual([await etcd.get("/pgplex"), await etcd.get("/pgplex0"), await etcd.get("/other/a")], [
    "outside",
    "again",
    "of another one",
  ]);
});

Deno.test("a watch goes on through a compaction that takes what it was to tell", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  await using store = await openStore({ endpoints: etcd.urls });
  const watched = new Watched(store, "");
  await watched.until("the first listing", () => watched.last !== null);
  const [member] = etcd.members;
  // Stopped, so that the stream breaks; what comes then is compacted away before the watch is back.
  await member!.stop();
  await member!.start();
  for (let n = 1; n <= 20; n++) await etcd.put("/pgplex/n", String(n));
  const { header: { revision } } = await etcd.api("kv/range", { key: "AA==" });
  await etcd.api("kv/compaction", { revision, physical: true });
  await etcd.put("/pgplex/n", "last");
  await watched.until("the last value", () => watched.value("n") === "last");
});

Deno.test("a watch that ends is not told of anything any more, and a store that is closed answers at once", async () => {
  await using etcd = await startEtcdCluster({ members: 1 });
  const store = await openStore({ endpoints: etcd.urls });
  const [ended, other] = [new Watched(store, ""), new Watched(store, "")];
  await other.until("both to begin", () => ended.calls > 0 && other.calls > 0);
  ended.end();
  const { calls } = ended;
  done(await store.commit([], [{ kind: "put", key: "a", value: "" }]));
  await other.until("the change", () => other.last?.entries.size === 1);
  assert.equal(ended.calls, calls);
  await store.close();
  await store.close();
  const answers = await Promise.all([
    store.commit([], []),
    store.list(""),
  ]);
  assert.deepEqual([...new Set(answers.map(({ kind }) => kind))], ["failed"]);
  store.watch("", () => assert.fail("a closed store tells nothing"))();
});

for (const afterMs of [0, 100, 700]) {
  Deno.test(`a store that is closed ${afterMs} ms behind its first call, while it is connecting, leaves nothing`, async () => {
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const ports = [silent.addr.port, freePort()];
    const store = await openStore({ endpoints: ports.map((port) => `http://127.0.0.1:${port}`) });
    store.watch("", () => assert.fail("there is nothing to tell"));
    const calls = [store.list(""), store.commit([], [{ kind: "put", key: "a", value: "" }])];
    const untilMs = performance.now() + afterMs;
    await waitFor(() => performance.now() >= untilMs, { what: "the moment to close it", everyMs: 5 });
    await store.close();
    for (const { kind } of await Promise.all(calls)) assert.notEqual(kind, "done");
  });
}
