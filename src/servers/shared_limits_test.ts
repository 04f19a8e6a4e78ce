import { deepStrictEqual as deepEqual, notStrictEqual, strictEqual as equal } from "node:assert/strict";
import { type Config, poolSettings } from "../config/mod.ts";
import type { DestinationKey } from "./destination_key.ts";
import { configOf } from "./fake_cluster_test.ts";
import { SharedLimits } from "./shared_limits.ts";

const configWith = (max: number) =>
  configOf(`clusters:
  main: { nodes: [{ name: a, host: h1 }] }
  other: { nodes: [{ name: b, host: h2 }] }
pool: { max_db_connections: ${max}, max_user_connections: 3 }
routing:
  databases:
    shop: { cluster: main, database: app }
    capped: { cluster: main, database: app, max_user_connections: 1 }
`);
const CONFIG = configWith(2);

const ALICE: DestinationKey = {
  cluster: "main",
  database: "app",
  user: "alice",
  alias: null,
  purpose: "clients",
};
const BOB: DestinationKey = { ...ALICE, user: "bob" };

function limitsOf(limits: SharedLimits, key: DestinationKey, config: Config = CONFIG) {
  const [database, user] = limits.of(config, key, poolSettings(config, key));
  return { database: database!, user: user! };
}

Deno.test("SharedLimits: one for all users of a name that clients give, and one for a user of all databases", () => {
  const limits = new SharedLimits();
  const alice = limitsOf(limits, ALICE);
  const bob = limitsOf(limits, BOB);
  const sales = limitsOf(limits, { ...ALICE, database: "sales" });
  equal(bob.database, alice.database);
  notStrictEqual(bob.user, alice.user);
  notStrictEqual(sales.database, alice.database);
  equal(sales.user, alice.user);
  deepEqual([alice.database.max, alice.user.max], [2, 3]);
});

Deno.test("SharedLimits: an alias of a database counts apart from its other names, and a cluster from the others", () => {
  const limits = new SharedLimits();
  const alice = limitsOf(limits, ALICE);
  const shop = limitsOf(limits, { ...ALICE, alias: "shop" });
  const other = limitsOf(limits, { ...ALICE, cluster: "other" });
  notStrictEqual(shop.database, alice.database);
  equal(shop.user, alice.user);
  notStrictEqual(other.database, alice.database);
  notStrictEqual(other.user, alice.user);
});

Deno.test("SharedLimits: pgplex's look-ups count as the user that they log in as", () => {
  const limits = new SharedLimits();
  equal(limitsOf(limits, { ...ALICE, purpose: "auth" }).user, limitsOf(limits, ALICE).user);
});

Deno.test("SharedLimits: an alias that sets max_user_connections counts its own users", () => {
  const limits = new SharedLimits();
  const capped = limitsOf(limits, { ...ALICE, alias: "capped" });
  notStrictEqual(capped.user, limitsOf(limits, ALICE).user);
  equal(capped.user.max, 1);
});

Deno.test("SharedLimits.of puts a reload's limits in force, and keeps what is counted", () => {
  const limits = new SharedLimits();
  limitsOf(limits, ALICE).database.take();
  const { database } = limitsOf(limits, ALICE, configWith(1));
  deepEqual([database.used, database.max, database.exhausted], [1, 1, true]);
});

Deno.test("SharedLimits.forgetUnused keeps what is used, and what a destination that is there has", () => {
  const limits = new SharedLimits();
  const alice = limitsOf(limits, ALICE);
  const bob = limitsOf(limits, BOB);
  const sales = limitsOf(limits, { ...BOB, database: "sales" });
  bob.user.take();
  limits.forgetUnused(CONFIG, [ALICE]);
  deepEqual(
    [limitsOf(limits, ALICE).database === alice.database, limitsOf(limits, BOB).user === bob.user],
    [true, true],
  );
  notStrictEqual(limitsOf(limits, { ...BOB, database: "sales" }).database, sales.database);
  bob.user.give();
  limits.forgetUnused(CONFIG, [ALICE]);
  notStrictEqual(limitsOf(limits, BOB).user, bob.user);
});
