import assert from "node:assert/strict";
import pg from "pg";
import { type Row, waitFor } from "../harness/mod.ts";
import { Cut, good, VerbsRig } from "../harness/verbs_rig.ts";

/** Needs what pg_rewind needs, so that a restart leaves nothing to chance. */
const SETTINGS = { full_page_writes: "on", wal_log_hints: "on" };

for (const major of [12, 14, 15, 18] as const) {
  Deno.test(`PostgreSQL ${major}: demoted before the promotion a primary follows, and nothing has diverged`, async () => {
    await using rig = await VerbsRig.start({ major, standbys: 2, settings: SETTINGS });
    await rig.node(0).sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i");
    const [old, candidate, other] = [rig.verbs(0), rig.verbs(1), rig.verbs(2)];
    good(await other.repoint({ upstream: rig.upstream(1), slot: null }));
    await rig.node(2).adopt();
    const request = { upstream: rig.upstream(1), supervised: false, slot: null };
    assert.equal(good(await old.demote(request)).alreadyStandby, false);
    await rig.isStandby(0, old);
    assert.equal(good(await old.demote(request)).alreadyStandby, true);
    const { lsn } = good(await old.inspect());
    await rig.sees(candidate, ({ replayLsn }) => replayLsn >= lsn, "the candidate to have all of it");
    assert.equal(good(await candidate.promote({ timeoutMs: 10_000 })).timeline, 2);
    await rig.node(1).sql("INSERT INTO t VALUES (0)");
    for (const [index, verbs] of [[0, old], [2, other]] as const) {
      await rig.sees(
        verbs,
        ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 2,
        `${index} to follow`,
      );
      await rig.replicas.caughtUp(index, 1);
      assert.equal((await rig.node(index).sql("SELECT count(*)::int AS n FROM t"))[0]!["n"], 1001);
    }
    // Even a superuser cannot write there now.
    await assert.rejects(rig.node(0).sql("INSERT INTO t VALUES (0)"), /read-only transaction/);
    assert.equal(good(await rig.verbs(1).inspect()).replicas.length, 2);
  });
}

Deno.test("promoted before the old primary was stopped, that has diverged", async () => {
  await using rig = await VerbsRig.start({ settings: SETTINGS });
  const [old, candidate] = [rig.verbs(0), rig.verbs(1)];
  good(await candidate.promote({ timeoutMs: 10_000 }));
  // No client has written to it since: its own shutdown checkpoint is beyond the fork.
  good(await old.rejoin({ upstream: rig.upstream(1), mode: "standby", slot: null, supervised: false }));
  await rig.isStandby(0, old);
  await waitFor(async () => /forked off|not in this server's history/.test(await rig.node(0).log()), {
    what: "its log to say that it cannot follow",
  });
  const { forks } = good(await candidate.inspect());
  const found = good(await old.inspect());
  assert.ok(found.lsn > forks[0]![1] && found.timeline === 1, "it has more than the fork");
});

Deno.test("a demotion does not wait for a standby that hangs, and is refused where the candidate is the one", async () => {
  await using rig = await VerbsRig.start({ standbys: 2, settings: { wal_sender_timeout: "60s" } });
  const old = rig.verbs(0);
  await rig.node(2).kill("SIGSTOP");
  await rig.node(0).sql("CREATE TABLE t ()");
  const slow = await old.demote({ upstream: rig.upstream(2), supervised: false, slot: null });
  assert.ok(
    !slow.ok && slow.kind === "refused" && /n3 does not keep up/.test(slow.reason),
    JSON.stringify(slow),
  );
  assert.equal(good(await old.inspect()).recovering, false);
  const unnamed = await old.demote({
    upstream: { ...rig.upstream(1), name: "x" },
    supervised: false,
    slot: null,
  });
  assert.ok(
    !unnamed.ok && unnamed.kind === "refused" && /none of its standbys is called x/.test(unnamed.reason),
  );
  assert.equal(good(await old.inspect()).isSetToFollow, false);
  const beganMs = performance.now();
  good(await old.demote({ upstream: rig.upstream(1), supervised: false, slot: null }));
  await rig.isStandby(0, old);
  // The server alone would wait for wal_sender_timeout.
  assert.ok(performance.now() - beganMs < 15_000);
  await rig.node(2).kill("SIGCONT");
});

Deno.test("a fast stop of a primary waits for a standby that hangs until its WAL sender is ended", async () => {
  await using rig = await VerbsRig.start({ settings: { wal_sender_timeout: "60s" } });
  await rig.node(1).kill("SIGSTOP");
  await rig.node(0).sql("CREATE TABLE t ()");
  const [row] = await rig.node(0).sql("SELECT pid FROM pg_stat_replication");
  let isOver = false;
  const stopping = rig.node(0).stop("fast").then(() => isOver = true);
  // Behind its checkpoint nothing is left but the sender.
  await waitFor(
    async () =>
      /checkpoint complete: .*shutdown|shutting down[^]*checkpoint complete/.test(await rig.node(0).log()),
    {
      what: "the shutdown checkpoint",
    },
  );
  assert.equal(isOver, false);
  Deno.kill(row!["pid"], "SIGTERM");
  await stopping;
  await rig.node(1).kill("SIGCONT");
});

Deno.test("a demotion whose statements are lost is finished when it is asked for again", async () => {
  for (const text of ["umask 077; :", "run.sh"]) {
    for (const at of ["before", "after"] as const) {
      await using rig = await VerbsRig.start({ settings: SETTINGS });
      await using cut = new Cut(rig.node(0));
      const verbs = rig.verbs(0, { port: cut.port });
      const request = { upstream: rig.upstream(1), supervised: false, slot: null };
      cut.arm(text, at);
      const lost = await verbs.demote(request);
      assert.ok(!lost.ok && lost.kind === "unknown", `${text} ${at}: ${JSON.stringify(lost)}`);
      await waitFor(async () => (await verbs.demote(request)).ok, {
        what: "the demotion",
        deadlineMs: 20_000,
      });
      await rig.isStandby(0, verbs);
      assert.equal(cut.count, 1);
    }
  }
});

Deno.test("a demotion that has not come to its restart can be taken back: a restart finds a primary", async () => {
  await using rig = await VerbsRig.start({ settings: SETTINGS });
  await using cut = new Cut(rig.node(0));
  const verbs = rig.verbs(0, { port: cut.port });
  cut.arm("run.sh", "before");
  const lost = await verbs.demote({ upstream: rig.upstream(1), supervised: false, slot: null });
  assert.ok(!lost.ok && lost.kind === "unknown", JSON.stringify(lost));
  assert.equal(good(await verbs.inspect()).isSetToFollow, true);
  for (let count = 0; count < 2; count++) good(await verbs.stayPrimary());
  assert.equal(good(await verbs.inspect()).isSetToFollow, false);
  await rig.node(0).restart();
  const found = good(await verbs.inspect());
  assert.deepEqual([found.recovering, found.timeline], [false, 1]);
  const refused = await rig.verbs(1).stayPrimary();
  assert.ok(!refused.ok && refused.kind === "refused", JSON.stringify(refused));
});

Deno.test("with a supervisor a demotion stops the server, and leaves the start to that", async () => {
  await using rig = await VerbsRig.start({ settings: SETTINGS });
  const verbs = rig.verbs(0);
  good(await verbs.demote({ upstream: rig.upstream(1), supervised: true, slot: null }));
  await waitFor(
    async () => !await Deno.stat(`${rig.node(0).dataDir}/postmaster.pid`).then(() => true, () => false),
    {
      what: "the server to stop",
    },
  );
  await rig.node(0).stop();
  await rig.node(0).start();
  await rig.isStandby(0, verbs);
});

for (const major of [12, 14, 15, 18] as const) {
  Deno.test(`PostgreSQL ${major}: a fence keeps replication and the arbiter, and ends and rejects others; unfence takes all of it back`, async () => {
    await using rig = await VerbsRig.start({
      major,
      setup: "CREATE ROLE app LOGIN; CREATE TABLE t (i int); GRANT ALL ON t TO app",
    });
    const { host, port } = rig.node(0);
    const auto = () => Deno.readTextFile(`${rig.node(0).dataDir}/postgresql.auto.conf`);
    const hba = () => Deno.readTextFile(`${rig.node(0).dataDir}/pg_hba.conf`);
    const [autoBefore, hbaBefore] = [await auto(), await hba()];
    const as = (user: string) => new pg.Client({ host, port, user, database: "postgres" });
    await using app = Object.assign(as("app"), { [Symbol.asyncDispose]: async () => {} });
    let ended: string | null = null;
    app.on("error", (error: Error & { code?: string }) => ended ??= error.code ?? error.message);
    await app.connect();
    await app.query("BEGIN");
    await app.query("INSERT INTO t VALUES (1)");
    const verbs = rig.verbs(0);
    for (let count = 0; count < 2; count++) {
      const fenced = good(await verbs.fence());
      assert.deepEqual([fenced.hbaProblem, fenced.ended], [null, count === 0 ? 1 : 0]);
      await waitFor(() => ended, { what: "the client to be ended" });
    }
    const refused = await as("app").connect().then(() => "", (error: Error) => error.message);
    assert.match(refused, /pg_hba\.conf rejects/);
    const found = good(await verbs.inspect());
    assert.deepEqual([found.isFenced, found.otherSessions, found.replicas.length], [true, 0, 1]);
    // The arbiter and replication come in anew as well.
    assert.equal(good(await rig.verbs(0).inspect()).isFenced, true);
    good(await rig.verbs(1).freeze());
    assert.equal(
      good(await rig.verbs(1).repoint({ upstream: rig.upstream(0), slot: null })).isStreaming,
      true,
    );
    await rig.node(1).adopt();
    const rows: Row[] = await rig.node(0).sql("SHOW default_transaction_read_only");
    assert.equal(rows[0]!["default_transaction_read_only"], "on");
    for (let count = 0; count < 2; count++) {
      good(await verbs.unfence());
      assert.equal(good(await verbs.inspect()).isFenced, false);
    }
    assert.deepEqual([await auto(), await hba()], [autoBefore, hbaBefore]);
    await waitFor(async () => {
      const client = as("app");
      await client.connect();
      await client.query("INSERT INTO t VALUES (2)");
      await client.end();
      return true;
    }, { what: "the client to come back" });
    assert.equal((await rig.node(0).sql("SELECT count(*)::int AS n FROM t"))[0]!["n"], 1);
  });
}

Deno.test("a fence whose statements are lost is finished when it is asked for again, and what it kept is the file of before", async () => {
  await using rig = await VerbsRig.start({ standbys: 0 });
  await using cut = new Cut(rig.node(0));
  const path = `${rig.node(0).dataDir}/pg_hba.conf`;
  const before = await Deno.readTextFile(path);
  const verbs = rig.verbs(0, { port: cut.port });
  for (const text of ["SET default_transaction_read_only", "base64", "pg_reload_conf"]) {
    for (const at of ["before", "after"] as const) {
      cut.arm(text, at);
      const lost = await verbs.fence();
      assert.ok(!lost.ok && lost.kind === "unknown", `${text} ${at}: ${JSON.stringify(lost)}`);
      assert.equal(good(await verbs.fence()).hbaProblem, null);
      cut.arm(text === "base64" ? "mv -f" : text.replace("SET", "RESET"), at);
      const again = await verbs.unfence();
      assert.ok(!again.ok && again.kind === "unknown", `${text} ${at}: ${JSON.stringify(again)}`);
      good(await verbs.unfence());
      assert.equal(await Deno.readTextFile(path), before);
    }
  }
  assert.equal(good(await verbs.inspect()).isFenced, false);
});

Deno.test("endSessions ends clients, not the monitor and the arbiter, and says how many", async () => {
  await using rig = await VerbsRig.start({ standbys: 0 });
  const { host, port } = rig.node(0);
  const clients = ["app", "pgplex monitor", "app"].map((application_name) => {
    const client = new pg.Client({ host, port, user: "postgres", database: "postgres", application_name });
    client.on("error", () => {});
    return client;
  });
  for (const client of clients) await client.connect();
  const verbs = rig.verbs(0);
  const idle = rig.verbs(0);
  good(await idle.inspect());
  assert.equal(good(await verbs.endSessions()).ended, 2);
  assert.equal(good(await verbs.endSessions()).ended, 0);
  assert.equal((await clients[1]!.query("SELECT 1 AS one")).rows[0].one, 1);
  assert.equal(good(await idle.inspect()).otherSessions, 0);
  for (const client of clients) await client.end().catch(() => {});
});
