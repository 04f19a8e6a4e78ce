import assert from "node:assert/strict";
import { POOL_SIZES, type PoolName } from "../harness/compared.ts";
import { Crowd, CROWD_SETUP, valueOrState } from "../harness/crowd.ts";
import { errorOf, WireClient, type WireMessage } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** What a session has taken and nobody can put on another connection any more. */
const served = new Served({
  major: 18,
  settings: { log_connections: "on", allow_in_place_tablespaces: "on" },
  setup: `${CROWD_SETUP} CREATE ROLE app LOGIN; GRANT crowd TO app; CREATE ROLE r2; GRANT r2 TO app;
    CREATE ROLE boss LOGIN SUPERUSER; GRANT crowd TO boss;`,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** Something that is taken, and then lost. */
interface Loss {
  readonly what: string;
  readonly user?: string;
  /** Both run by the superuser beside. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly take: string;
  readonly lose: readonly string[];
  /** What the session itself says of it. */
  readonly show: string;
  /** What takes it back, besides DISCARD ALL. */
  readonly resets: readonly string[];
}

const LOSSES: readonly Loss[] = [
  {
    what: "a role that is dropped",
    before: ["CREATE ROLE r1"],
    take: "SET ROLE r1",
    lose: ["DROP ROLE r1"],
    show: "SELECT current_user",
    resets: ["RESET ROLE", "SET ROLE NONE", "SET ROLE r2", "SET SESSION AUTHORIZATION DEFAULT"],
    after: [],
  },
  {
    what: "a role that is renamed",
    before: ["CREATE ROLE r1"],
    take: "SET ROLE r1",
    lose: ["ALTER ROLE r1 RENAME TO r1_renamed"],
    show: "SELECT current_user",
    resets: ["RESET ROLE"],
    after: ["DROP ROLE r1_renamed"],
  },
  {
    what: "a role that is revoked",
    user: "app",
    before: ["CREATE ROLE r1", "GRANT r1 TO app"],
    take: "SET ROLE r1",
    lose: ["REVOKE r1 FROM app"],
    show: "SELECT current_user",
    resets: ["RESET ROLE", "SET ROLE NONE"],
    after: ["DROP ROLE r1"],
  },
  {
    what: "a session user that is dropped",
    before: ["CREATE ROLE r1"],
    take: "SET SESSION AUTHORIZATION r1",
    lose: ["DROP ROLE r1"],
    show: "SELECT session_user",
    resets: ["RESET SESSION AUTHORIZATION"],
    after: [],
  },
  {
    what: "a text search configuration that is dropped",
    before: ["CREATE TEXT SEARCH CONFIGURATION public.mine (COPY = pg_catalog.simple)"],
    take: "SET default_text_search_config = 'public.mine'",
    lose: ["DROP TEXT SEARCH CONFIGURATION public.mine"],
    show: "SHOW default_text_search_config",
    resets: ["RESET default_text_search_config", "RESET ALL"],
    after: [],
  },
  {
    what: "a parameter whose grant is revoked",
    user: "app",
    before: ["GRANT SET ON PARAMETER log_duration TO app"],
    take: "SET log_duration = on",
    lose: ["REVOKE SET ON PARAMETER log_duration FROM app"],
    show: "SHOW log_duration",
    resets: ["RESET ALL"],
    after: [],
  },
  {
    what: "a superuser's parameter, who is none any more",
    user: "boss",
    before: ["ALTER ROLE boss SUPERUSER"],
    take: "SET log_duration = on",
    lose: ["ALTER ROLE boss NOSUPERUSER"],
    show: "SHOW log_duration",
    resets: ["RESET ALL"],
    after: ["ALTER ROLE boss SUPERUSER"],
  },
  {
    what: "a tablespace that is dropped",
    before: ["CREATE TABLESPACE mine LOCATION ''"],
    take: "SET default_tablespace = mine",
    lose: ["DROP TABLESPACE mine"],
    show: "SHOW default_tablespace",
    resets: ["RESET default_tablespace"],
    after: [],
  },
  {
    what: "an access method that is dropped",
    before: ["CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler"],
    take: "SET default_table_access_method = mine",
    lose: ["DROP ACCESS METHOD mine"],
    show: "SHOW default_table_access_method",
    resets: ["RESET default_table_access_method"],
    after: [],
  },
];

/** Takes and loses it, with the others between; `play` says what then happens. */
async function lost(
  loss: Loss,
  pool: PoolName | "direct",
  play: (client: WireClient, between: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { user = "postgres" } = loss;
  for (const sql of loss.before) await served.node.sql(sql);
  try {
    await using others = pool === "direct"
      ? null
      : await Crowd.start(served, { alias: pool, size: POOL_SIZES[pool], user });
    await using client = pool === "direct"
      ? await WireClient.connect(served.node, { user, database: "postgres" })
      : await served.client(pool, {}, user);
    const between = async () => await others?.come();
    await between();
    await one(client, "SET my.v = 'kept'");
    await between();
    await one(client, loss.take);
    await between();
    for (const sql of loss.lose) await served.node.sql(sql);
    await play(client, between);
    await others?.go();
  } finally {
    for (const sql of loss.after) await served.node.sql(sql);
  }
}

const refusals = (messages: WireMessage[]) => {
  const error = errorOf(messages);
  return error === null ? [] : [`${error["C"]}: ${error["M"]}`];
};

/** Three statements, which say nothing that went wrong. */
async function goesOn(client: WireClient, between: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await between();
    assert.deepEqual(refusals(await client.query("SELECT 1")), [], "the session goes on");
  }
}

const POOLS = ["direct", "one", "two"] as const;
const where = (pool: string) => pool === "direct" ? "directly" : `in a pool of ${pool}`;

for (const loss of LOSSES) {
  for (const pool of POOLS) {
    for (const reset of [...loss.resets, "DISCARD ALL"]) {
      Deno.test(`${reset} is all that it takes to go on without ${loss.what}, ${where(pool)}`, async () => {
        await lost(loss, pool, async (client, between) => {
          await between();
          assert.deepEqual(refusals(await client.query(reset)), [], reset);
          await goesOn(client, between);
          if (!/ALL|AUTHORIZATION/.test(reset)) assert.equal(await one(client, "SHOW my.v"), "kept");
        });
      });
    }

    Deno.test(`Who has lost ${loss.what} is told once at most, and goes on, ${where(pool)}`, async () => {
      let own: string | null = null;
      await lost(loss, "direct", async (client) => void (own = await valueOrState(client, loss.show)));
      await lost(loss, pool, async (client, between) => {
        const told: string[] = [];
        for (let i = 0; i < 4; i++) {
          await between();
          told.push(...refusals(await client.query("SELECT 1")));
        }
        assert.ok(told.length <= 1, `told ${told.length} times: ${told}`);
        await between();
        if (told.length === 0) assert.equal(await valueOrState(client, loss.show), own, "nothing was told");
        await between();
        assert.equal(await one(client, "SHOW my.v"), "kept");
      });
    });

    Deno.test(`ROLLBACK and BEGIN work for who has lost ${loss.what}, ${where(pool)}`, async () => {
      await lost(loss, pool, async (client, between) => {
        await between();
        assert.deepEqual(refusals(await client.query("ROLLBACK")), []);
        const told: string[] = [];
        await between();
        for (const sql of ["BEGIN", "SELECT 1"]) told.push(...refusals(await client.query(sql)));
        assert.ok(new Set(told).size <= 1, `told ${told}`);
        assert.deepEqual(refusals(await client.query("ROLLBACK")), []);
        await goesOn(client, between);
      });
    });
  }

  Deno.test(`Statements of who has lost ${loss.what} cost no server connections`, async () => {
    await lost(loss, "two", async (client, between) => {
      const opened = async () => (await served.node.log()).split("connection authorized").length;
      const before = await opened();
      for (let i = 0; i < 10; i++) {
        await between();
        await client.query("SELECT 1");
      }
      const after = await opened();
      assert.ok(after - before <= 2, `${after - before} connections were opened`);
    });
  });
}
