import assert from "node:assert/strict";
import { succeed } from "../harness/console_shown.ts";
import { type PostgresNode, type Row, tempDir, waitFor } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** Servers of a test are restarted in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

/** Asks on a server by SQL, and waits for the answer, which may be on another server then. */
async function ask(sql: string, { at, answeredAt = at }: { at: PostgresNode; answeredAt?: PostgresNode }) {
  const [row] = await at.sql(`SELECT ${sql} AS id`);
  const asked = `SELECT state, answer FROM pgplex.request(${row!["id"]})`;
  let found: Row | undefined;
  await waitFor(async () => {
    [found] = await answeredAt.sql(asked).catch((): Row[] => []);
    return found?.["state"] === "done" || found?.["state"] === "refused";
  }, { what: `the answer to ${sql}`, deadlineMs: 30_000 });
  return found!;
}

for (const major of [12, 18] as const) {
  Deno.test({
    name:
      `PostgreSQL ${major}: a switchover and the mode can be asked for by SQL on the primary, and are answered there`,
    ...RESTARTS,
    fn: async () => {
      await using dir = await tempDir();
      await using replicas = await Replicas.start({
        major,
        settings: { wal_log_hints: "on", full_page_writes: "on" },
      });
      const [first, second] = replicas.nodes;
      await using watched = await Watched.start(watchedConfig(replicas.config, {
        clusters: { main: { nodes: replicas.config, failover: "manual", rejoin: "sql" } },
        state_file: `${dir.path}/state`,
      }));
      await watched.becomes("n1 primary up, n2 standby up");
      await succeed(watched.console, "INSTALL SCHEMA main");
      const none = await ask("pgplex.switchover('nowhere')", { at: first! });
      assert.deepEqual(none, { state: "refused", answer: "there is no node nowhere" });
      const moved = await ask("pgplex.switchover('n2', '20 s')", { at: first!, answeredAt: second! });
      assert.equal(moved["state"], "done", moved["answer"]);
      assert.match(moved["answer"], /^n2 is the primary, on timeline 2/);
      await watched.becomes("n1 standby up, n2 primary up");
      // Who has asked is remembered, and the answer is on the standby too.
      const [by] = (await watched.console.query("SHOW FAILOVERS")).flatMap(({ values }) =>
        values ? [values[10]] : []
      );
      assert.equal(by, "postgres by SQL");
      await replicas.caughtUp(0, 1);
      assert.equal(
        (await first!.sql("SELECT state FROM pgplex.requests WHERE answer ~ 'n2 is the primary'")).length,
        1,
      );
      const follow = await ask("pgplex.failover_mode('follow')", { at: second! });
      assert.deepEqual(follow, { state: "done", answer: "failover is follow" });
      const refused = await ask("pgplex.switchover()", { at: second! });
      assert.equal(refused["state"], "refused");
      assert.match(refused["answer"], /failover of cluster "main" is follow/);
      // It is still there to be asked for something else.
      assert.equal((await ask("pgplex.failover_mode('auto')", { at: second! }))["state"], "done");
    },
  });
}

Deno.test("a request that nobody finishes stands in nobody's way for ever", async () => {
  await using dir = await tempDir();
  await using replicas = await Replicas.start({ standbys: 0 });
  const [node] = replicas.nodes;
  const config = watchedConfig(replicas.config, {
    clusters: { main: { nodes: replicas.config, failover: "manual" } },
    state_file: `${dir.path}/state`,
  });
  await using watched = await Watched.start(config);
  await watched.becomes("n1 primary up");
  await succeed(watched.console, "INSTALL SCHEMA main");
  await node!.sql(`INSERT INTO pgplex.requests (kind, argument, state, asked_at)
    VALUES ('failover_mode', '{"mode": "auto"}', 'running', clock_timestamp() - interval '1 hour')`);
  await waitFor(
    async () => (await node!.sql("SELECT FROM pgplex.requests WHERE state = 'refused'")).length === 1,
    {
      what: "the forgotten request to be answered",
    },
  );
  assert.equal((await ask("pgplex.failover_mode('manual')", { at: node! }))["state"], "done");
});
