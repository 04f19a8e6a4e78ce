import { type PostgresMajor, type PostgresNode, waitFor, WireClient } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { Served } from "../harness/served.ts";
import { type Survivor, SURVIVORS, SURVIVORS_SETUP } from "../harness/survivors.ts";

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

interface Running {
  readonly survivor: Survivor;
  readonly client: WireClient;
  readonly mine: string;
}

function tests(major: PostgresMajor): void {
  const served = new Served({
    major,
    settings: { max_connections: "100" },
    setup: SURVIVORS_SETUP,
    pools: {
      transaction: { pool_mode: "transaction", default_pool_size: 60, server_login_retry: "50ms" },
      session: { pool_mode: "session", default_pool_size: 30, server_login_retry: "50ms" },
    },
  });
  /** Server connections that sessions hold, by alias, and channels of shared listeners that are there. */
  const present = async () => {
    await using console = await WireClient.connect(served.pgplex, { user: "postgres", database: "pgplex" });
    const pools = await shown(console, "SHOW POOLS");
    const listened = (await shown(console, "SHOW LISTENERS")).filter(({ pid }) => pid !== null);
    const held = (alias: string) => Number(pools.find(({ database }) => database === alias)?.["sv_active"]);
    return JSON.stringify([held("transaction"), held("session"), listened.length]);
  };

  for (const [way, lose] of Object.entries(WAYS)) {
    Deno.test({
      name: `PostgreSQL ${major}: each client stays when ${way}`,
      ...RESTARTS,
      fn: async (t) => {
        const running: Running[] = [];
        try {
          for (const [index, survivor] of SURVIVORS.entries()) {
            const client = await served.client(survivor.session ? "session" : "transaction");
            const mine = `session ${index} of ${way.length}`;
            running.push({ survivor, client, mine });
            await survivor.begin(client, mine);
          }
          // What an idle session did has been read, and nothing is on its way.
          const holding = (session: boolean) =>
            SURVIVORS.filter((survivor) => survivor.holds && (survivor.session ?? false) === session).length;
          const ready = JSON.stringify([holding(false), holding(true), 1]);
          await waitFor(async () => await present() === ready, { what: "each to be ready" });
          await lose(served.node);
          for (const { survivor, client, mine } of running) {
            await t.step(survivor.name, () => survivor.after(client, mine));
          }
        } finally {
          for (const { client } of running) await client.close();
        }
      },
    });
  }
}

for (const major of [14, 18] as const) tests(major);
