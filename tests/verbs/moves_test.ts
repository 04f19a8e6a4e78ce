import assert from "node:assert/strict";
import pg from "pg";
import { waitFor } from "../harness/mod.ts";
import type { NodeVerbs } from "../../src/verbs/mod.ts";
import { good, VerbsRig } from "../harness/verbs_rig.ts";

const SETTINGS = { full_page_writes: "on", wal_log_hints: "on" };

/** A client that writes numbers, each in a transaction of its own, and keeps those that were acknowledged. */
class Writer {
  readonly acknowledged: number[] = [];
  readonly #client: pg.Client;
  #next: number;
  /** Fulfilled when it could not go on. */
  ended: Promise<void> = Promise.resolve();

  /** @param first its first number: others have numbers of their own */
  constructor(config: pg.ClientConfig, first: number) {
    this.#next = first;
    this.#client = new pg.Client(config);
    this.#client.on("error", () => {});
  }

  async start(): Promise<void> {
    await this.#client.connect();
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const number = this.#next++;
        await this.#client.query("INSERT INTO t VALUES ($1)", [number]);
        this.acknowledged.push(number);
      }
    } catch {
      await this.#client.end().catch(() => {});
    }
  }
}

async function numbers(rig: VerbsRig, index: number): Promise<Set<number>> {
  return new Set((await rig.node(index).sql("SELECT i FROM t")).map(({ i }) => i as number));
}

for (const major of [13, 18] as const) {
  Deno.test(`PostgreSQL ${major}: a failover by verbs alone loses nothing that a synchronous primary had acknowledged`, async () => {
    await using rig = await VerbsRig.start({
      major,
      standbys: 2,
      settings: SETTINGS,
      setup: "CREATE TABLE t (i int)",
    });
    const claim = { epoch: 2, instance: 1 };
    const [old, ...standbys] = [0, 1, 2].map((index) => rig.verbs(index)) as [
      NodeVerbs,
      NodeVerbs,
      NodeVerbs,
    ];
    good(await old.synchronousNames("ANY 1 (n2, n3)"));
    const { host, port } = rig.node(0);
    const writers = [1, 2, 3, 4].map((index) =>
      new Writer({ host, port, user: "postgres", database: "postgres" }, index * 1_000_000)
    );
    for (const writer of writers) await writer.start();
    await waitFor(() => writers.every(({ acknowledged }) => acknowledged.length > 50), { what: "rows" });
    await rig.node(0).kill("SIGKILL");
    const beganMs = performance.now();
    for (const verbs of standbys) good(await verbs.takeOver(claim));
    const frozen = await Promise.all(standbys.map(async (verbs) => good(await verbs.freeze())));
    assert.ok(frozen.every(({ isReplayed }) => isReplayed));
    const best = frozen[0]!.lsn >= frozen[1]!.lsn ? 0 : 1;
    const [winner, other] = [standbys[best]!, standbys[1 - best]!];
    const { timeline } = good(await winner.promote({ timeoutMs: 10_000 }));
    good(await winner.recordEpoch({ epoch: 2, text: "killed" }));
    const promotedMs = performance.now() - beganMs;
    good(await winner.checkpoint());
    const { forks } = good(await winner.inspect());
    assert.ok(frozen[1 - best]!.lsn <= forks[0]![1], "the other one is not beyond the fork");
    assert.equal(
      good(await other.repoint({ upstream: rig.upstream(best + 1), slot: null })).isStreaming,
      true,
    );
    good(await winner.synchronousNames(`ANY 1 (n${3 - best})`));
    await rig.sees(winner, ({ replicas }) => replicas[0]?.syncState === "quorum", "a synchronous standby");
    console.log(`PostgreSQL ${major}: promoted ${Math.round(promotedMs)} ms after the first step`);
    await Promise.all(writers.map(({ ended }) => ended));
    await rig.node(best + 1).sql("INSERT INTO t VALUES (-1)");
    const there = await numbers(rig, best + 1);
    for (const { acknowledged } of writers) {
      assert.deepEqual(acknowledged.filter((number) => !there.has(number)), []);
    }
    assert.equal(timeline, 2);
    await rig.sees(other, ({ receiver }) => receiver?.timeline === 2, "the other one to follow");
  });

  Deno.test(`PostgreSQL ${major}: a switchover by verbs alone, there and back, loses nothing and rewinds nobody`, async () => {
    await using rig = await VerbsRig.start({
      major,
      standbys: 2,
      settings: SETTINGS,
      setup: "CREATE TABLE t (i int)",
    });
    const verbs = [0, 1, 2].map((index) => rig.verbs(index));
    for (const [round, [from, to]] of ([[0, 1], [1, 0]] as const).entries()) {
      for (const each of verbs) good(await each.takeOver({ epoch: round + 2, instance: 1 }));
      await rig.node(from).sql(`INSERT INTO t VALUES (${round})`);
      const request = { upstream: rig.upstream(to), slot: null };
      assert.equal(good(await verbs[2]!.repoint(request)).isStreaming, true);
      good(await verbs[from]!.checkpoint());
      const beganMs = performance.now();
      good(await verbs[from]!.endSessions());
      good(await verbs[from]!.demote({ ...request, supervised: false }));
      await rig.isStandby(from, verbs[from]!);
      const { lsn } = good(await verbs[from]!.inspect());
      await rig.sees(verbs[to]!, ({ replayLsn }) => replayLsn >= lsn, "the candidate to have all");
      assert.equal(good(await verbs[to]!.promote({ timeoutMs: 10_000 })).timeline, round + 2);
      await rig.node(to).sql(`INSERT INTO t VALUES (${10 + round})`);
      console.log(`PostgreSQL ${major}: ${Math.round(performance.now() - beganMs)} ms between two writes`);
      for (const index of [from, 2]) {
        await rig.sees(
          verbs[index]!,
          ({ receiver }) => receiver?.status === "streaming" && receiver.timeline === round + 2,
          `n${index + 1} to follow`,
        );
      }
    }
    for (const index of [0, 1, 2]) {
      await waitFor(async () => (await numbers(rig, index)).size === 4, {
        what: `n${index + 1} to have all rows`,
      });
    }
  });
}

Deno.test("a postmaster that was killed refuses connections while a busy backend goes on committing: refused does not mean stopped", async () => {
  await using rig = await VerbsRig.start({ standbys: 0, setup: "CREATE TABLE t (i int)" });
  const { host, port } = rig.node(0);
  const client = new pg.Client({ host, port, user: "postgres", database: "postgres" });
  client.on("error", () => {});
  await client.connect();
  let commits = 0;
  client.on("notice", () => commits++);
  const busy = client.query(`DO $$ BEGIN FOR i IN 1..200000 LOOP
    INSERT INTO t VALUES (i); COMMIT; IF i % 100 = 0 THEN RAISE NOTICE '%', i; END IF; END LOOP; END $$`);
  const over = busy.then(() => {}, () => {});
  await waitFor(() => commits > 0, { what: "the first commits" });
  Deno.kill(rig.node(0).pid!, "SIGKILL");
  const verbs = rig.verbs(0);
  await waitFor(async () => {
    const found = await verbs.inspect();
    return !found.ok && /refused/.test(found.reason);
  }, { what: "connections to be refused" });
  const before = commits;
  await waitFor(() => commits > before, { what: "more commits", deadlineMs: 5_000 });
  await client.end().catch(() => {});
  await over;
});

for (const major of [13, 14, 15, 18] as const) {
  Deno.test(`PostgreSQL ${major}: a primary that dies in the middle of a record leaves bytes that nobody replays: freeze does not wait for them, and the fork is before them`, async () => {
    await using rig = await VerbsRig.start({ major, standbys: 2, setup: "CREATE TABLE t (i text)" });
    const { host, port } = rig.node(0);
    const client = new pg.Client({ host, port, user: "postgres", database: "postgres" });
    client.on("error", () => {});
    await client.connect();
    const busy = client.query(`DO $$ BEGIN FOR i IN 1..1000 LOOP
      INSERT INTO t SELECT repeat(md5(random()::text), 200) FROM generate_series(1, 200); END LOOP; END $$`)
      .then(() => {}, () => {});
    const [candidate, other] = [rig.verbs(1), rig.verbs(2)];
    const before = good(await candidate.inspect()).lsn;
    await rig.sees(candidate, ({ lsn }) => lsn > before + 2_000_000n, "some WAL to arrive");
    await rig.node(0).kill("SIGKILL");
    const frozen = await Promise.all([candidate, other].map(async (verbs) => good(await verbs.freeze())));
    assert.deepEqual(frozen.map(({ isReplayed }) => isReplayed), [true, true]);
    const [best, second] = frozen[0]!.replayLsn >= frozen[1]!.replayLsn ? [0, 1] : [1, 0];
    const winner = best === 0 ? candidate : other;
    good(await winner.promote({ timeoutMs: 10_000 }));
    good(await winner.checkpoint());
    const fork = good(await winner.inspect()).forks[0]![1];
    const { lsn, replayLsn } = frozen[second]!;
    console.log(
      `PostgreSQL ${major}: ${lsn - replayLsn} bytes of a record, ${lsn - fork} of them beyond the fork`,
    );
    assert.ok(replayLsn <= fork);
    await client.end().catch(() => {});
    await busy;
  });
}
