import assert from "node:assert/strict";
import { tempDir, waitFor, WireClient } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are restarted in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

Deno.test({
  name: "pgplex that is killed in the middle of a move finishes it, or takes it back, when it is there again",
  ...RESTARTS,
  fn: async () => {
    const random = new Seeded(announceSeed());
    const rounds = Number(Deno.env.get("PGPLEX_MOVES") ?? "6");
    await using dir = await tempDir();
    await using replicas = await Replicas.start({
      standbys: 2,
      settings: { wal_log_hints: "on", full_page_writes: "on" },
      setup: "CREATE TABLE w (n int)",
    });
    const config = watchedConfig(replicas.config, {
      clusters: { main: { nodes: replicas.config, failover: "auto", rejoin: "sql" } },
      state_file: `${dir.path}/state`,
      monitor: {},
    });
    let written = 0;
    for (let round = 0; round < rounds; round++) {
      const afterMs = random.below(1200);
      const what = `round ${round}, killed ${afterMs} ms behind SWITCHOVER`;
      let log = "";
      try {
        {
          await using watched = await Watched.start(config);
          await isWell(watched);
          await watched.sql(`INSERT INTO w VALUES (${++written})`);
          const moving = watched.console.query("SWITCHOVER main").catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, afterMs));
          Deno.kill(watched.pgplex.pid, "SIGKILL");
          await moving;
          log = watched.pgplex.log;
        }
        await using watched = await Watched.start(config);
        await isWell(watched);
        await watched.sql(`INSERT INTO w VALUES (${++written})`);
        assert.equal(await watched.sql("SELECT count(*) FROM w"), String(written));
      } catch (thrown) {
        throw new Error(`${what}: ${(thrown as Error).message}\n${log}`, { cause: thrown });
      }
    }
    console.log(`${rounds} moves`);
  },
});

/** One primary that is served, and two standbys that follow it. */
async function isWell(watched: Watched): Promise<void> {
  let last = "";
  const well = async () => {
    last = JSON.stringify(await watched.cluster()) + await watched.state();
    const { phase, up } = await watched.cluster();
    return phase === "serving" && up === "3" && (await watched.state()).split("standby up").length === 3;
  };
  await waitFor(well, { what: "the cluster to be well", deadlineMs: 30_000 }).catch((thrown) => {
    throw new Error(`${(thrown as Error).message}; it is ${last}\n${watched.pgplex.log}`);
  });
  await using _client = await WireClient.connect(watched.pgplex, { user: "postgres" });
}
