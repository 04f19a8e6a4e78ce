import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { good } from "./parsed_test.ts";
import { POOL_KEYS, poolSettings } from "./pool_settings.ts";

Deno.test("poolSettings takes each key from the innermost place that sets it", () => {
  const { config } = good(`
pool: { query_timeout: 1s, pin_timeout: 1s, default_pool_size: 7 }
clusters: { main: { nodes: [{ name: a, host: b }], pool: { query_timeout: 2s, pin_timeout: 2s } } }
routing: { databases: { app: { cluster: main, query_timeout: 3s } } }
`);
  const { query_timeout, pin_timeout, default_pool_size, ...rest } = poolSettings(config, "main", "app");
  deepEqual([query_timeout, pin_timeout, default_pool_size], [3_000, 2_000, 7]);
  equal(rest.pool_mode, "transaction");
  equal(poolSettings(config, "main").query_timeout, 2_000);
  deepEqual(Object.keys(poolSettings(config, "main", "app")), POOL_KEYS);
});
