import assert from "node:assert/strict";
import { errorOf, pgbench, tempDir } from "../harness/mod.ts";
import { NumberedWriter } from "../harness/numbered.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are restarted in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** So long a move of the primary may keep a write waiting; twice that where nobody measures, on a machine that is busy with others. */
const PAUSE_MAX_MS = Deno.env.has("PGPLEX_SWITCHOVERS") ? 1000 : 2000;

Deno.test({
  name:
    "switchovers one after the other under pgbench's TPC-B with sixteen clients: no error, and no pause of a second",
  ...RESTARTS,
  fn: async () => {
    const count = Number(Deno.env.get("PGPLEX_SWITCHOVERS") ?? "3");
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      standbys: 2,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
      setup: "CREATE TABLE w (n int)",
    });
    await using watched = await Watched.start(watchedConfig(replicas.config, {
      clusters: { main: { nodes: replicas.config, failover: "auto", rejoin: "sql" } },
      state_file: `${dir.path}/state`,
      monitor: {},
    }));
    await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
    const { host, port } = watched.pgplex;
    const target = { connection: { host, port, user: "postgres", password: "", database: "postgres" } };
    assert.equal((await pgbench(["-i", "-q", "-s", "4"], target)).code, 0);
    await using client = await watched.client();
    const writer = new NumberedWriter(client);
    const seconds = 3 * count + 5;
    const load = pgbench(["-n", "-c", "16", "-j", "2", "-T", String(seconds)], {
      ...target,
      deadlineMs: 300_000,
    });
    writer.start();
    const pausesMs: number[] = [];
    for (let i = 0; i < count; i++) {
      const to = i % 2 === 0 ? "n2" : "n1";
      await writer.writes(50);
      writer.pauseMs = 0;
      const error = errorOf(await watched.console.query(`SWITCHOVER main TO ${to}`));
      const told = () =>
        watched.pgplex.log.split("\n").filter((line) => !/ DEBUG /.test(line)).slice(-40).join("\n");
      assert.equal(error, null, `${error?.["M"]}\n${told()}`);
      await watched.becomes(
        to === "n2"
          ? "n1 standby up, n2 primary up, n3 standby up"
          : "n1 primary up, n2 standby up, n3 standby up",
      );
      await writer.writes(20);
      pausesMs.push(Math.round(writer.pauseMs));
      if (writer.pauseMs >= PAUSE_MAX_MS) console.log(told());
    }
    await writer.stop();
    const { code, stdout, stderr } = await load;
    console.log(`${count} switchovers, writes stood still for ${pausesMs.join(", ")} ms`);
    assert.deepEqual([writer.failed, code], [[], 0], stderr);
    assert.match(stdout, /number of failed transactions: 0/);
    assert.equal(pausesMs.every((ms) => ms < PAUSE_MAX_MS), true, pausesMs.join());
    const rows = await watched.sql("SELECT count(*) FROM w");
    assert.equal(rows, String(writer.acknowledged.length));
  },
});
