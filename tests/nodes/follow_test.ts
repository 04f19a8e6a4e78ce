import assert from "node:assert/strict";
import { Replicas } from "../harness/replicas.ts";
import { waitFor } from "../harness/mod.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

/** From the end of a promotion to a client's write, with room for a busy machine. */
const WRITE_WITHIN_MS = 1000;

for (const major of [14, 18] as const) {
  Deno.test(`PostgreSQL ${major}: the primary is found wherever it stands in the file, and writes go there`, async () => {
    await using replicas = await Replicas.start({ major });
    const nodes = [replicas.config[1]!, replicas.config[0]!];
    await using watched = await Watched.start(watchedConfig(nodes));
    assert.equal(await watched.port(), replicas.nodes[0]!.port); // at once: clients wait until it is known
    await watched.becomes("n2 standby up, n1 primary up");
    assert.equal(await watched.sql("SELECT pg_is_in_recovery()"), "f");
  });

  Deno.test(`PostgreSQL ${major}: a killed primary holds the clients, and a write waits for the promoted standby`, async () => {
    await using replicas = await Replicas.start({ major, standbys: 2 });
    // The interval of every day: what is faster comes from connections that are lost.
    await using watched = await Watched.start(watchedConfig(replicas.config, { monitor: {} }));
    await watched.sql("CREATE TABLE written (n int)");
    await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
    await replicas.caughtUp(1, 0);
    const killedMs = performance.now();
    await replicas.nodes[0]!.kill("SIGKILL");
    await waitFor(() => watched.logged("its clients wait").length > 0, { what: "the hold" });
    const heldMs = performance.now() - killedMs;
    assert.ok(heldMs < 1500, `held after ${heldMs} ms`);
    assert.equal((await watched.cluster())["phase"], "holding");
    await using client = await watched.client();
    const write = client.query("INSERT INTO written VALUES (1) RETURNING current_setting('port')");
    await replicas.promote(1);
    const promotedMs = performance.now();
    await write;
    const tookMs = performance.now() - promotedMs;
    console.log(
      `PostgreSQL ${major}: held ${heldMs.toFixed()} ms after the kill, written ${tookMs.toFixed()} ms after the promotion`,
    );
    assert.ok(tookMs < WRITE_WITHIN_MS, `${tookMs} ms`);
    await watched.becomes("n1 unknown down, n2 primary up, n3 standby up");
    assert.equal((await watched.cluster())["epoch"], "2");
    assert.equal(watched.logged("the primary has moved").length, 1);
    // The old one comes back as what it was: never served, and a line that a person can act on.
    await replicas.nodes[0]!.start();
    await watched.becomes("n1 stale up, n2 primary up, n3 standby up");
    assert.match(
      watched.logged("says that it is the primary, and is not served")[0]!,
      /ERROR.*timeline 1.*cluster's is 2/,
    );
    assert.equal(await watched.port(), replicas.nodes[1]!.port);
  });

  Deno.test(`PostgreSQL ${major}: a server that only restarts keeps its reign`, async () => {
    await using replicas = await Replicas.start({ major });
    await using watched = await Watched.start(watchedConfig(replicas.config));
    await watched.becomes("n1 primary up, n2 standby up");
    assert.equal(await watched.port(), replicas.nodes[0]!.port);
    await replicas.nodes[0]!.stop("immediate");
    await watched.becomes("n1 primary down, n2 standby up");
    await using client = await watched.client();
    const write = client.query("CREATE TABLE later ()");
    await replicas.nodes[0]!.start();
    assert.equal((await write).some(({ type }) => type === "C"), true);
    await watched.becomes("n1 primary up, n2 standby up");
    assert.equal((await watched.cluster())["epoch"], "1");
    assert.equal(watched.logged("the primary has moved").length, 0);
  });
}

Deno.test("the primary is followed around the cluster, each time within a second, beside one that is well too", async () => {
  await using replicas = await Replicas.start({ standbys: 2 });
  await using watched = await Watched.start(watchedConfig(replicas.config, { monitor: {} }));
  await watched.sql("CREATE TABLE rounds (n int)");
  await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
  const took: number[] = [];
  let primary = 0;
  for (const next of [1, 2, 0, 1]) {
    const standbys = [0, 1, 2].filter((index) => index !== primary);
    for (const index of standbys) await replicas.caughtUp(index, primary);
    // A switchover by hand, as Patroni does it: the old one is stopped first.
    await replicas.nodes[primary]!.stop();
    await using client = await watched.client();
    const write = client.query(`INSERT INTO rounds VALUES (${next}) RETURNING current_setting('port')`);
    await replicas.promote(next);
    const promotedMs = performance.now();
    const messages = await write;
    took.push(performance.now() - promotedMs);
    assert.equal(messages.some(({ type }) => type === "C"), true, JSON.stringify(messages));
    await replicas.follow(primary, next);
    const third = standbys.find((index) => index !== next)!;
    await replicas.repoint(third, next);
    primary = next;
    await waitFor(async () => (await watched.cluster())["up"] === "3", { what: "all nodes to be up" });
  }
  console.log(`written behind each promotion: ${took.map((ms) => `${ms.toFixed()} ms`).join(", ")}`);
  assert.ok(took.every((ms) => ms < WRITE_WITHIN_MS), took.join());
  assert.equal((await watched.cluster())["epoch"], "5");
  assert.equal(await watched.sql("SELECT count(*) FROM rounds"), "4");
  // Promoted beside a primary that is well: the interval is what it takes, and nobody writes to two.
  await replicas.caughtUp(2, primary);
  await replicas.promote(2);
  const promotedMs = performance.now();
  await waitFor(async () => await watched.port() === replicas.nodes[2]!.port, {
    what: "the move",
    everyMs: 5,
  });
  const movedMs = performance.now() - promotedMs;
  console.log(`moved ${movedMs.toFixed()} ms behind a promotion beside a primary that was well`);
  assert.ok(movedMs < 1000 + 500, `${movedMs} ms`);
  assert.ok((await watched.state()).includes("n2 stale up, n3 primary up"), await watched.state());
});

Deno.test("a primary that is stopped as a whole is suspect, then down, and when it goes on it is not served again", async () => {
  await using replicas = await Replicas.start();
  const monitor = {
    interval: "200ms",
    query_timeout: "500ms",
    connect_timeout: "500ms",
    failure_timeout: "1500ms",
  };
  await using watched = await Watched.start(watchedConfig(replicas.config, { monitor }));
  await watched.becomes("n1 primary up, n2 standby up");
  await replicas.nodes[0]!.kill("SIGSTOP");
  try {
    await watched.becomes("n1 primary suspect, n2 standby up");
    assert.equal((await watched.cluster())["phase"], "serving");
    await watched.becomes("n1 primary down, n2 standby up");
    assert.equal((await watched.cluster())["phase"], "holding");
    await replicas.promote(1);
    await watched.becomes("n1 unknown down, n2 primary up");
    assert.equal(await watched.port(), replicas.nodes[1]!.port);
  } finally {
    await replicas.nodes[0]!.kill("SIGCONT");
  }
  await watched.becomes("n1 stale up, n2 primary up");
  assert.equal(await watched.port(), replicas.nodes[1]!.port);
});

Deno.test("a standby that is stopped, or gone, costs the clients of the primary nothing", async () => {
  await using replicas = await Replicas.start({ standbys: 2 });
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
  await replicas.nodes[1]!.kill("SIGSTOP");
  try {
    await replicas.nodes[2]!.stop();
    await using client = await watched.client();
    let slowestMs = 0;
    let isKnown = false;
    while (!isKnown) {
      const sentMs = performance.now();
      await client.query("SELECT 1");
      slowestMs = Math.max(slowestMs, performance.now() - sentMs);
      isKnown = await watched.state() === "n1 primary up, n2 standby down, n3 standby down";
    }
    assert.ok(slowestMs < 500, `${slowestMs} ms`);
    // And the others' samples go on.
    const [before] = await watched.nodes();
    await client.query("CREATE TABLE more ()");
    await waitFor(async () => (await watched.nodes())[0]!["lsn"] !== before!["lsn"], {
      what: "another sample",
    });
  } finally {
    await replicas.nodes[1]!.kill("SIGCONT");
  }
  await watched.becomes("n1 primary up, n2 standby up, n3 standby down");
});

Deno.test("a connection of a pool that ends asks the nodes at once, however long the interval is", async () => {
  await using replicas = await Replicas.start();
  await using watched = await Watched.start(watchedConfig(replicas.config, { monitor: { interval: "1h" } }));
  assert.equal(await watched.port(), replicas.nodes[0]!.port);
  await watched.becomes("n1 primary up, n2 standby up");
  // While nobody is served yet the nodes are asked often: that is over when nobody has asked for a while.
  await waitFor(async () => {
    const [row] = await replicas.nodes[1]!.sql(
      "SELECT clock_timestamp() - state_change > '500ms' AS rests FROM pg_stat_activity WHERE application_name = 'pgplex monitor'",
    );
    return row?.["rests"] === true;
  }, { what: "the monitor to rest" });
  await replicas.promote(1);
  assert.equal(await watched.state(), "n1 primary up, n2 standby up"); // nobody has asked
  const [row] = await replicas.nodes[0]!.sql(
    "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity " +
      "WHERE backend_type = 'client backend' AND application_name <> 'pgplex monitor' AND pid <> pg_backend_pid()",
  );
  assert.equal(Number(row!["ended"]), 1);
  await watched.becomes("n1 stale up, n2 primary up");
  assert.equal(await watched.port(), replicas.nodes[1]!.port);
});

Deno.test("a postmaster that is killed alone is down, though its children may live on for a while", async () => {
  await using replicas = await Replicas.start();
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up");
  assert.equal(await watched.port(), replicas.nodes[0]!.port);
  Deno.kill(replicas.nodes[0]!.pid!, "SIGKILL");
  await watched.becomes("n1 primary down, n2 standby up");
  await using client = await watched.client();
  const write = client.query("CREATE TABLE after ()");
  await replicas.promote(1);
  assert.equal((await write).some(({ type }) => type === "C"), true);
  await watched.becomes("n1 unknown down, n2 primary up");
});
