import assert from "node:assert/strict";
import { type PostgresMajor, waitFor } from "../harness/mod.ts";
import type { NodeVerbs } from "../../src/verbs/mod.ts";
import { Cut, good, VerbsRig } from "../harness/verbs_rig.ts";

/** Of this major there is an installation with all programs on many machines; what is downloaded has no pg_rewind. */
const BIN = "/usr/lib/postgresql/15/bin";
const why = await Deno.stat(`${BIN}/pg_rewind`).then(
  () => "",
  () => ` (skipped: ${BIN}/pg_rewind is missing)`,
);
const SETTINGS = { full_page_writes: "on", wal_log_hints: "on" };

function withRewind(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${why}`, ignore: why !== "", fn });
}

/** A primary that was killed, a standby that was promoted, and the old one started again by itself. */
async function crashed(): Promise<VerbsRig> {
  const rig = await VerbsRig.start({ major: 15, binDir: BIN, settings: SETTINGS });
  await rig.node(0).sql("CREATE TABLE t AS SELECT generate_series(1, 100) AS i");
  await rig.replicas.caughtUp(1, 0);
  await rig.node(0).kill("SIGKILL");
  good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
  await rig.node(0).start();
  return rig;
}

/** Waits until a script has ended well. */
async function ended(verbs: NodeVerbs, token: string): Promise<void> {
  let last: unknown;
  await waitFor(async () => {
    const state = await verbs.rejoinState(token);
    last = state;
    return state.ok && state.state === "done";
  }, { what: "the result of the script" }).catch((thrown) => {
    throw new Error(`${thrown.message}: ${JSON.stringify(last)}`);
  });
}

async function rejoined(rig: VerbsRig): Promise<void> {
  await rig.isStandby(0, rig.verbs(0));
  await rig.sees(
    rig.verbs(0),
    ({ receiver, timeline }) => receiver?.status === "streaming" && timeline === 2,
    "it to stream on the new timeline",
  );
}

withRewind(
  "a crashed primary that started again has diverged without any client's write: a restart does not make it follow, a rewind does",
  async () => {
    await using rig = await crashed();
    const [old, promoted] = [rig.verbs(0), rig.verbs(1)];
    const request = { upstream: rig.upstream(1), slot: null, supervised: false };
    const { forks } = good(await promoted.inspect());
    assert.ok(
      good(await old.inspect()).lsn > forks[0]![1],
      "its end-of-recovery checkpoint is beyond the fork",
    );
    good(await old.rejoin({ ...request, mode: "standby" }));
    await rig.isStandby(0, old);
    await waitFor(async () => /forked off|not in this server's history/.test(await rig.node(0).log()), {
      what: "its log to say that it cannot follow",
    });
    good(await promoted.checkpoint());
    const { token } = good(await old.rejoin({ ...request, mode: "rewind" }));
    await rejoined(rig);
    await ended(old, token);
    await ended(old, "");
    assert.equal(good(await old.rejoinState("0000")).state, "none");
  },
);

withRewind(
  "a rewind keeps the configuration that lies in the data directory, and removes rows that diverged",
  async () => {
    await using rig = await crashed();
    const [old, promoted] = [rig.verbs(0), rig.verbs(1)];
    await rig.node(0).sql("INSERT INTO t VALUES (-1)");
    await rig.node(1).sql("INSERT INTO t VALUES (-2)");
    await rig.node(1).sql("ALTER SYSTEM SET work_mem = '5MB'");
    await rig.node(0).sql("ALTER SYSTEM SET work_mem = '7MB'");
    good(await old.fence());
    const read = async (name: string) => await Deno.readTextFile(`${rig.node(0).dataDir}/${name}`);
    const files = ["postgresql.conf", "pg_hba.conf", "pgplex.conf"];
    const before = await Promise.all(files.map(read));
    good(await promoted.checkpoint());
    const { token } = good(
      await old.rejoin({ upstream: rig.upstream(1), slot: null, supervised: false, mode: "rewind" }),
    );
    await rejoined(rig);
    await ended(old, token);
    assert.deepEqual(await Promise.all(files.map(read)), before);
    assert.match(await read("postgresql.auto.conf"), /work_mem = '7MB'/);
    const rows = await rig.node(0).sql("SELECT i FROM t WHERE i < 0");
    assert.deepEqual(rows.map(({ i }) => i), [-2]);
    // It came back fenced; what ALTER SYSTEM left is taken back when it is accepted.
    assert.equal(good(await old.inspect()).isFenced, true);
    good(await old.unfence());
    assert.equal(good(await old.inspect()).isFenced, false);
    assert.equal(/default_transaction_read_only/.test(await read("postgresql.auto.conf")), false);
  },
);

withRewind(
  "without a CHECKPOINT on the new primary pg_rewind finds nothing to do, and leaves rows that diverged",
  async () => {
    await using rig = await VerbsRig.start({ major: 15, binDir: BIN, settings: SETTINGS });
    await rig.node(0).sql("CREATE TABLE t AS SELECT generate_series(1, 100) AS i");
    await rig.replicas.caughtUp(1, 0);
    const [old, promoted] = [rig.verbs(0), rig.verbs(1)];
    // The control file has the old timeline until the first checkpoint: here that takes long.
    const [row] = await rig.node(1).sql(
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
    );
    Deno.kill(row!["pid"], "SIGSTOP");
    good(await promoted.promote({ timeoutMs: 10_000 }));
    await rig.node(0).sql("INSERT INTO t VALUES (-1)");
    const request = { upstream: rig.upstream(1), slot: null, supervised: false, mode: "rewind" } as const;
    const diverged = async () => (await rig.node(0).sql("SELECT FROM t WHERE i < 0")).length;
    const early = good(await old.rejoin(request));
    await rig.isStandby(0, old);
    await ended(old, early.token);
    assert.equal(await diverged(), 1);
    Deno.kill(row!["pid"], "SIGCONT");
    good(await promoted.checkpoint());
    const { token } = good(await old.rejoin(request));
    await rejoined(rig);
    await ended(old, token);
    assert.equal(await diverged(), 0);
  },
);

withRewind("what pg_rewind refuses comes back as a standby that receives nothing, and says why", async () => {
  await using rig = await crashed();
  const old = rig.verbs(0);
  const nowhere = { name: "n9", host: "127.0.0.1", port: 1 };
  const { token } = good(
    await old.rejoin({ upstream: nowhere, slot: null, supervised: false, mode: "rewind" }),
  );
  await rig.isStandby(0, old);
  await waitFor(async () => {
    const state = await old.rejoinState(token);
    return state.ok && state.state === "failed" && /pg_rewind refuses/.test(state.why);
  }, { what: "the result" });
  const found = good(await old.inspect());
  assert.deepEqual([found.recovering, found.hasUpstream], [true, false]);
  // And it can be asked for again.
  good(await rig.verbs(1).checkpoint());
  good(await old.rejoin({ upstream: rig.upstream(1), slot: null, supervised: false, mode: "rewind" }));
  await rejoined(rig);
});

withRewind(
  "with a supervisor the script keeps it from starting the server meanwhile, and leaves the start to it",
  async () => {
    await using rig = await crashed();
    const old = rig.verbs(0);
    good(await rig.verbs(1).checkpoint());
    good(await old.rejoin({ upstream: rig.upstream(1), slot: null, supervised: true, mode: "rewind" }));
    const result = () => Deno.readTextFile(`${rig.node(0).dataDir}/../pgplex.data/result`).catch(() => "");
    await waitFor(async () => / done/.test(await result()), {
      what: "the script to end",
      deadlineMs: 30_000,
    });
    await rig.node(0).stop();
    await rig.node(0).start();
    await rejoined(rig);
  },
);

withRewind(
  "a rejoin whose statement is lost is told by the last result, and may be asked for again",
  async () => {
    await using rig = await crashed();
    await using cut = new Cut(rig.node(0));
    const old = rig.verbs(0, { port: cut.port });
    good(await rig.verbs(1).checkpoint());
    cut.arm("run.sh", "after");
    const request = { upstream: rig.upstream(1), slot: null, supervised: false, mode: "rewind" } as const;
    const lost = await old.rejoin(request);
    assert.ok(!lost.ok && lost.kind === "unknown", JSON.stringify(lost));
    await rejoined(rig);
    await waitFor(async () => {
      const state = await old.rejoinState("");
      return state.ok && state.state === "done";
    }, { what: "the result" });
  },
);

for (const major of [12, 14, 18] as PostgresMajor[]) {
  Deno.test(`PostgreSQL ${major}: a rewind that cannot go well is refused before the server is touched`, async () => {
    await using rig = await VerbsRig.start({
      major,
      settings: { wal_log_hints: "off", full_page_writes: "on" },
    });
    const old = rig.verbs(0);
    good(await rig.verbs(1).promote({ timeoutMs: 10_000 }));
    const request = { slot: null, supervised: false, mode: "rewind" } as const;
    const hints = await old.rejoin({ ...request, upstream: rig.upstream(1) });
    assert.ok(!hints.ok && hints.kind === "not possible", JSON.stringify(hints));
    if (major < 18) assert.match(hints.reason, /wal_log_hints or data checksums/);
    const itself = await old.rejoin({ ...request, upstream: rig.upstream(0) });
    assert.ok(!itself.ok && itself.kind === "refused", JSON.stringify(itself));
    assert.equal(good(await old.inspect()).recovering, false);
  });
}

withRewind("a script that was killed does not keep others out, whoever has its number now", async () => {
  await using rig = await crashed();
  const old = rig.verbs(0);
  good(await rig.verbs(1).checkpoint());
  const request = { upstream: rig.upstream(1), slot: null, supervised: false, mode: "rewind" } as const;
  good(await old.rejoin({ ...request, upstream: { name: "n9", host: "127.0.0.1", port: 1 } }));
  await rig.isStandby(0, old);
  await waitFor(async () => {
    const state = await old.rejoinState("");
    return state.ok && state.state === "failed";
  }, { what: "the first script to end" });
  const file = `${rig.node(0).dataDir}/../pgplex.data/pid`;
  await Deno.writeTextFile(file, `${rig.node(0).pid}\n`);
  await Deno.chmod(file, 0o666);
  const { token } = good(await old.rejoin(request));
  await rejoined(rig);
  await ended(old, token);
});

for (const major of [12, 18] as const) {
  Deno.test(`PostgreSQL ${major}: a script that was ended in the middle has failed, and stands in nobody's way`, async () => {
    await using rig = await VerbsRig.start({ major, settings: { wal_sender_timeout: "60s" } });
    const old = rig.verbs(0);
    const request = { upstream: rig.upstream(1), slot: null, supervised: false, mode: "standby" } as const;
    // The stop waits for the standby.
    await rig.node(1).kill("SIGSTOP");
    await rig.node(0).sql("CREATE TABLE t ()");
    assert.equal(good(await old.rejoin({ ...request, token: "t1" })).token, "t1");
    const folder = `${rig.node(0).dataDir}/../pgplex.data`;
    await waitFor(
      async () => /t1 running/.test(await Deno.readTextFile(`${folder}/result`).catch(() => "")),
      {
        what: "the script to run",
      },
    );
    const pid = Number(await Deno.readTextFile(`${folder}/pid`));
    Deno.kill(-pid, "SIGKILL");
    await rig.node(0).kill("SIGKILL");
    await rig.node(1).kill("SIGCONT");
    await rig.node(0).start();
    for (const token of ["t1", ""]) {
      const { state, why } = good(await old.rejoinState(token));
      assert.deepEqual([state, /ended in the middle/.test(why)], ["failed", true]);
    }
    // One that runs has not.
    const { uid, gid } = await Deno.stat(folder);
    const who = { uid: uid!, gid: gid! };
    const script = new Deno.Command("sh", { args: ["-c", "read x; : run.sh"], stdin: "piped", ...who })
      .spawn();
    await Deno.writeTextFile(`${folder}/pid`, `${script.pid}\n`);
    assert.equal(good(await old.rejoinState("t1")).state, "running");
    await script.stdin.close();
    await script.status;
    const { token } = good(await old.rejoin(request));
    await rig.isStandby(0, old);
    await ended(old, token);
  });
}
