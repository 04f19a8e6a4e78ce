import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import makes nodes of a list of hosts, and says what that means", async () => {
  const { config, yaml } = await imported("[databases]\na = host=h1,h2 auth_user=asks\n");
  const main = config.clusters.get("main")!;
  deepEqual(main.nodes.map(({ name, host }) => [name, host]), [["main-1", "h1"], ["main-2", "h2"]]);
  equal(main.superuser?.user, "asks");
  match(yaml, /PgBouncer opens connections to these hosts in turn/);
});

Deno.test("an import writes modes and lifetimes that PgBouncer understands otherwise", async () => {
  const { config } = await imported("[databases]\na = host=h pool_mode=statement server_lifetime=0\n");
  const { pool_mode, server_reset, server_lifetime } = config.routing.databases.get("a")!;
  deepEqual([pool_mode, server_reset, server_lifetime], ["transaction", "always", undefined]);
});

Deno.test("an import leads names without a line of their own where * leads", async () => {
  const { config } = await imported("[databases]\na = host=h\n* = host=other pool_size=4\n");
  equal(config.routing.default_cluster, "other");
  equal(config.clusters.get("other")!.pool.default_pool_size, 4);
});
