import assert from "node:assert/strict";
import { errorOf, waitFor } from "../harness/mod.ts";
import { Replicas } from "../harness/replicas.ts";
import { Watched, watchedConfig } from "../harness/watched.ts";

Deno.test("nodes come and go by reloads under load, and nobody else notices", async () => {
  await using replicas = await Replicas.start({ standbys: 2 });
  const [n1, n2, n3] = replicas.config as [object, object, object] as Record<string, unknown>[];
  await using watched = await Watched.start(watchedConfig([n1!, n2!]));
  await watched.becomes("n1 primary up, n2 standby up");
  await watched.sql("CREATE TABLE load (n int)");
  let isOver = false;
  const writers = Array.from({ length: 4 }, async () => {
    await using client = await watched.client();
    let count = 0;
    for (; !isOver; count++) {
      const error = errorOf(await client.query("INSERT INTO load VALUES (1)"));
      if (error !== null) throw new Error(`${error["C"]} ${error["M"]}`);
    }
    return count;
  });
  const monitors = () =>
    replicas.nodes[0]!.sql(
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgplex monitor'",
    );
  const before = await monitors();
  assert.equal(before.length, 1);
  await watched.pgplex.reload(watchedConfig([n3!, n2!, n1!]));
  await watched.becomes("n3 standby up, n2 standby up, n1 primary up");
  await watched.pgplex.reload(watchedConfig([n1!, n3!]));
  await watched.becomes("n1 primary up, n3 standby up");
  await watched.pgplex.reload(watchedConfig([n1!, n3!], { monitor: { interval: "100ms" } }));
  await watched.becomes("n1 primary up, n3 standby up");
  // The connection to the primary is the same all the time, and the node that went is left alone.
  assert.deepEqual(await monitors(), before);
  await waitFor(
    async () =>
      (await replicas.nodes[1]!.sql(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pgplex monitor'",
      ))
        .length === 0,
    { what: "the monitor to leave n2" },
  );
  isOver = true;
  const counts = await Promise.all(writers);
  const total = counts.reduce((sum, count) => sum + count, 0);
  assert.equal(await watched.sql("SELECT count(*) FROM load"), String(total));
  assert.ok(counts.every((count) => count > 0), counts.join());
  assert.deepEqual(watched.logged("WARNING").filter((line) => line.includes("a node is")), []);
});

Deno.test("the primary that a reload takes away is not served any more, and one that it brings back is", async () => {
  await using replicas = await Replicas.start({ standbys: 2 });
  const [n1, n2, n3] = replicas.config;
  await using watched = await Watched.start(watchedConfig(replicas.config));
  await watched.becomes("n1 primary up, n2 standby up, n3 standby up");
  await watched.pgplex.reload(watchedConfig([n2!, n3!]));
  await watched.becomes("n2 standby up, n3 standby up");
  assert.equal((await watched.cluster())["phase"], "holding");
  await watched.pgplex.reload(watchedConfig([n2!, n3!, n1!]));
  await watched.becomes("n2 standby up, n3 standby up, n1 primary up");
  assert.equal(await watched.port(), replicas.nodes[0]!.port);
});
