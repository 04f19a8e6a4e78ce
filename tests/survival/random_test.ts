import assert from "node:assert/strict";
import { announceSeed, Seeded } from "../harness/seeded.ts";
import { Served } from "../harness/served.ts";
import { LOSSES, Running, SURVIVORS, SURVIVORS_SETUP } from "../harness/survivors.ts";

/** Sessions of a round. */
const SESSIONS = 60;

const served = new Served({
  major: 18,
  settings: { max_connections: "200" },
  setup: SURVIVORS_SETUP,
  pools: {
    transaction: { pool_mode: "transaction", default_pool_size: 80, server_login_retry: "50ms" },
    session: { pool_mode: "session", default_pool_size: 80, server_login_retry: "50ms" },
  },
});

Deno.test({
  name: "sessions of all kinds at random lose their server in ways at random, and each hears what it must",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const random = new Seeded(announceSeed());
    const seconds = Number(Deno.env.get("PGPLEX_SURVIVAL_SECONDS") ?? "10");
    const endMs = performance.now() + seconds * 1000;
    const ways = Object.entries(LOSSES);
    let rounds = 0;
    for (; performance.now() < endMs; rounds++) {
      const [way, lose] = random.pick(ways);
      const survivors = Array.from({ length: SESSIONS }, () => random.pick(SURVIVORS));
      // One whose backend is there to be killed.
      survivors.push(SURVIVORS.find(({ name }) => name === "running a statement")!);
      try {
        await using running = await Running.begin(served.pgplex, `round ${rounds}`, { survivors });
        await lose(served.node);
        await running.check();
      } catch (thrown) {
        throw new Error(`round ${rounds}, ${way}: ${(thrown as Error).message}`, { cause: thrown });
      }
    }
    console.log(`${rounds} rounds of ${SESSIONS} sessions`);
    assert.ok(rounds > 0);
    assert.doesNotMatch(served.pgplex.log, /internal error/);
  },
});
