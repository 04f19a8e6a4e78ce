import { strictEqual as equal } from "node:assert/strict";
import { configOf } from "./fake_cluster_test.ts";
import { goneReason, nodeGoneReason } from "./gone_reason.ts";

const CONFIG = configOf(`clusters:
  main: { nodes: [{ name: a, host: h1 }, { name: b, host: h2, port: 5433 }] }
routing: { databases: { shop: { cluster: main, database: shop_v2 } } }
`);

Deno.test("goneReason says what of a destination the configuration has no more", () => {
  const main = { cluster: "main", database: "app", alias: null, user: "alice" };
  const shop = { cluster: "main", database: "shop_v2", alias: "shop", user: "alice" };
  for (
    const [key, reason] of [
      [main, null],
      [shop, null],
      [{ ...main, cluster: "other" }, 'cluster "other" was removed from the configuration'],
      [{ ...shop, cluster: "other" }, 'cluster "other" was removed from the configuration'],
      [{ ...shop, alias: "store" }, 'database "store" was removed from the configuration'],
      [{ ...shop, database: "shop" }, 'database "shop" leads elsewhere since the configuration changed'],
    ] as const
  ) equal(goneReason(CONFIG, key), reason);
});

Deno.test("goneReason of an alias that leads to another cluster says so, where its old cluster is still there", () => {
  const config = configOf(`clusters:
  main: { nodes: [{ name: a, host: h1 }] }
  other: { nodes: [{ name: c, host: h3 }] }
routing: { databases: { shop: { cluster: other, database: shop_v2 } } }
`);
  equal(
    goneReason(config, { cluster: "main", database: "shop_v2", alias: "shop", user: "alice" }),
    'database "shop" leads elsewhere since the configuration changed',
  );
});

Deno.test("nodeGoneReason takes a node for the same only under the same name, host and port", () => {
  const b = { name: "b", host: "h2", port: 5433 };
  const moved = 'node "b" of cluster "main" was removed or moved in the configuration';
  equal(nodeGoneReason(CONFIG, "main", b), null);
  equal(nodeGoneReason(CONFIG, "main", { ...b, host: "h1" }), moved);
  equal(nodeGoneReason(CONFIG, "main", { ...b, port: 5432 }), moved);
  equal(
    nodeGoneReason(CONFIG, "main", { ...b, name: "c" }),
    'node "c" of cluster "main" was removed or moved in the configuration',
  );
  equal(nodeGoneReason(CONFIG, "other", b), 'cluster "other" was removed from the configuration');
});

Deno.test("goneReason of an alias that has another user for all its clients says that it leads elsewhere", () => {
  const config = configOf(`clusters: { main: { nodes: [{ name: a, host: h1 }] } }
routing: { databases: { shop: { cluster: main, user: seller } } }
`);
  const key = { cluster: "main", database: "shop", alias: "shop" };
  equal(goneReason(config, { ...key, user: "seller" }), null);
  equal(
    goneReason(config, { ...key, user: "alice" }),
    'database "shop" leads elsewhere since the configuration changed',
  );
});
