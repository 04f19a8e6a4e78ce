import assert from "node:assert/strict";
import { waitFor } from "../harness/mod.ts";
import { Cut, good, VerbsRig } from "../harness/verbs_rig.ts";

const SEGMENT_BYTES = 1n << 20n;

/**
 * A primary died while it wrote a record that goes on in the next segment, and its standbys have all of the segment in which it begins. The
 * second node is promoted; `restarted`: the third one has not received anything since its start.
 */
async function forked(major: 12 | 14 | 15 | 18, { restarted }: { restarted: boolean }): Promise<VerbsRig> {
  const rig = await VerbsRig.start({ major, standbys: 2, setup: "CREATE TABLE t (i int)" });
  const [primary, candidate, other] = [rig.node(0), rig.node(1), rig.node(2)];
  await primary.sql("INSERT INTO t VALUES (1)");
  await primary.sql("CHECKPOINT");
  for (const index of [1, 2]) await rig.replicas.caughtUp(index, 0);
  // What they have replayed would be beyond the end of what they are left with.
  for (const node of [candidate, other]) await node.sql("SELECT pg_wal_replay_pause()");
  const [begin] = await primary.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn");
  await primary.sql(`SELECT pg_logical_emit_message(true, 'big', repeat('x', ${3n * SEGMENT_BYTES / 2n}))`);
  const [end] = await primary.sql("SELECT pg_current_wal_insert_lsn()::text AS lsn");
  for (const node of [candidate, other]) {
    await waitFor(async () => {
      const [row] = await node.sql(`SELECT pg_last_wal_receive_lsn() >= '${end!["lsn"]}'::pg_lsn AS there`);
      return row!["there"] === true;
    }, { what: "the record to be received" });
  }
  await primary.kill("SIGKILL");
  const first = BigInt(begin!["lsn"] as string) / SEGMENT_BYTES + 1n;
  const firstName = `0000000100000000${first.toString(16).toUpperCase().padStart(8, "0")}`;
  for (const node of [candidate, other]) {
    await node.stop("immediate");
    for await (const { name } of Deno.readDir(`${node.dataDir}/pg_wal`)) {
      if (/^[0-9A-F]{24}$/.test(name) && name >= firstName) {
        await Deno.remove(`${node.dataDir}/pg_wal/${name}`);
      }
    }
  }
  await candidate.makeStandby("");
  await candidate.start();
  // What it asks for in vain tells how far it has received, as far as PostgreSQL can say that.
  await other.makeStandby(restarted ? "" : `host=127.0.0.1 port=${candidate.port} user=postgres`);
  await other.start();
  const verbs = rig.verbs(2);
  if (!restarted) {
    await rig.sees(verbs, ({ lsn }) => lsn % SEGMENT_BYTES === 0n, "the end of the segment to be known");
  }
  good(await verbs.freeze());
  await other.adopt();
  good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
  return rig;
}

for (const major of [12, 14, 15, 18] as const) {
  for (const restarted of [false, true]) {
    const when = restarted ? ", received before its last start" : "";
    Deno.test(`PostgreSQL ${major}: a standby with the beginning of a record up to the end of a segment${when} follows another timeline`, async () => {
      await using rig = await forked(major, { restarted });
      const verbs = rig.verbs(2);
      good(await verbs.repoint({ upstream: rig.upstream(1), slot: null }));
      await rig.node(2).adopt();
      await rig.node(1).sql("INSERT INTO t VALUES (2)");
      await rig.node(1).sql("SELECT pg_switch_wal()");
      await rig.node(1).sql("INSERT INTO t SELECT generate_series(3, 10000)");
      await rig.sees(
        verbs,
        ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 2,
        "it to follow",
      );
      await waitFor(
        async () => (await rig.node(2).sql("SELECT count(*)::int AS n FROM t"))[0]!["n"] === 10_000,
        { what: "the rows of the new timeline" },
      );
    });
  }
}

/** The second node of {@link forked} is restarted as a standby and promoted once more, so many segments later. */
async function promotedAgain(rig: VerbsRig, { segments }: { segments: number }): Promise<void> {
  const primary = rig.node(1);
  for (let segment = 0; segment < segments; segment++) {
    await primary.sql("INSERT INTO t VALUES (2)");
    await primary.sql("SELECT pg_switch_wal()");
  }
  await primary.stop();
  await primary.makeStandby("");
  await primary.start();
  good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
  await primary.sql("INSERT INTO t SELECT generate_series(3, 10000)");
}

for (const major of [14, 18] as const) {
  for (const restarted of [false, true]) {
    const when = restarted ? ", received before its last start" : "";
    Deno.test(`PostgreSQL ${major}: a standby with the beginning of a record up to the end of a segment${when} follows the second timeline behind its own`, async () => {
      await using rig = await forked(major, { restarted });
      await promotedAgain(rig, { segments: 2 });
      const verbs = rig.verbs(2);
      good(await verbs.repoint({ upstream: rig.upstream(1), slot: null }));
      await rig.sees(
        verbs,
        ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 3,
        "it to follow",
      );
      await rig.replicas.caughtUp(2, 1);
    });
  }
}

Deno.test("a standby with the beginning of a record is not pointed at the second of two timelines that begin in that segment, where it is known to need the next", async () => {
  await using rig = await forked(18, { restarted: false });
  await promotedAgain(rig, { segments: 0 });
  const result = await rig.verbs(2).repoint({ upstream: rig.upstream(1), slot: null });
  assert.deepEqual([result.ok, !result.ok && result.kind], [false, "not possible"]);
});

Deno.test("a standby with the beginning of a record follows the second of two timelines that begin in that segment when it is restarted", async () => {
  await using rig = await forked(18, { restarted: true });
  await promotedAgain(rig, { segments: 0 });
  good(await rig.verbs(2).repoint({ upstream: rig.upstream(1), slot: null }));
  await rig.node(2).restart();
  await rig.sees(
    rig.verbs(2),
    ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 3,
    "it to follow",
  );
  await rig.node(1).sql("CHECKPOINT"); // a position behind a page's header is reached with the next record
  await rig.replicas.caughtUp(2, 1);
});

Deno.test("a segment whose copy is broken off is not copied from its beginning again", async () => {
  await using rig = await forked(18, { restarted: false });
  await using cut = new Cut(rig.node(2));
  const verbs = rig.verbs(2, { port: cut.port });
  good(await verbs.inspect());
  cut.arm("mv -f", "before");
  const broken = await verbs.repoint({ upstream: rig.upstream(1), slot: null });
  assert.deepEqual([broken.ok, cut.count], [false, 1]);
  // The statement with which a copy begins.
  cut.arm("head -c", "before");
  good(await verbs.repoint({ upstream: rig.upstream(1), slot: null }));
  await rig.sees(
    verbs,
    ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 2,
    "it to follow",
  );
  assert.equal(cut.count, 1);
});

Deno.test("a standby that cannot be given the segment with the fork is not pointed at another timeline", async () => {
  await using rig = await forked(18, { restarted: false });
  const [history] = await rig.node(1).sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn()) AS name");
  await rig.node(1).sql("SELECT pg_switch_wal()");
  await Deno.remove(`${rig.node(1).dataDir}/pg_wal/${history!["name"]}`);
  const result = await rig.verbs(2).repoint({ upstream: rig.upstream(1), slot: null });
  assert.deepEqual([result.ok, !result.ok && result.kind], [false, "not possible"]);
  const found = good(await rig.verbs(2).inspect());
  assert.deepEqual([found.recovering, found.hasUpstream, found.timeline], [true, false, 1]);
});
