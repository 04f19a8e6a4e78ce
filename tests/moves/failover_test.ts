import assert from "node:assert/strict";
import { errorOf, tempDir, waitFor, type WireClient } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { NumberedWriter } from "../harness/numbered.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** From a kill to the first write on the new primary, with room for a busy machine. */
const WRITE_WITHIN_MS = 3000;

function configOf(replicas: Replicas, stateFile: string, cluster: Record<string, unknown> = {}) {
  return watchedConfig(replicas.config, {
    clusters: { main: { nodes: replicas.config, failover: "auto", ...cluster } },
    state_file: stateFile,
    monitor: {},
  });
}

/** Three servers, of which a commit waits for one standby. */
async function synchronous(major: 14 | 18): Promise<Replicas> {
  const replicas = await Replicas.start({
    major,
    standbys: 2,
    settings: { wal_log_hints: "on", full_page_writes: "on" },
    setup: "CREATE TABLE w (n int)",
  });
  await replicas.nodes[0]!.reload({ synchronous_standby_names: "ANY 1 (n2, n3)" });
  return replicas;
}

/** The numbers that were acknowledged and are not there. */
async function missing(watched: Watched, { acknowledged }: NumberedWriter): Promise<number[]> {
  await using client = await watched.client();
  const messages = await client.query("SELECT n FROM w");
  const there = new Set(messages.flatMap(({ values }) => values === undefined ? [] : [Number(values[0])]));
  return acknowledged.filter((n) => !there.has(n));
}

for (const major of [14, 18] as const) {
  for (const way of ["killed", "stopped by SIGSTOP"] as const) {
    Deno.test({
      name: `PostgreSQL ${major}: a primary that is ${way} is replaced, and nothing acknowledged is lost`,
      ...RESTARTS,
      fn: async () => {
        await using dir = await tempDir();
        await using replicas = await synchronous(major);
        await using watched = await Watched.start(configOf(replicas, `${dir.path}/state`));
        await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
        await using idle = await watched.client();
        await idle.query(`SET "my.name" = 'kept'`);
        // What an idle session set is read when it has been at rest for a moment.
        await waitFor(async () => {
          const pools = await shown(watched.console, "SHOW POOLS");
          return pools.every((row) => Number(row["sv_active"]) + Number(row["sv_tested"]) === 0);
        }, { what: "the session to be at rest" });
        await using client = await watched.client();
        const writer = new NumberedWriter(client);
        writer.start();
        await writer.writes(50);
        const beganMs = performance.now();
        await replicas.nodes[0]!.kill(way === "killed" ? "SIGKILL" : "SIGSTOP");
        await waitFor(() => watched.logged("failover: ").length > 0, {
          what: "the failover to end",
          deadlineMs: 30_000,
        }).catch((thrown) => {
          throw new Error(`${thrown.message}\n${watched.pgplex.log}`);
        });
        await writer.writes(20);
        await writer.stop();
        await replicas.nodes[0]!.kill("SIGCONT");
        const limitMs = way === "killed" ? WRITE_WITHIN_MS : 3000 + WRITE_WITHIN_MS;
        console.log(
          `PostgreSQL ${major}, ${way}: writes stood still for ${writer.pauseMs.toFixed()} ms, errors: ${writer.failed}`,
        );
        if (writer.pauseMs >= limitMs) {
          console.log(watched.pgplex.log.split("\n").filter((l) => /cluster=main/.test(l)).join("\n"));
        }
        assert.ok(writer.pauseMs < limitMs, `${writer.pauseMs} ms, ${performance.now() - beganMs} ms in all`);
        assert.ok(writer.failed.length <= 1, writer.failed.join());
        assert.deepEqual(await missing(watched, writer), []);
        const kept = await idle.query("SHOW my.name");
        assert.equal(
          kept.find(({ values }) => values)?.values?.[0],
          "kept",
          JSON.stringify(kept.map(({ fields }) => fields)),
        );
        const row = await watched.cluster();
        assert.deepEqual([row["epoch"], row["phase"]], ["2", "serving"]);
        // The third node follows.
        const primary = replicas.nodes.findIndex((node) =>
          `n${replicas.nodes.indexOf(node) + 1}` === row["primary"]
        );
        const third = primary === 1 ? 2 : 1;
        await waitFor(async () => {
          const [receiver] = await replicas.nodes[third]!.sql(
            "SELECT received_tli, status FROM pg_stat_wal_receiver",
          );
          return receiver?.["received_tli"] === 2 && receiver["status"] === "streaming";
        }, { what: "the third node to follow" });
      },
    });
  }
}

/** Writes much, so that the primary's end falls into the middle of a record. Ends with an error, or when it is over: who was between two statements hears none. */
async function writeMuch(client: WireClient, over: AbortSignal): Promise<void> {
  const text = "INSERT INTO big SELECT repeat(md5(i::text), 200) FROM generate_series(1, 500) i";
  while (!over.aborted) if (errorOf(await client.query(text)) !== null) return;
}

for (const major of [14, 18] as const) {
  Deno.test({
    name:
      `PostgreSQL ${major}: a primary killed in the middle of large records is replaced as soon, and the third follows`,
    ...RESTARTS,
    fn: async () => {
      await using dir = await tempDir();
      await using replicas = await Replicas.start({
        major,
        standbys: 2,
        settings: { wal_log_hints: "on", full_page_writes: "on" },
        setup:
          "CREATE TABLE w (n int); CREATE TABLE big (t text); ALTER TABLE big ALTER t SET STORAGE external",
      });
      await replicas.nodes[0]!.reload({ synchronous_standby_names: "ANY 1 (n2, n3)" });
      await using watched = await Watched.start(configOf(replicas, `${dir.path}/state`));
      await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
      await using client = await watched.client();
      const writer = new NumberedWriter(client);
      writer.start();
      await using one = await watched.client();
      await using other = await watched.client();
      const over = new AbortController();
      const much = Promise.all([writeMuch(one, over.signal), writeMuch(other, over.signal)]);
      await writer.writes(50);
      await replicas.nodes[0]!.kill("SIGKILL");
      await waitFor(() => watched.logged("failover: ").length > 0, {
        what: "the failover to end",
        deadlineMs: 30_000,
      });
      over.abort();
      await much;
      await writer.writes(20);
      await writer.stop();
      console.log(
        `PostgreSQL ${major}, large records: writes stood still for ${writer.pauseMs.toFixed()} ms`,
      );
      assert.ok(writer.pauseMs < 2 * WRITE_WITHIN_MS, `${writer.pauseMs} ms`);
      assert.deepEqual(await missing(watched, writer), []);
      const { primary } = await watched.cluster();
      const third = primary === "n2" ? 2 : 1;
      await waitFor(async () => {
        const [receiver] = await replicas.nodes[third]!.sql(
          "SELECT received_tli, status FROM pg_stat_wal_receiver",
        );
        return receiver?.["received_tli"] === 2 && receiver["status"] === "streaming";
      }, { what: "the third node to follow" }).catch((thrown) => {
        throw new Error(`${thrown.message}\n${watched.pgplex.log}`);
      });
    },
  });
}

Deno.test({
  name:
    "failover is off, manual or at once by SET: nothing is promoted before, and SHOW FAILOVERS says what was done",
  ...RESTARTS,
  fn: async () => {
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      standbys: 1,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
    });
    const config = configOf(replicas, `${dir.path}/state`, { failover: "manual" });
    await using watched = await Watched.start(config);
    await watched.becomes("n1 primary up, n2 standby up");
    await replicas.caughtUp(1, 0);
    await replicas.nodes[0]!.kill("SIGKILL");
    await watched.becomes("n1 primary down, n2 standby up");
    assert.equal((await watched.cluster())["phase"], "holding");
    const messages = await watched.console.query("FAILOVER main");
    assert.equal(messages.some(({ type }) => type === "E"), false, JSON.stringify(messages));
    await watched.becomes("n1 unknown down, n2 primary up");
    const [row] = (await watched.console.query("SHOW FAILOVERS")).flatMap(({ values }) =>
      values ? [values] : []
    );
    assert.deepEqual(row!.slice(0, 6), ["main", "2", "failover", "n1", "n2", "done"]);
  },
});

/** Of this major there is an installation with all programs on many machines; what is downloaded has no pg_rewind. */
const BIN = "/usr/lib/postgresql/15/bin";
const hasRewind = await Deno.stat(`${BIN}/pg_rewind`).then(() => true, () => false);

Deno.test({
  name: `the old primary that comes back is made a standby again, rewound where it has diverged${
    hasRewind ? "" : ` (skipped: ${BIN}/pg_rewind is missing)`
  }`,
  ignore: !hasRewind,
  ...RESTARTS,
  fn: async () => {
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      major: 15,
      binDir: BIN,
      standbys: 2,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
      setup: "CREATE TABLE w (n int)",
    });
    const config = configOf(replicas, `${dir.path}/state`, { rejoin: "sql", max_failover_lag: "1GB" });
    await using watched = await Watched.start(config);
    await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
    await watched.sql("INSERT INTO w VALUES (1)");
    await replicas.nodes[0]!.kill("SIGKILL");
    await waitFor(() => watched.logged("failover: ").length > 0, {
      what: "the failover",
      deadlineMs: 20_000,
    });
    await watched.sql("INSERT INTO w VALUES (2)");
    await replicas.nodes[0]!.start();
    await waitFor(async () => {
      const rows = await watched.nodes();
      return rows.find(({ node }) => node === "n1")?.["role"] === "standby";
    }, { what: "n1 to be a standby", deadlineMs: 30_000 }).catch((thrown) => {
      throw new Error(`${(thrown as Error).message}\n${watched.pgplex.log}`);
    });
    await waitFor(async () => {
      const rows = await replicas.nodes[0]!.sql("SELECT count(*)::int AS count FROM w").catch(() => []);
      return rows[0]?.["count"] === 2;
    }, { what: "n1 to have all rows", deadlineMs: 20_000 });
    assert.equal(watched.logged("internal error").length, 0);
  },
});
