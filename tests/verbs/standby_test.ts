import assert from "node:assert/strict";
import pg from "pg";
import { waitFor } from "../harness/mod.ts";
import { Cut, good, VerbsRig } from "../harness/verbs_rig.ts";

for (const major of [12, 14, 15, 18] as const) {
  Deno.test(`PostgreSQL ${major}: freeze stops a standby for good, twice; repoint makes it follow again`, async () => {
    await using rig = await VerbsRig.start({ major });
    await rig.node(0).sql("CREATE TABLE t (i int)");
    const verbs = rig.verbs(1);
    const frozen = good(await verbs.freeze());
    await rig.node(1).adopt();
    const again = good(await verbs.freeze());
    assert.deepEqual([again.lsn, again.timeline, again.isReplayed], [frozen.lsn, 1, true]);
    await rig.node(0).sql("INSERT INTO t SELECT generate_series(1, 1000)");
    const [row] = await rig.node(0).sql("SELECT txid_current()::text AS xid");
    assert.equal(good(await verbs.freeze()).lsn, frozen.lsn);
    assert.ok(BigInt(row!["xid"]) >= frozen.xidWatermark, "the watermark is below what came later");
    const found = good(await verbs.inspect());
    assert.deepEqual([found.receiver, found.hasUpstream, found.timeline], [null, false, 1]);
    for (let count = 0; count < 2; count++) {
      assert.equal(good(await verbs.repoint({ upstream: rig.upstream(0), slot: null })).isStreaming, true);
    }
    await rig.node(1).adopt();
    await rig.node(0).sql("CHECKPOINT"); // a position behind a page's header is reached with the next record
    await rig.replicas.caughtUp(1, 0);
    assert.equal((await rig.node(1).sql("SELECT count(*)::int AS n FROM t"))[0]!["n"], 1000);
    // The name by which the primary knows it is the one that it had.
    assert.equal(good(await rig.verbs(0).inspect()).replicas[0]?.name, "n2");
  });

  Deno.test(`PostgreSQL ${major}: a paused standby is promoted, once, and its follower goes along`, async () => {
    await using rig = await VerbsRig.start({ major, standbys: 2 });
    const [candidate, other] = [rig.verbs(1), rig.verbs(2)];
    // Pointed at the candidate before its promotion it follows by itself.
    assert.equal(good(await other.repoint({ upstream: rig.upstream(1), slot: null })).isStreaming, true);
    await rig.node(2).adopt();
    await paused(rig);
    const promoted = good(await candidate.promote({ timeoutMs: 10_000 }));
    assert.equal(promoted.timeline, 2);
    assert.equal(good(await candidate.promote({ timeoutMs: 10_000 })).timeline, 2);
    const found = good(await candidate.inspect());
    assert.deepEqual([found.recovering, found.timeline, found.forks.map(([timeline]) => timeline)], [
      false,
      2,
      [1],
    ]);
    await rig.node(1).sql("CREATE TABLE t ()");
    await rig.sees(
      other,
      ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 2,
      "the other one to follow",
    );
    const refused = await candidate.freeze();
    assert.ok(!refused.ok && refused.kind === "refused", JSON.stringify(refused));
  });
}

Deno.test("a promotion that does not come in time is pending: it is unknown, the node promotes later, and nobody else was asked", async () => {
  await using rig = await VerbsRig.start({ major: 15 });
  const verbs = rig.verbs(1);
  good(await verbs.inspect());
  // Its startup process alone stands still, as on a disk that hangs.
  const [row] = await rig.node(1).sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'");
  Deno.kill(row!["pid"], "SIGSTOP");
  const pending = await verbs.promote({ timeoutMs: 700 });
  assert.ok(!pending.ok && pending.kind === "unknown", JSON.stringify(pending));
  assert.equal(good(await verbs.inspect()).recovering, true);
  Deno.kill(row!["pid"], "SIGCONT");
  await rig.sees(verbs, ({ recovering, timeline }) => !recovering && timeline === 2, "the promotion to come");
  assert.equal(good(await verbs.promote({ timeoutMs: 5000 })).timeline, 2);
});

Deno.test("PostgreSQL 12: a promotion asked for while replay is paused waits for it; the verb resumes first", async () => {
  await using rig = await VerbsRig.start({ major: 12 });
  await paused(rig);
  await rig.node(1).sql("SELECT pg_promote(true, 1)");
  const verbs = rig.verbs(1);
  assert.equal(good(await verbs.inspect()).recovering, true);
  // Whoever asks again resumes it: the same promotion comes.
  assert.equal(good(await verbs.promote({ timeoutMs: 10_000 })).timeline, 2);
});

Deno.test("a promotion whose answer is lost has come all the same, and the session that sees it is another one", async () => {
  await using rig = await VerbsRig.start();
  await using cut = new Cut(rig.node(1));
  const verbs = rig.verbs(1, { port: cut.port });
  cut.arm("pg_promote", "after");
  const lost = await verbs.promote({ timeoutMs: 5000 });
  assert.ok(!lost.ok && lost.kind === "unknown", JSON.stringify(lost));
  assert.equal(good(await verbs.promote({ timeoutMs: 15_000 })).timeline, 2);
  assert.equal(cut.count, 1);
});

Deno.test("a freeze and a repoint whose statements are lost are finished when they are asked for again", async () => {
  await using rig = await VerbsRig.start();
  await using cut = new Cut(rig.node(1));
  const verbs = rig.verbs(1, { port: cut.port });
  for (const at of ["before", "after"] as const) {
    for (const text of ["SET primary_conninfo", "pg_reload_conf"]) {
      cut.arm(text, at);
      const lost = await verbs.freeze();
      assert.ok(!lost.ok && lost.kind === "unknown", `${at} ${text}: ${JSON.stringify(lost)}`);
      assert.equal(good(await verbs.freeze()).isReplayed, true);
      assert.equal(good(await verbs.inspect()).hasUpstream, false);
      cut.arm(text, at);
      const again = await verbs.repoint({ upstream: rig.upstream(0), slot: null });
      assert.ok(!again.ok && again.kind === "unknown", `${at} ${text}: ${JSON.stringify(again)}`);
      assert.equal(good(await verbs.repoint({ upstream: rig.upstream(0), slot: null })).isStreaming, true);
    }
  }
});

for (const major of [13, 15, 18] as const) {
  Deno.test(`PostgreSQL ${major}: with one of two standbys promoted the old primary acknowledges through the other one, unless that is frozen`, async () => {
    await using rig = await VerbsRig.start({
      major,
      standbys: 2,
      setup: "CREATE TABLE t (i int)",
    });
    good(await rig.verbs(0).synchronousNames("ANY 1 (n2, n3)"));
    await rig.sees(
      rig.verbs(0),
      ({ replicas }) => replicas.filter(({ syncState }) => syncState === "quorum").length === 2,
      "two",
    );
    await using client = await connected(rig.node(0).url());
    // The trap: promoting n2 does not stop n3 from receiving, so a commit on the old primary is a success.
    good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
    await client.query("INSERT INTO t VALUES (1)");
    good(await rig.verbs(2).freeze());
    let isAcknowledged = false;
    const hung = client.query("INSERT INTO t VALUES (2)").then(() => isAcknowledged = true);
    await waitFor(
      async () =>
        (await rig.node(0).sql("SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'")).length === 1,
      { what: "the commit to wait" },
    );
    // Emptied names release what waits, so on a fenced node they are refused.
    const verbs = rig.verbs(0);
    const names = good(await verbs.inspect()).synchronousNames;
    await rig.node(0).sql("ALTER SYSTEM SET default_transaction_read_only = on");
    for (const text of ["", "n9"]) {
      const refused = await verbs.synchronousNames(text);
      assert.ok(
        !refused.ok && refused.kind === "refused" && /fenced/.test(refused.reason),
        JSON.stringify(refused),
      );
    }
    good(await verbs.synchronousNames(names));
    assert.equal(good(await verbs.inspect()).synchronousNames, names);
    assert.equal(isAcknowledged, false);
    // And what the trap says of it is true.
    good(await verbs.unfence());
    good(await verbs.synchronousNames(""));
    await hung;
  });
}

Deno.test("a conninfo with quotes, backslashes, blanks and an empty password makes a receiver; the password is shown nowhere", async () => {
  const password = "ge'he\\im  x";
  const literal = `'${password.replaceAll("'", "''")}'`;
  await using rig = await VerbsRig.start({
    hba: ["host replication repl 127.0.0.1/32 scram-sha-256", "host all repl 127.0.0.1/32 scram-sha-256"],
    settings: { log_statement: "all", log_min_duration_statement: "0" },
    setup: `CREATE ROLE repl LOGIN SUPERUSER REPLICATION PASSWORD ${literal}`,
  });
  // The standby trusts everybody too, but the primary asks `repl` for its password: only the right one streams.
  const verbs = rig.verbs(1, { user: "repl", password });
  const results: unknown[] = [];
  results.push(await verbs.freeze());
  await rig.node(1).sql("ALTER SYSTEM SET primary_conninfo = ''");
  await rig.node(1).sql("SELECT pg_reload_conf()");
  await Deno.remove(`${rig.node(1).dataDir}/pgplex.conninfo`);
  // Another session, which has seen nothing of how it logged in before, nor was it kept.
  const fresh = rig.verbs(1, { user: "repl", password });
  results.push(good(await fresh.freeze()));
  const pointed = good(await fresh.repoint({ upstream: rig.upstream(0), slot: null }));
  results.push(pointed);
  assert.equal(pointed.isStreaming, true);
  const [row] = await rig.node(1).sql("SELECT current_setting('primary_conninfo') AS text");
  assert.match(
    row!["text"],
    /user=repl sslmode=prefer application_name=n2 passfile=\S+\/data\/pgplex\.passfile$/,
  );
  results.push(
    good(await fresh.inspect()),
    await fresh.repoint({ upstream: { name: "x", host: "a\nb", port: 1 }, slot: null }),
  );
  const shown = JSON.stringify(results, (_, value) => typeof value === "bigint" ? String(value) : value);
  const logs = await rig.node(0).log() + await rig.node(1).log();
  for (const secret of ["he\\im", "he\\\\im", "ge'he", "ge\\'he"]) {
    assert.equal(shown.includes(secret), false, "in a result");
    assert.equal(
      logs.split("\n").filter((line) => line.includes(secret) && !/CREATE ROLE/.test(line)).join("\n"),
      "",
    );
  }
  const [activity] = await rig.node(1).sql(
    "SELECT string_agg(query, ' ') AS text FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
  );
  assert.equal(activity!["text"].includes("im  x"), false, "in pg_stat_activity");
});

Deno.test("a wrong upstream is taken by the server without a word; repoint says that nothing streams", async () => {
  await using rig = await VerbsRig.start();
  const verbs = rig.verbs(1, { timeouts: { repoint: 500 } });
  const result = good(
    await verbs.repoint({ upstream: { name: "n9", host: "127.0.0.1", port: 1 }, slot: null }),
  );
  assert.equal(result.isStreaming, false);
  const missing = good(await verbs.repoint({ upstream: rig.upstream(0), slot: "pgplex_none" }));
  assert.equal(missing.isStreaming, false);
  assert.equal(good(await rig.verbs(1).repoint({ upstream: rig.upstream(0), slot: null })).isStreaming, true);
});

Deno.test("a standby beyond the fork never streams there again, and inspect shows that it is", async () => {
  await using rig = await VerbsRig.start({ standbys: 2 });
  const [ahead, candidate] = [rig.verbs(1), rig.verbs(2)];
  good(await candidate.freeze());
  await rig.node(0).sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
  await rig.replicas.caughtUp(1, 0);
  good(await candidate.promote({ timeoutMs: 10_000 }));
  good(await candidate.checkpoint());
  const { forks } = good(await candidate.inspect());
  const before = good(await ahead.freeze());
  assert.ok(before.lsn > forks[0]![1], "it has more than the fork");
  good(await ahead.repoint({ upstream: rig.upstream(2), slot: null }));
  await waitFor(async () => /forked off|not in this server's history/.test(await rig.node(1).log()), {
    what: "its log to say why",
  });
  const found = good(await ahead.inspect());
  assert.deepEqual([found.timeline === 2, found.lsn], [false, before.lsn]);
  // And it goes on serving reads, of rows that the primary does not have.
  assert.equal((await rig.node(1).sql("SELECT count(*)::int AS n FROM t"))[0]!["n"], 1000);
  await assert.rejects(rig.node(2).sql("SELECT FROM t"), { code: "42P01" });
});

for (const bin of ["/usr/lib/postgresql/15/bin"]) {
  Deno.test({
    name: `the witness sees from a standby's host whether the primary is up${await missing(
      `${bin}/pg_isready`,
    )}`,
    ignore: await missing(`${bin}/pg_isready`) !== "",
    fn: async () => {
      await using rig = await VerbsRig.start({ major: 15, binDir: bin });
      const verbs = rig.verbs(1);
      const of = rig.upstream(0);
      assert.equal(good(await verbs.witness(of)).sees, "up");
      assert.equal(good(await verbs.witness(of)).sees, "up");
      await rig.node(0).kill("SIGSTOP");
      assert.equal(good(await verbs.witness(of)).sees, "down");
      await rig.node(0).kill("SIGCONT");
      assert.equal(good(await verbs.witness(of)).sees, "up");
      await rig.node(0).stop("immediate");
      assert.equal(good(await verbs.witness(of)).sees, "down");
      const none = await verbs.witness({ host: "no'host \\ of this name.invalid", port: 1 });
      assert.ok(none.ok ? none.sees === "down" : none.kind === "refused", JSON.stringify(none));
    },
  });
}

/** Pauses the replay of the second node, with WAL behind it that is not replayed: without any, nothing pauses. */
async function paused(rig: VerbsRig): Promise<void> {
  await rig.node(1).sql("SELECT pg_wal_replay_pause()");
  await rig.node(0).sql("CREATE TABLE paused ()");
  const verbs = rig.verbs(1);
  await rig.sees(verbs, ({ isPaused, lsn, replayLsn }) => isPaused && lsn > replayLsn, "the replay to pause");
}

/** Why a test cannot run here; empty where it can. */
async function missing(path: string): Promise<string> {
  return await Deno.stat(path).then(() => "", () => ` (skipped: ${path} is missing)`);
}

async function connected(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
