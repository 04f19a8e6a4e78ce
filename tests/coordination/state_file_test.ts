import assert from "node:assert/strict";
import type { ClusterRecord } from "../../src/arbiter/mod.ts";
import { Standalone, StateFile, type StateStore } from "../../src/coordination/mod.ts";
import { VirtualClock } from "../../src/kernel/mod.ts";
import { run, tempDir, waitFor } from "../harness/mod.ts";

async function open(store: StateStore, clock = new VirtualClock()) {
  const self = { id: 1, name: "here", address: null, version: "1", sinceMs: 0 };
  return await Standalone.open(store, clock, self);
}

/** As much of a record as matters to who keeps it. */
function of(primary: string, more: { readonly lsn?: bigint } = {}): ClusterRecord {
  return { primary, ...more } as unknown as ClusterRecord;
}

Deno.test("a record outlives its instance, with its revision, and swaps by it alone", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/pgplex.state`;
  {
    using file = await StateFile.open<ClusterRecord>(path);
    const alone = await open(file);
    assert.equal(alone.memory.kind, "fresh");
    assert.deepEqual([alone.isLeading, alone.permitUntilMs(), alone.instancesOf()], [true, Infinity, [1]]);
    assert.deepEqual(await alone.swap("main", 0, of("n1")), { kind: "written", revision: 1 });
    assert.equal((await alone.swap("main", 0, of("n2"))).kind, "conflict");
    assert.deepEqual(await alone.swap("main", 1, of("n2", { lsn: 7n })), {
      kind: "written",
      revision: 2,
    });
    assert.deepEqual(await alone.swap("other", 0, of("m1")), { kind: "written", revision: 1 });
  }
  using file = await StateFile.open<ClusterRecord>(path);
  const alone = await open(file);
  assert.equal(alone.memory.kind, "known");
  assert.deepEqual(await alone.record("main"), { revision: 2, record: of("n2", { lsn: 7n }) });
  assert.equal(await alone.record("nothing"), null);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
});

Deno.test("of two swaps at once one has its way", async () => {
  await using dir = await tempDir();
  using file = await StateFile.open<ClusterRecord>(`${dir.path}/state`);
  const alone = await open(file);
  const kinds = await Promise.all(["n1", "n2"].map((primary) => alone.swap("main", 0, of(primary))));
  assert.deepEqual(kinds.map(({ kind }) => kind), ["written", "conflict"]);
});

Deno.test("a damaged file is named and put aside, and nothing is taken from it", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/state`;
  {
    using file = await StateFile.open<ClusterRecord>(path);
    await (await open(file)).swap("main", 0, of("n1"));
  }
  const text = (await Deno.readTextFile(path)).replace("n1", "n2");
  await Deno.writeTextFile(path, text);
  using file = await StateFile.open<ClusterRecord>(path);
  const alone = await open(file);
  assert.deepEqual(alone.memory, { kind: "damaged", reason: "its checksum is not that of what it holds" });
  assert.equal(await alone.record("main"), null);
  assert.equal(await Deno.readTextFile(`${path}.damaged`), text);
  assert.equal((await alone.swap("main", 0, of("n1"))).kind, "written");
});

Deno.test("a second process does not get the file", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/state`;
  const source = `import { StateFile } from ${
    JSON.stringify(new URL("../../src/coordination/state_file.ts", import.meta.url).href)
  };
    using file = await StateFile.open(Deno.args[0]); await Deno.writeTextFile(Deno.args[0] + ".mine", "");`;
  await Deno.writeTextFile(`${dir.path}/other.ts`, source);
  const other = () => run(Deno.execPath(), { args: ["run", "-A", `${dir.path}/other.ts`, path] });
  {
    using _file = await StateFile.open<ClusterRecord>(path);
    await assert.rejects(other(), /another process has it/);
  }
  await other();
  await Deno.stat(`${path}.mine`);
});

Deno.test("what cannot be written has failed, and the record is the one of before", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/state`;
  using file = await StateFile.open<ClusterRecord>(path);
  const alone = await open(file);
  await alone.swap("main", 0, of("n1"));
  await Deno.mkdir(`${path}.new`); // in the way of the file beside
  assert.equal((await alone.swap("main", 1, of("n2"))).kind, "failed");
  assert.deepEqual(await alone.record("main"), { revision: 1, record: of("n1") });
  await Deno.remove(`${path}.new`);
  assert.equal((await alone.swap("main", 1, of("n2"))).kind, "written");
});

Deno.test("a write of which nobody knows is looked up in the file before the next one", async () => {
  await using dir = await tempDir();
  using file = await StateFile.open<ClusterRecord>(`${dir.path}/state`);
  for (const isThere of [true, false]) {
    let lies = false;
    const alone = await open({
      path: file.path,
      read: () => file.read(),
      putAside: () => file.putAside(),
      write: async (state) => {
        if (!lies) return await file.write(state);
        lies = false;
        if (isThere) await file.write(state);
        return { kind: "unknown", reason: "the folder" };
      },
    });
    const before = (await alone.record("main"))?.revision ?? 0;
    lies = true;
    assert.equal((await alone.swap("main", before, of("n2"))).kind, "unknown");
    assert.equal((await alone.record("main"))?.revision ?? 0, isThere ? before + 1 : before);
  }
});

Deno.test("a disk that hangs hangs nobody: the swap is unknown in time, and comes later", async () => {
  await using dir = await tempDir();
  using file = await StateFile.open<ClusterRecord>(`${dir.path}/state`);
  const clock = new VirtualClock();
  const disk = Promise.withResolvers<void>();
  const alone = await open({
    path: file.path,
    read: () => file.read(),
    putAside: () => file.putAside(),
    write: async (state) => {
      await disk.promise;
      return await file.write(state);
    },
  }, clock);
  const swaps = [alone.swap("main", 0, of("n1")), alone.swap("main", 0, of("n2"))];
  clock.advance(5_000);
  assert.deepEqual((await Promise.all(swaps)).map(({ kind }) => kind), ["unknown", "unknown"]);
  disk.resolve();
  await waitFor(async () => (await alone.record("main"))?.record.primary === "n1", { what: "the first one" });
  assert.equal(clock.pending, 0);
});

Deno.test("who reads while the disk hangs shares one look, and hears why it fails", async () => {
  await using dir = await tempDir();
  using file = await StateFile.open<ClusterRecord>(`${dir.path}/state`);
  const clock = new VirtualClock();
  const disk = Promise.withResolvers<void>();
  let reads = 0;
  const alone = await open({
    path: file.path,
    read: async () => {
      if (reads++ === 0) return await file.read();
      await disk.promise;
      throw new Error("I/O error");
    },
    putAside: () => file.putAside(),
    write: () => Promise.resolve({ kind: "unknown", reason: "the folder" }),
  }, clock);
  assert.equal((await alone.swap("main", 0, of("n1"))).kind, "unknown");
  for (let count = 0; count < 3; count++) {
    const hung = assert.rejects(alone.record("main"), /the disk does not answer/);
    clock.advance(5_000);
    await hung;
  }
  const last = assert.rejects(alone.record("main"), /cannot be read: .*I\/O error/);
  disk.resolve();
  await last;
  assert.equal(reads, 2);
  assert.equal((await alone.swap("main", 0, of("n1"))).kind, "failed");
});

Deno.test("an operator's wish goes to the cluster's own arbiter, and to none once it has gone", async () => {
  await using dir = await tempDir();
  using file = await StateFile.open<ClusterRecord>(`${dir.path}/state`);
  const alone = await open(file);
  const command = { kind: "rejoin", node: "n1" } as const;
  const none = () => {};
  const end = alone.listen("main", {
    standing: none,
    record: none,
    lost: none,
    storeBeganAnew: none,
    misunderstood: none,
    instances: none,
    acknowledged: none,
    views: none,
    command: (asked, by) => Promise.resolve({ ok: asked === command, text: by }),
  });
  assert.deepEqual(await alone.ask("main", command, "me"), { ok: true, text: "me" });
  end();
  assert.equal((await alone.ask("main", command, "me")).ok, false);
});
