import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { good, MAIN } from "./parsed_test.ts";
import { aliasFor, POOL_KEYS, poolSettings } from "./pool_settings.ts";

Deno.test("poolSettings takes each key from the innermost place that sets it", () => {
  const { config } = good(`
pool: { query_timeout: 1s, pin_timeout: 1s, default_pool_size: 7 }
clusters: { main: { nodes: [{ name: a, host: b }], pool: { query_timeout: 2s, pin_timeout: 2s } } }
routing: { databases: { app: { cluster: main, query_timeout: 3s } } }
`);
  const { query_timeout, pin_timeout, default_pool_size, ...rest } = poolSettings(config, {
    cluster: "main",
    alias: "app",
  });
  deepEqual([query_timeout, pin_timeout, default_pool_size], [3_000, 2_000, 7]);
  equal(rest.pool_mode, "transaction");
  equal(poolSettings(config, { cluster: "main" }).query_timeout, 2_000);
  deepEqual(Object.keys(poolSettings(config, { cluster: "main", alias: "app" })), POOL_KEYS);
});

Deno.test("poolSettings: a user's own keys go before the alias's, and * holds for names without an alias", () => {
  const { config } = good(
    MAIN + "users: { alice: { pool_mode: session, query_timeout: 7s } }\n" +
      "routing: { databases: { '*': { cluster: main, query_timeout: 3s }, app: { cluster: main, query_timeout: 4s } } }\n",
  );
  const of = (alias: string, user: string) => poolSettings(config, { cluster: "main", alias, user });
  deepEqual([of("app", "alice").query_timeout, of("app", "alice").pool_mode], [7_000, "session"]);
  deepEqual([of("app", "bob").query_timeout, of("any", "bob").query_timeout], [4_000, 3_000]);
});

Deno.test("aliasFor: * keeps the client's name unless it says which database", () => {
  const { config } = good(
    MAIN + "routing: { databases: { '*': { cluster: main }, app: { cluster: main, database: x } } }\n",
  );
  deepEqual(["app", "other", "*"].map((name) => aliasFor(config, name)?.database), ["x", "other", "*"]);
  const fixed = good(MAIN + "routing: { databases: { '*': { cluster: main, database: one } } }\n").config;
  equal(aliasFor(fixed, "any")?.database, "one");
});
