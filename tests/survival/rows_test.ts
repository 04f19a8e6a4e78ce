import { type PostgresMajor, type PostgresNode, waitFor } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";
import { Running, SURVIVOR_POOLS, SURVIVORS_SETUP } from "../harness/survivors.ts";

/** Ends the server connections of pgplex's clients, or the server, which is there again afterwards. */
const WAYS: Record<string, (node: PostgresNode) => Promise<void>> = {
  "each of its connections is terminated": async (node) => {
    await node.sql(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    `);
  },
  "one backend is killed, so that the server restarts": async (node) => {
    const [row] = await node.sql(
      "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' LIMIT 1",
    );
    Deno.kill(row!["pid"], "SIGKILL");
    await waitFor(async () => (await node.log()).includes("all server processes terminated"), {
      what: "the server to restart",
    });
  },
  "the server is stopped fast": (node) => node.restart(),
  "the server is stopped at once": async (node) => {
    await node.stop("immediate");
    await node.start();
  },
  "all of the server's processes are killed": async (node) => {
    await node.kill("SIGKILL");
    await node.start();
  },
};

/** A server that is started anew is another process than the one before the test. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

function tests(major: PostgresMajor): void {
  const served = new Served({
    major,
    settings: { max_connections: "100" },
    setup: SURVIVORS_SETUP,
    pools: SURVIVOR_POOLS,
  });
  for (const [way, lose] of Object.entries(WAYS)) {
    Deno.test({
      name: `PostgreSQL ${major}: each client stays when ${way}`,
      ...RESTARTS,
      fn: async (t) => {
        await using running = await Running.begin(served.pgplex, way);
        await lose(served.node);
        await running.after(t);
      },
    });
  }
}

for (const major of [14, 18] as const) tests(major);
