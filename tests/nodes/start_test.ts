import assert from "node:assert/strict";
import { errorOf, freePort, startPostgres, waitFor } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { nodesOf, Watched, watchedConfig } from "../harness/watched.ts";

const NOBODY = { host: "127.0.0.1", port: 0 };

Deno.test("a node that is missing at the start delays nobody, whether it refuses or says nothing", async () => {
  await using replicas = await Replicas.start();
  // Takes connections and never says a word.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nodes = nodesOf(
    { ...NOBODY, port: freePort() },
    { ...NOBODY, port: (silent.addr as Deno.NetAddr).port },
    replicas.nodes[1]!,
    replicas.nodes[0]!,
  );
  const startedMs = performance.now();
  await using watched = await Watched.start(watchedConfig(nodes));
  const upMs = performance.now();
  assert.equal(await watched.port(), replicas.nodes[0]!.port);
  const tookMs = performance.now() - upMs;
  console.log(
    `served ${tookMs.toFixed()} ms after pgplex was up, ${
      (performance.now() - startedMs).toFixed()
    } ms after its start`,
  );
  assert.ok(tookMs < 1000, `${tookMs} ms`);
  await watched.becomes("n1 unknown down, n2 unknown down, n3 standby up, n4 primary up");
});

Deno.test("a cluster of standbys holds its clients, says so, and serves the one that is promoted", async () => {
  await using replicas = await Replicas.start({ standbys: 2 });
  await replicas.nodes[0]!.stop();
  await using watched = await Watched.start(watchedConfig(nodesOf(replicas.nodes[1]!, replicas.nodes[2]!)));
  await watched.becomes("n1 standby up, n2 standby up");
  assert.match(watched.logged("has no primary")[0]!, /WARNING.*n1 is a standby, n2 is a standby/);
  const connecting = watched.client(); // what to greet it with no server has said yet
  await replicas.promote(2);
  await using client = await connecting;
  assert.equal(errorOf(await client.query("CREATE TABLE t ()")), null);
  await watched.becomes("n1 standby up, n2 primary up");
});

Deno.test("of two servers that say primary on one timeline the one that serves stays, with an error in the log", async () => {
  await using first = await startPostgres({ major: 18, auth: "trust" });
  await first.stop();
  await using twin = await startPostgres({ major: 18, auth: "trust", copyOf: first.dataDir });
  await first.start();
  await twin.stop();
  await using watched = await Watched.start(watchedConfig(nodesOf(twin, first)));
  await watched.becomes("n1 unknown down, n2 primary up");
  await twin.start();
  await watched.becomes("n1 stale up, n2 primary up");
  assert.match(watched.logged("and is not served")[0]!, /ERROR.*says primary on timeline 1, and so does n2/);
  assert.equal(await watched.port(), first.port);
  // Where the one that serves dies the other one may be where its data lives on.
  await first.stop("immediate");
  await watched.becomes("n1 primary up, n2 unknown down");
  assert.equal(await watched.port(), twin.port);
});

Deno.test("a server of another cluster is foreign, never served, and an error in the log", async () => {
  await using replicas = await Replicas.start();
  await using stranger = await startPostgres({ major: 15, auth: "trust" }); // each major's servers have one identifier here
  await using watched = await Watched.start(
    watchedConfig(nodesOf(stranger, replicas.nodes[0]!, replicas.nodes[1]!)),
  );
  await watched.becomes("n1 unknown foreign, n2 primary up, n3 standby up");
  assert.equal(watched.logged("belongs to another cluster")[0]!.includes("ERROR"), true);
  assert.equal(await watched.port(), replicas.nodes[0]!.port);
  await replicas.nodes[0]!.stop();
  await watched.becomes("n1 unknown foreign, n2 primary down, n3 standby up");
  assert.equal((await watched.cluster())["phase"], "holding");
});

Deno.test("logins that are refused are no failure: the log says what to do, and a reload with the right user serves", async () => {
  await using replicas = await Replicas.start();
  const config = (user: string) => ({
    ...watchedConfig(replicas.config),
    clusters: { main: { nodes: replicas.config, superuser: { user } } },
  });
  await using watched = await Watched.start(config("nobody"));
  await waitFor(() => watched.logged("so nobody is served").length > 0, { what: "the error" });
  assert.match(
    watched.logged("so nobody is served")[0]!,
    /ERROR.*clusters.*superuser.*n1 is unknown \(role .* does not exist \(28000\)\)/,
  );
  await watched.becomes("n1 unknown unknown, n2 unknown unknown");
  const client = watched.client(); // it waits
  await watched.pgplex.reload(config("postgres"));
  await watched.becomes("n1 primary up, n2 standby up");
  await (await client).close();
});

Deno.test("a single node is served whatever it says, and so is the first one where superuser is null", async () => {
  await using replicas = await Replicas.start();
  const [primary, standby] = replicas.nodes;
  {
    await using watched = await Watched.start(watchedConfig(nodesOf(standby!)));
    assert.equal(await watched.sql("SELECT pg_is_in_recovery()"), "t");
    await watched.becomes("n1 primary up");
  }
  const config = watchedConfig([], {
    clusters: { main: { nodes: nodesOf(standby!, primary!), superuser: null } },
  });
  await using watched = await Watched.start(config);
  assert.equal(await watched.port(), standby!.port);
  assert.match(watched.logged("nobody finds out which node is the primary")[0]!, /WARNING/);
  assert.equal(await watched.state(), "n1 primary unknown, n2 unknown unknown");
});
