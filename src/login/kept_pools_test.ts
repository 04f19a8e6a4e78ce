import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { credentialsOf, parseSecret, UserDirectory } from "../auth/mod.ts";
import { parseConfig } from "../config/mod.ts";
import { keptPools } from "./kept_pools.ts";

Deno.test("keptPools has the aliases with a user for all and a minimum, wherever that stands", () => {
  const text =
    `clusters: { main: { nodes: [{ name: a, host: h }] }, low: { pool: { min_pool_size: 0 }, nodes: [{ name: b, host: h }] } }
pool: { min_pool_size: 2 }
users: { nobody: { min_pool_size: 0 } }
routing:
  databases:
    everybody: { cluster: main }
    none: { cluster: main, user: seller, min_pool_size: 0 }
    few: { cluster: low, user: seller }
    quiet: { cluster: main, user: nobody }
    shop: { cluster: main, database: sales, user: seller }
    own: { cluster: low, user: seller, password: own, min_pool_size: 1 }
    "*": { cluster: main, user: seller }
`;
  const parsed = parseConfig(text, { file: "f" });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  const users = new UserDirectory(new Map([["seller", parseSecret("listed")]]));
  const key = { user: "seller", purpose: "clients" };
  deepEqual(keptPools({ config: parsed.config, users }), [
    {
      key: { ...key, cluster: "main", database: "sales", alias: "shop" },
      credentials: credentialsOf(parseSecret("listed")),
    },
    {
      key: { ...key, cluster: "low", database: "own", alias: "own" },
      credentials: credentialsOf(parseSecret("own")),
    },
  ]);
});
