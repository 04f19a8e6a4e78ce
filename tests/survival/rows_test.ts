import type { PostgresMajor } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";
import { LOSSES, Running, SURVIVOR_POOLS, SURVIVORS_SETUP } from "../harness/survivors.ts";

/** A server that is started anew is another process than the one before the test. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

function tests(major: PostgresMajor): void {
  const served = new Served({
    major,
    settings: { max_connections: "100" },
    setup: SURVIVORS_SETUP,
    pools: SURVIVOR_POOLS,
  });
  for (const [way, lose] of Object.entries(LOSSES)) {
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
