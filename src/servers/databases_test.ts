import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { parseConfig } from "../config/mod.ts";
import { canonicalDatabase, databaseNameOf, isDatabaseName, isNamed, keepsName } from "./databases.ts";

function configOf(routing: string) {
  const parsed = parseConfig(
    `clusters: { main: { nodes: [{ name: a, host: h }] } }\nrouting: ${routing}\n`,
    { file: "pgplex.yaml" },
  );
  if (!("config" in parsed)) throw new Error("the configuration is good");
  return parsed.config;
}

const config = configOf("{ default_cluster: main, databases: { shop: { cluster: main, database: s } } }");

Deno.test("databaseNameOf is the alias, the plain name where that leads there, else the database with its cluster", () => {
  const nameOf = (database: string, alias: string | null = null, in_ = config) =>
    databaseNameOf(in_, { cluster: "main", database, alias });
  equal(nameOf("s", "shop"), "shop");
  equal(nameOf("s"), "s");
  equal(nameOf("s", null, configOf("{}")), "s@main", "plain names lead nowhere");
  equal(nameOf("shop"), "shop@main", "the plain name is the alias");
  equal(nameOf("pgplex"), "pgplex@main", "the plain name is the console");
  equal(nameOf("a@b"), "a@b@main");
  equal(nameOf("a%40b"), "a%40b@main");
  const wildcard = configOf('{ default_cluster: main, databases: { "*": { cluster: main, database: s } } }');
  equal(nameOf("s", null, wildcard), "s@main", "the plain name is the wildcard's");
});

Deno.test("canonicalDatabase is the same for every way to name a database", () => {
  equal(canonicalDatabase(config, "shop"), "shop");
  for (const asked of ["app", "app@main"]) equal(canonicalDatabase(config, asked), "app");
  throws(() => canonicalDatabase(config, "app@nowhere"), /does not exist/);
  for (const name of ["s", "shop", "a%40b@main", "a@b@main"]) equal(canonicalDatabase(config, name), name);
});

Deno.test("isDatabaseName holds for a name as long as it leads somewhere, and is the one that the console shows", () => {
  equal(isDatabaseName(config, "shop"), true);
  equal(isDatabaseName(configOf("{ default_cluster: main }"), "shop"), true);
  equal(isDatabaseName(configOf("{ default_cluster: main }"), "shop@main"), false);
  equal(isDatabaseName(configOf("{}"), "shop"), false);
  equal(isDatabaseName(configOf("{}"), "app@main"), true);
});

Deno.test("keepsName and isNamed tell an alias from the database of its name on the default cluster", () => {
  const plain = configOf("{ default_cluster: main }");
  const keeps = (name: string, before = config, after = plain) => keepsName({ before, after }, name);
  deepEqual([keeps("shop"), keeps("shop", plain, config), keeps("shop", config, config)], [
    false,
    false,
    true,
  ]);
  deepEqual([keeps("app"), keeps("app@main", configOf("{}"), plain)], [true, false]);
  const shop = { cluster: "main", database: "s", alias: "shop" };
  deepEqual([isNamed(config, shop), isNamed(plain, shop)], [true, false]);
  equal(isNamed(plain, { cluster: "main", database: "shop", alias: null }), true);
});
