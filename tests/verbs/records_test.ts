import assert from "node:assert/strict";
import { good, VerbsRig } from "../harness/verbs_rig.ts";

for (const major of [12, 13, 14, 18] as const) {
  Deno.test(`PostgreSQL ${major}: slots are made, advanced, dropped when nobody wishes them, and outlive a promotion`, async () => {
    await using rig = await VerbsRig.start({ major });
    await rig.node(0).sql("SELECT pg_create_physical_replication_slot('somebodys')");
    const [primary, standby] = [rig.verbs(0), rig.verbs(1)];
    const { lsn } = good(await primary.inspect());
    const wishes = [{ name: "pgplex_n2", lsn }, { name: "pgplex_n3", lsn: null }];
    assert.deepEqual(good(await primary.slots(wishes)), { ok: true, made: 2, dropped: 0 });
    assert.deepEqual(good(await primary.slots(wishes)), { ok: true, made: 0, dropped: 0 });
    assert.deepEqual(good(await primary.slots([wishes[0]!])), { ok: true, made: 0, dropped: 1 });
    const names = await rig.node(0).sql("SELECT slot_name FROM pg_replication_slots ORDER BY 1");
    assert.deepEqual(names.map(({ slot_name }) => slot_name), ["pgplex_n2", "somebodys"]);
    const bad = await primary.slots([{ name: "x'; DROP", lsn: null }]);
    assert.ok(!bad.ok && bad.kind === "refused");
    if (major < 13) {
      const none = await standby.slots([{ name: "pgplex_n1", lsn: null }]);
      assert.ok(!none.ok && none.kind === "not possible", JSON.stringify(none));
      return;
    }
    const before = good(await standby.inspect()).replayLsn;
    good(await standby.slots([{ name: "pgplex_n1", lsn: before }]));
    await rig.node(0).sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
    await rig.replicas.caughtUp(1, 0);
    const { replayLsn } = good(await standby.inspect());
    const at = async () => {
      const [row] = await rig.node(1).sql(
        "SELECT (restart_lsn - '0/0')::text AS n FROM pg_replication_slots",
      );
      return BigInt(row!["n"]);
    };
    assert.ok(await at() <= before);
    good(await standby.slots([{ name: "pgplex_n1", lsn: replayLsn }]));
    assert.equal(await at(), replayLsn);
    // Backwards it does not go, and that is no error.
    good(await standby.slots([{ name: "pgplex_n1", lsn: before }]));
    assert.equal(await at(), replayLsn);
    good(await standby.promote({ timeoutMs: 10_000 }));
    assert.equal(await at(), replayLsn);
  });

  Deno.test(`PostgreSQL ${major}: of a transaction a frozen standby knows whether it committed, until others write; the watermark tells which`, async () => {
    await using rig = await VerbsRig.start({ major, setup: "CREATE TABLE t (i int)" });
    const xid = async (index: number, sql: string) => {
      const [row] = await rig.node(index).sql(`BEGIN; ${sql}; SELECT txid_current()::text AS xid`);
      return BigInt(row!["xid"]);
    };
    const committed = BigInt(
      (await rig.node(0).sql("WITH x AS (INSERT INTO t VALUES (1)) SELECT txid_current()::text AS xid"))[0]![
        "xid"
      ],
    );
    const aborted = await xid(0, "INSERT INTO t VALUES (2)");
    await rig.node(0).sql("INSERT INTO t VALUES (3)");
    await rig.replicas.caughtUp(1, 0);
    const standby = rig.verbs(1);
    const { xidWatermark } = good(await standby.freeze());
    await rig.node(1).adopt();
    const [row] = await rig.node(0).sql(
      "WITH x AS (INSERT INTO t VALUES (4)) SELECT txid_current()::text AS xid",
    );
    const lost = BigInt(row!["xid"]);
    assert.ok(committed < xidWatermark && lost >= xidWatermark);
    good(await standby.promote({ timeoutMs: 10_000 }));
    const status = async (of: bigint) => good(await standby.xactStatus(of)).status;
    assert.deepEqual([await status(committed), await status(aborted), await status(lost)], [
      "committed",
      "aborted",
      "future",
    ]);
    // The trap: the new primary gives the same numbers to others.
    for (let count = 0; count < 5; count++) await rig.node(1).sql("INSERT INTO t VALUES (5)");
    assert.equal(await status(lost), "committed");
  });
}

Deno.test("without the schema an epoch is recorded nowhere, and that is no failure", async () => {
  await using rig = await VerbsRig.start({ standbys: 0 });
  const result = good(await rig.verbs(0).recordEpoch({ epoch: 2, text: "it's \\ because" }));
  assert.equal(result.isRecorded, false);
});
