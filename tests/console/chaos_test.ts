import assert from "node:assert/strict";
import { type ClientResult, errorOf, pgbench, waitFor } from "../harness/mod.ts";
import { shown, shownRow, succeed } from "../harness/console_shown.ts";
import { announceSeed, Seeded } from "../harness/seeded.ts";
import { one, Served } from "../harness/served.ts";

/** Operators at work while pgbench runs: no error reaches a client but those that were asked for. */
const served = new Served({
  setup: "CREATE ROLE victim LOGIN SUPERUSER; CREATE TABLE done (n int)",
  pools: {
    bench: { default_pool_size: 4 },
    held: { default_pool_size: 2, pool_mode: "session" },
    victim: { default_pool_size: 3 },
  },
});

const SECONDS = Number(Deno.env.get("PGPLEX_CHAOS_SECONDS") ?? "8");

/** What an operator does, over and over. */
const OPERATIONS = ["pause", "all", "suspend", "reconnect", "set", "reset", "reload", "closed"] as const;

/** What a client may hear when it, or its database, was killed. */
const ASKED_FOR =
  /terminating connection due to administrator command|server closed the connection|connection to client/;

/** Transactions that pgbench says it ran. */
function processed({ stdout }: ClientResult): number {
  return Number(/number of transactions actually processed: (\d+)/.exec(stdout)![1]);
}

/** Runs commands one after the other on a console of its own, until `over`; every one must succeed. */
async function operate(seed: Seeded, over: () => boolean, ran: Map<string, number>): Promise<void> {
  await using console = await served.client("pgplex");
  const run = async (command: string) => {
    await succeed(console, command);
    ran.set(command, (ran.get(command) ?? 0) + 1);
  };
  /** Some traffic passes before what comes next. */
  const traffic = async () => {
    const count = async () => {
      const rows = await shown(console, "SHOW STATS");
      return Number(rows.find(({ database }) => database === "bench")?.["total_query_count"] ?? 0);
    };
    const enough = await count() + seed.between(1, 60);
    await waitFor(async () => over() || await count() >= enough, { what: "pgbench to go on" });
  };
  // Each of them once, before chance decides.
  const once = seed.shuffled(OPERATIONS);
  await traffic();
  while (!over()) {
    const which = once.pop() ?? seed.pick(OPERATIONS);
    switch (which) {
      case "pause":
        await run("PAUSE bench");
        assert.equal((await shownRow(console, "SHOW POOLS", "database", "bench"))["sv_active"], "0");
        await run("RESUME bench");
        break;
      case "all":
        await run("PAUSE");
        assert.deepEqual((await shown(console, "SHOW SERVERS")).filter((s) => s["state"] !== "new"), []);
        await run("RESUME");
        break;
      case "suspend":
        // KILL pauses what it kills.
        if (errorOf(await console.query("SUSPEND")) === null) await run("RESUME");
        break;
      case "reconnect":
        await run(seed.pick(["RECONNECT", "RECONNECT bench"]));
        if (seed.chance(0.5)) await run("WAIT_CLOSE bench");
        break;
      case "set":
        await run(`SET routing.databases.bench.default_pool_size = ${seed.between(1, 8)}`);
        break;
      case "reset":
        await run(seed.pick(["RESET routing.databases.bench.default_pool_size", "RESET ALL"]));
        break;
      case "reload":
        await run("RELOAD");
        break;
      case "closed":
        await run("DISABLE held");
        await run("ENABLE held");
        break;
    }
    await traffic();
  }
}

/** Kills clients of `victim` one at a time, and sometimes all of them. */
async function kill(seed: Seeded, over: () => boolean, ran: Map<string, number>): Promise<void> {
  await using console = await served.client("pgplex");
  while (!over()) {
    const victims = (await shown(console, "SHOW CLIENTS")).filter((c) => c["database"] === "victim");
    const victim = victims.length === 0 ? null : seed.pick(victims);
    if (victim === null) {
      await waitFor(
        async () => over() || (await shown(console, "SHOW CLIENTS")).some((c) => c["database"] === "victim"),
        { what: "a victim" },
      );
    } else if (seed.chance(0.9)) {
      const error = errorOf(await console.query(`KILL_CLIENT ${victim["id"]}`));
      assert.ok(error === null || error["M"] === "client not found", error?.["M"]!);
      if (error === null) ran.set("KILL_CLIENT", (ran.get("KILL_CLIENT") ?? 0) + 1);
    } else {
      const error = errorOf(await console.query("KILL victim"));
      if (error !== null) assert.equal(error["M"], "already suspended/paused");
      else {
        ran.set("KILL", (ran.get("KILL") ?? 0) + 1);
        await succeed(console, "RESUME victim");
      }
    }
  }
}

/** Clients that are killed again and again, and come back. */
async function suffer(seed: Seeded, over: () => boolean): Promise<void> {
  while (!over()) {
    try {
      await using client = await served.client("victim", {}, "victim");
      for (let i = seed.between(1, 30); i > 0 && !over(); i--) {
        assert.equal(await one(client, "SELECT pg_sleep(0.002)::text || 'x'"), "x");
      }
    } catch (thrown) {
      const message = String(thrown);
      if (!/57P01|administrator command|ended|closed|reset|EPIPE|ECONNRESET/i.test(message)) throw thrown;
    }
  }
}

Deno.test("Operations fired at random while pgbench runs cause no error but those asked for, and counters agree", async () => {
  const seed = announceSeed();
  await using console = await served.client("pgplex");
  const direct = { host: served.node.host, port: served.node.port, user: "postgres", database: "postgres" };
  assert.equal((await pgbench(["-i", "-q", "-I", "dtgp"], { connection: direct })).code, 0);
  const before = await shownRow(console, "SHOW STATS_TOTALS", "database", "bench").catch(() => null);
  assert.equal(before, null);
  const args = ["-n", "-c", "8", "-j", "2", "-T", String(SECONDS)];
  const options = { connection: served.connection("bench"), deadlineMs: SECONDS * 1000 + 30_000 };
  let over = false;
  const isOver = () => over;
  const ran = new Map<string, number>();
  const benches = Promise.all([
    pgbench([...args, "-S", "-M", "prepared"], options),
    pgbench([...args, "-M", "simple", "-R", "200"], options),
    pgbench([...args, "-M", "extended", "-S", "-R", "200"], options),
  ]).finally(() => over = true);
  const [results] = await Promise.all([
    benches,
    ...[
      operate(new Seeded(seed, 1), isOver, ran),
      kill(new Seeded(seed, 2), isOver, ran),
      ...[3, 4, 5].map((stream) => suffer(new Seeded(seed, stream), isOver)),
    ].map((work) =>
      work.catch((thrown) => {
        over = true;
        throw thrown;
      })
    ),
  ]);
  globalThis.console.log([...ran].map(([command, times]) => `${command}: ${times}`).sort().join(", "));
  let transactions = 0;
  for (const result of results) {
    assert.equal(result.code, 0, `${result.stdout}${result.stderr}`);
    assert.doesNotMatch(result.stderr, ASKED_FOR);
    assert.doesNotMatch(result.stderr, /error|FATAL|aborted/i);
    transactions += processed(result);
  }
  for (const word of ["PAUSE", "RECONNECT", "SET", "KILL_CLIENT"]) {
    assert.ok([...ran.keys()].some((command) => command.startsWith(word)), `${word} ran`);
  }
  await waitFor(
    async () => {
      const pool = await shownRow(console, "SHOW POOLS", "database", "bench");
      return ["cl_active", "cl_waiting", "sv_active", "sv_tested"].every((name) => pool[name] === "0");
    },
    { what: "the pool to be at rest" },
  );
  const after = await shownRow(console, "SHOW STATS_TOTALS", "database", "bench");
  const xacts = Number(after["xact_count"]);
  // Beyond its transactions pgbench asks each database a few things before it begins.
  assert.ok(xacts >= transactions && xacts <= transactions + 100, `${xacts} of ${transactions}`);
  assert.ok(Number(after["bind_count"]) >= processed(results[0]!) + processed(results[2]!));
  const state = Object.fromEntries((await shown(console, "SHOW STATE")).map((r) => [r["key"]!, r["value"]]));
  assert.deepEqual([state["active"], state["paused_databases"]], ["yes", ""]);
  const lists = Object.fromEntries((await shown(console, "SHOW LISTS")).map((r) => [r["list"]!, r["items"]]));
  assert.equal(lists["used_servers"], String((await shown(console, "SHOW SERVERS")).length));
  // The console itself has left nothing behind.
  await using last = await served.client("bench");
  assert.equal(await one(last, "SELECT 'alive'"), "alive");
});
