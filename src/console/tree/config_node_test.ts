import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { live, shown } from "./config_fake_test.ts";
import { configNode } from "./config_node.ts";
import { walk } from "./path.ts";
import { showPlace } from "./show.ts";

Deno.test("configNode shows a key with its value, its source and how it can change", async () => {
  deepEqual(await shown("pool.pool_mode"), [["pool.pool_mode", "transaction", "default", "live"]]);
  deepEqual(await shown("listen.port"), [["listen.port", "6432", "default", "restart"]]);
  deepEqual(await shown("listen.tls"), [["listen.tls", "null", "default", "file"]]);
  deepEqual(await shown("pool.query_wait_timeout"), [["pool.query_wait_timeout", "2m", "default", "live"]]);
  const config = live();
  config.set(["pool", "query_wait_timeout"], 5000);
  deepEqual(await shown("pool.query_wait_timeout", config), [[
    "pool.query_wait_timeout",
    "5s",
    "SET",
    "live",
  ]]);
});

Deno.test("configNode shows no secret, whatever gave it", async () => {
  deepEqual(await shown("auth.users.alice.password"), [["auth.users.alice.password", "***", "file", "file"]]);
  deepEqual(await shown('auth.users."odd.name".password_env'), [[
    'auth.users."odd.name".password_env',
    "X",
    "file",
    "file",
  ]]);
  const all = showPlace(await walk(configNode(live(), [])!, [])).rows;
  equal(JSON.stringify(all).includes("a-secret"), false);
});

Deno.test("configNode shows the pool keys that a cluster or an alias inherits, and from where", async () => {
  const of = async (path: string) => (await shown(path))[0]!.slice(1, 3);
  deepEqual(await of("clusters.main.pool.default_pool_size"), ["7", "file"]);
  deepEqual(await of("clusters.main.pool.pool_mode"), ["transaction", "pool"]);
  deepEqual(await of("routing.databases.reports.default_pool_size"), ["7", "clusters.main.pool"]);
  deepEqual(await of("routing.databases.reports.pool_mode"), ["session", "file"]);
  deepEqual(await of("routing.databases.reports.query_timeout"), ["0s", "pool"]);
});

Deno.test("configNode finds entries of a list by name and by place, and names without regard to case", async () => {
  const node = ["clusters.main.nodes.main-2.host", "i", "file", "file"];
  deepEqual(await shown("clusters.main.nodes.main-2.host"), [node]);
  equal((await shown("CLUSTERS.Main.nodes[1].Host"))[0]![1], "i");
  equal((await shown("clusters.main.nodes")).length, 14);
});
