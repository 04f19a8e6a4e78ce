import assert from "node:assert/strict";
import {
  cancel,
  frontend,
  type PgplexProcess,
  rowsOf,
  startPgplex,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { told } from "../harness/survivors.ts";
import { watchedConfig } from "../harness/watched.ts";

const { bind, execute, extendedQuery, parse, query, sync } = frontend;

const SETUP = `
  CREATE TABLE done (mine text);
  CREATE TABLE slow (v text);
  CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(1000); RETURN NEW; END $$;
  CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
`;

/** Servers of a test are stopped and killed in it. */
const RESTARTS = { sanitizeOps: false, sanitizeResources: false };

function configOf(replicas: Replicas, guard = "on"): Record<string, unknown> {
  return watchedConfig(replicas.config, {
    routing: {
      databases: {
        app: { cluster: "main", database: "postgres", pool_mode: "transaction", commit_guard: guard },
      },
      default_cluster: "main",
    },
    monitor: {
      interval: "200ms",
      query_timeout: "500ms",
      connect_timeout: "500ms",
      failure_timeout: "1500ms",
    },
  });
}

const connect = (pgplex: PgplexProcess) =>
  WireClient.connect(pgplex, { user: "postgres", database: "app" }, { deadlineMs: 40_000 });

const hears = async (client: WireClient) => told(await client.readUntil("Z"));

/** Ways to say COMMIT, and what is heard of one that was done. */
const FORMS: Record<string, { readonly sent: Uint8Array; readonly heard: RegExp }> = {
  "simple query": { sent: query("COMMIT"), heard: /^COMMIT ZI$/ },
  "extended protocol": { sent: extendedQuery("COMMIT"), heard: /^1 2 n COMMIT ZI$/ },
  "extended protocol, without Describe": {
    sent: frontend.concat([parse("END"), bind(), execute(), sync()]),
    heard: /^1 2 COMMIT ZI$/,
  },
};

/** Sends COMMIT in a transaction that wrote `mine`, and waits until the server is in the middle of it. */
async function commits(
  replicas: Replicas,
  pgplex: PgplexProcess,
  { mine, sent, isSlow }: { mine: string; sent: Uint8Array; isSlow: boolean },
): Promise<WireClient> {
  const client = await connect(pgplex);
  await client.query("BEGIN");
  await client.query(`INSERT INTO done VALUES ('${mine}')`);
  if (isSlow) await client.query(`INSERT INTO slow VALUES ('${mine}')`);
  await client.send(sent);
  const event = isSlow ? "PgSleep" : "SyncRep";
  const waits = `SELECT pid FROM pg_stat_activity WHERE wait_event = '${event}'`;
  await waitFor(async () => (await replicas.nodes[0]!.sql(waits)).length > 0, {
    what: `it to wait: ${event}`,
  });
  return client;
}

async function isThere(client: WireClient, mine: string): Promise<boolean> {
  return rowsOf(await client.query(`SELECT mine FROM done WHERE mine = '${mine}'`)).length > 0;
}

/** Commits wait for a standby that there is not: they are done, and not answered. */
async function answersNobody({ nodes: [primary] }: Replicas): Promise<void> {
  await primary!.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await primary!.sql("SELECT pg_reload_conf()");
  await waitFor(
    async () =>
      (await primary!.sql("SHOW synchronous_standby_names"))[0]!["synchronous_standby_names"] === "nobody",
    { what: "commits to wait" },
  );
}

const terminate = (event: string) =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = '${event}'`;

for (const major of [14, 18] as const) {
  for (const [form, { sent, heard }] of Object.entries(FORMS)) {
    Deno.test({
      name:
        `PostgreSQL ${major}: a COMMIT whose backend is terminated is 40001 where it was rolled back, and done ` +
        `where it was (${form})`,
      ...RESTARTS,
      fn: async () => {
        await using replicas = await Replicas.start({ major, standbys: 0, setup: SETUP });
        const [node] = replicas.nodes;
        await using pgplex = await startPgplex({ config: configOf(replicas) });
        await using slow = await commits(replicas, pgplex, { mine: "slow", sent, isSlow: true });
        await node!.sql(terminate("PgSleep"));
        assert.match(await hears(slow), /^(1 2 (n )?)?ERROR 40001 ZI$/);
        assert.equal(await isThere(slow, "slow"), false);

        await answersNobody(replicas);
        await using done = await commits(replicas, pgplex, { mine: "done", sent, isSlow: false });
        await node!.sql(terminate("SyncRep"));
        assert.match(await hears(done), heard);
        assert.equal(await isThere(done, "done"), true);
        assert.doesNotMatch(pgplex.log, /internal error/);
      },
    });
  }

  Deno.test({
    name: `PostgreSQL ${major}: a COMMIT that is cut off by a failover is answered as the new primary has it`,
    ...RESTARTS,
    fn: async (t) => {
      const cases: { name: string; isSlow: boolean; streams: boolean; hears: RegExp; there: boolean }[] = [
        { name: "rolled back", isSlow: true, streams: true, hears: /ERROR 40001 ZI$/, there: false },
        { name: "not received", isSlow: false, streams: false, hears: /ERROR 40001 ZI$/, there: false },
        { name: "received", isSlow: false, streams: true, hears: /^COMMIT ZI$/, there: true },
      ];
      for (const { name, isSlow, streams, hears: expected, there } of cases) {
        await t.step(name, async () => {
          await using replicas = await Replicas.start({
            major,
            setup: SETUP,
          });
          const [primary, standby] = replicas.nodes;
          await using pgplex = await startPgplex({ config: configOf(replicas) });
          if (!streams) {
            await standby!.sql("ALTER SYSTEM SET primary_conninfo = ''");
            await standby!.sql("SELECT pg_reload_conf()");
            await waitFor(
              async () => (await standby!.sql("SELECT 1 FROM pg_stat_wal_receiver")).length === 0,
              { what: "the standby to receive nothing" },
            );
          }
          if (!isSlow) await answersNobody(replicas);
          await using client = await commits(replicas, pgplex, {
            mine: name,
            sent: query("COMMIT"),
            isSlow,
          });
          // Another commit has what was written before sent to the standby.
          if (isSlow) await primary!.sql("INSERT INTO done VALUES ('other')");
          if (streams) await replicas.caughtUp(1, 0);
          await primary!.kill("SIGKILL");
          await replicas.promote(1);
          assert.match(await hears(client), expected);
          assert.equal(await isThere(client, name), there);
          assert.doesNotMatch(pgplex.log, /internal error/);
        });
      }
    },
  });

  Deno.test({
    name: `PostgreSQL ${major}: a COMMIT that a killed server had written is done when it is back`,
    ...RESTARTS,
    fn: async () => {
      await using replicas = await Replicas.start({ major, standbys: 0, setup: SETUP });
      const [node] = replicas.nodes;
      await answersNobody(replicas);
      await using pgplex = await startPgplex({ config: configOf(replicas) });
      await using client = await commits(replicas, pgplex, {
        mine: "x",
        sent: query("COMMIT"),
        isSlow: false,
      });
      await node!.kill("SIGKILL");
      await node!.start();
      assert.equal(await hears(client), "COMMIT ZI");
      assert.equal(await isThere(client, "x"), true);
    },
  });
}

Deno.test({
  name: "a COMMIT in doubt is 08007 without the guard, and when its client cancels",
  ...RESTARTS,
  fn: async () => {
    await using replicas = await Replicas.start({ standbys: 0, setup: SETUP });
    const [node] = replicas.nodes;
    {
      await using pgplex = await startPgplex({ config: configOf(replicas, "off") });
      await using client = await commits(replicas, pgplex, {
        mine: "off",
        sent: query("COMMIT"),
        isSlow: true,
      });
      await node!.sql(terminate("PgSleep"));
      assert.equal(await hears(client), "ERROR 08007 ZI");
    }
    await using pgplex = await startPgplex({ config: configOf(replicas) });
    await using client = await commits(replicas, pgplex, { mine: "x", sent: query("COMMIT"), isSlow: true });
    // Nobody can be asked.
    await node!.kill("SIGKILL");
    await waitFor(() => pgplex.log.includes("server connection lost"), { what: "the loss" });
    await cancel(pgplex, client.key!);
    assert.equal(await hears(client), "ERROR 08007 ZI");
    await node!.start();
    assert.equal(told(await client.query("SELECT 1")), "T D SELECT 1 ZI");
  },
});

Deno.test({
  name: "with the guard on clients hear what they hear without it",
  ...RESTARTS,
  fn: async () => {
    await using replicas = await Replicas.start({ standbys: 0, setup: SETUP });
    await using pgplex = await startPgplex({ config: configOf(replicas) });
    await using client = await connect(pgplex);
    for (const isWriting of [false, true]) {
      for (const { sent, heard } of Object.values(FORMS)) {
        await client.query("BEGIN");
        if (isWriting) await client.query("INSERT INTO done VALUES ('x')");
        await client.send(sent);
        assert.match(await hears(client), heard);
      }
    }
    assert.equal(told(await client.query("SELECT 1")), "T D SELECT 1 ZI");
    // A prepared COMMIT, and a pipeline, which is not guarded.
    await client.send(parse("COMMIT", { name: "c" }), sync());
    assert.equal(await hears(client), "1 ZI");
    await client.query("BEGIN");
    await client.query("INSERT INTO done VALUES ('y')");
    await client.send(bind({ statement: "c" }), execute(), sync());
    assert.equal(await hears(client), "2 COMMIT ZI");
    await client.send(query("BEGIN"), query("INSERT INTO done VALUES ('z')"), query("COMMIT"));
    for (const tag of ["BEGIN ZT", "INSERT 0 1 ZT", "COMMIT ZI"]) assert.equal(await hears(client), tag);
    await client.query("BEGIN");
    await client.query("SELECT 1 / 0");
    assert.equal(told(await client.query("COMMIT")), "ROLLBACK ZI");
    const [row] = await replicas.nodes[0]!.sql("SELECT count(*)::int AS n FROM done");
    assert.equal(row!["n"], 5);
  },
});
