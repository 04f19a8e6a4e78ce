import assert from "node:assert/strict";
import { waitFor } from "../harness/mod.ts";
import { Cut, good, VerbsRig } from "../harness/verbs_rig.ts";

for (const major of [12, 14, 18] as const) {
  Deno.test(`PostgreSQL ${major}: inspect tells of a primary and its standby what the arbiter judges by`, async () => {
    await using rig = await VerbsRig.start({
      major,
      settings: { full_page_writes: "on", wal_log_hints: "on" },
    });
    await rig.node(0).sql("CREATE TABLE t ()");
    await rig.replicas.caughtUp(1, 0);
    const [primary, standby] = [good(await rig.verbs(0).inspect()), good(await rig.verbs(1).inspect())];
    assert.deepEqual(
      [primary.recovering, primary.timeline, primary.receiver, primary.hasUpstream, primary.isReplayIdle],
      [false, 1, null, false, true],
    );
    assert.deepEqual([standby.recovering, standby.timeline, standby.hasUpstream], [true, 1, true]);
    assert.equal(standby.system, primary.system);
    assert.ok(standby.lsn >= primary.flushLsn && standby.replayLsn === standby.lsn);
    assert.deepEqual([standby.standbyName, standby.dataDirMode], ["n2", "0700"]);
    assert.equal(standby.receiver?.status, "streaming");
    assert.equal(standby.receiver?.fromPort, rig.node(0).port);
    assert.deepEqual(primary.replicas.map(({ name, state, syncState }) => [name, state, syncState]), [
      ["n2", "streaming", "async"],
    ]);
    for (const found of [primary, standby]) {
      assert.equal(Math.floor(found.version / 10_000), major);
      assert.deepEqual(
        [found.canRewind, found.canRunPrograms, found.isFenced, found.synchronous, found.applyDelayMs],
        [true, true, false, null, 0],
      );
    }
    assert.deepEqual([primary.otherSessions, primary.openTransactions, primary.preparedTransactions], [
      0,
      0,
      0,
    ]);
  });
}

for (const [major, clusterName] of [[12, ""], [18, "18/main"]] as const) {
  Deno.test(`PostgreSQL ${major}: a standby's name is the one by which its upstream knows it, however it is given`, async () => {
    await using rig = await VerbsRig.start({
      major,
      settings: { wal_retrieve_retry_interval: "100ms", cluster_name: clusterName },
    });
    const [primary, standby] = [rig.node(0), rig.node(1)];
    assert.equal(good(await rig.verbs(0).inspect()).standbyName, null);
    const at = `host=127.0.0.1 port=${primary.port} user=postgres`;
    const uri = `postgres://postgres@127.0.0.1:${primary.port}/postgres`;
    for (
      const text of [
        at,
        `${at} application_name='my \\\'node\\\''`,
        `application_name = N2 ${at}`,
        `${at} fallback_application_name=other application_name=''`,
        `${uri}?application_name=n%202&connect_timeout=5`,
        uri,
      ]
    ) {
      await standby.sql(`ALTER SYSTEM SET primary_conninfo = '${text.replaceAll("'", "''")}'`);
      await standby.restart();
      const said = good(await rig.verbs(1).inspect()).standbyName;
      await waitFor(async () => {
        const [replica] = await primary.sql("SELECT application_name FROM pg_stat_replication");
        return replica?.["application_name"] === said;
      }, { what: `a standby called ${said}, by ${text}` });
    }
    good(await rig.verbs(1).freeze());
    assert.equal(good(await rig.verbs(1).inspect()).standbyName, null);
  });
}

Deno.test("a data directory whose mode has changed is seen, although the server says what it was", async () => {
  await using rig = await VerbsRig.start({ standbys: 0 });
  const verbs = rig.verbs(0);
  assert.equal(good(await verbs.inspect({ host: true })).host?.isModeSafe, true);
  await Deno.chmod(rig.node(0).dataDir, 0o755);
  const found = good(await verbs.inspect({ host: true }));
  assert.deepEqual([found.host?.isModeSafe, found.dataDirMode], [false, "unsafe"]);
  const refused = await verbs.demote({ upstream: rig.upstream(0), supervised: false, slot: null });
  assert.ok(
    !refused.ok && refused.kind === "refused" && /mode/.test(refused.reason),
    JSON.stringify(refused),
  );
  assert.equal(good(await verbs.inspect()).recovering, false);
  await Deno.chmod(rig.node(0).dataDir, 0o700);
});

Deno.test("a later arbiter ends earlier ones' sessions, which then can do nothing; the same one again ends its lost one", async () => {
  await using rig = await VerbsRig.start();
  const [old, later] = [rig.verbs(1), rig.verbs(1)];
  assert.equal(good(await old.takeOver({ epoch: 3, instance: 1 })).ended, 0);
  assert.equal(good(await old.takeOver({ epoch: 3, instance: 1 })).ended, 0);
  assert.equal(good(await later.takeOver({ epoch: 4, instance: 2 })).ended, 1);
  assert.equal(good(await later.takeOver({ epoch: 4, instance: 2 })).ended, 0);
  // It was asleep, and wakes: what it wants to do is refused, on a new connection as well.
  for (let attempt = 0; attempt < 2; attempt++) {
    const refused = await old.promote({ timeoutMs: 3000 });
    assert.ok(!refused.ok, "it promoted a standby that another arbiter has");
  }
  const refused = await old.takeOver({ epoch: 3, instance: 1 });
  assert.ok(!refused.ok && refused.kind === "refused" && /epoch 4, instance 2/.test(refused.reason));
  assert.equal(good(await later.inspect()).recovering, true);
  // The same arbiter behind a restart: its old session may linger.
  const again = rig.verbs(1);
  assert.equal(good(await again.takeOver({ epoch: 4, instance: 2 })).ended, 1);
  assert.equal(good(await again.inspect()).recovering, true);
});

Deno.test("a server of another cluster is not taken over, also where it has come into a node's place since", async () => {
  await using rig = await VerbsRig.start({ standbys: 0 });
  await using cut = new Cut(rig.node(0));
  const verbs = rig.verbs(0, { port: cut.port });
  const { system } = good(await verbs.inspect());
  good(await verbs.takeOver({ epoch: 1, instance: 0, system }));
  const refused = await verbs.takeOver({ epoch: 2, instance: 0, system: `${system}1` });
  assert.ok(!refused.ok && refused.kind === "refused" && /another cluster/.test(refused.reason));
  // It connects anew for each: the claim that it was given last holds, and is compared again.
  const fenced = await verbs.fence();
  assert.ok(!fenced.ok && fenced.kind === "refused" && /another cluster/.test(fenced.reason));
  good(await verbs.takeOver({ epoch: 3, instance: 0, system }));
  good(await verbs.checkpoint());
});

Deno.test("a verb whose connection is cut says whether it may have happened, and goes through when asked again", async () => {
  await using rig = await VerbsRig.start();
  await using cut = new Cut(rig.node(0));
  const verbs = rig.verbs(0, { port: cut.port });
  good(await verbs.takeOver({ epoch: 1, instance: 0 }));
  for (const at of ["before", "after"] as const) {
    cut.arm("CHECKPOINT", at);
    const result = await verbs.checkpoint();
    assert.ok(!result.ok && result.kind === "unknown", JSON.stringify(result));
    good(await verbs.checkpoint());
    cut.arm("pg_control_system", at);
    const look = await verbs.inspect();
    assert.ok(!look.ok && look.kind === "failed", JSON.stringify(look));
    good(await verbs.inspect());
  }
  assert.equal(cut.count, 4);
});

Deno.test("a server that is stopped, and one that is gone, cost each verb its deadline at most", async () => {
  await using rig = await VerbsRig.start({ standbys: 0 });
  const verbs = rig.verbs(0, { timeouts: { inspect: 400, fence: 400 } });
  good(await verbs.inspect());
  await rig.node(0).kill("SIGSTOP");
  for (const [verb, kind] of [["inspect", "failed"], ["fence", "failed"]] as const) {
    const beganMs = performance.now();
    const result = await verbs[verb]();
    assert.ok(!result.ok && result.kind === kind, JSON.stringify(result));
    assert.ok(performance.now() - beganMs < 2500);
  }
  await rig.node(0).kill("SIGCONT");
  await waitFor(async () => (await verbs.inspect()).ok, { what: "the server to answer" });
  await rig.node(0).kill("SIGKILL");
  const gone = await verbs.promote({ timeoutMs: 500 });
  assert.ok(!gone.ok && gone.kind === "failed", JSON.stringify(gone));
});

Deno.test("a role that is no superuser is told what is not possible, and what a person has to type", async () => {
  await using rig = await VerbsRig.start({
    setup: "CREATE ROLE bare LOGIN; GRANT pg_monitor TO bare; GRANT pg_read_all_settings TO bare",
  });
  const [primary, standby] = [rig.verbs(0, { user: "bare" }), rig.verbs(1, { user: "bare" })];
  const found = good(await standby.inspect());
  assert.deepEqual([found.recovering, found.canRunPrograms, found.isSuperuser], [true, false, false]);
  const upstream = rig.upstream(0);
  for (
    const [result, instead] of [
      [await standby.freeze(), /ALTER SYSTEM SET primary_conninfo/],
      [await standby.repoint({ upstream: rig.upstream(1), slot: null }), /ALTER SYSTEM SET primary_conninfo/],
      [await standby.promote({ timeoutMs: 1000 }), /pg_promote/],
      [await standby.witness(upstream), /pg_isready/],
      [await primary.checkpoint(), /CHECKPOINT/],
      [await primary.fence(), /default_transaction_read_only/],
      [await primary.synchronousNames("n2"), /synchronous_standby_names/],
    ] as const
  ) {
    assert.ok(!result.ok && result.kind === "not possible", JSON.stringify(result));
    assert.match(result.instead ?? "", instead);
  }
  assert.equal(good(await rig.verbs(1).inspect()).receiver?.status, "streaming");
});
