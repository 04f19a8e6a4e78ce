import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import caps a minimum at the pool's size, as PgBouncer does when it opens connections", async () => {
  const { config } = await imported(
    "[databases]\na = host=h pool_size=3 min_pool_size=4\n[pgbouncer]\nmin_pool_size = 40\n",
  );
  deepEqual([config.pool.min_pool_size, config.routing.databases.get("a")!.min_pool_size], [20, 3]);
});
