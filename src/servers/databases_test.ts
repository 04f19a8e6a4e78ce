import { strictEqual as equal, throws } from "node:assert/strict";
import { parseConfig } from "../config/mod.ts";
import { canonicalDatabase, databaseNameOf, isDatabaseName } from "./databases.ts";

function configOf(routing: string) {
  const parsed = parseConfig(
    `clusters: { main: { nodes: [{ name: a, host: h }] } }\nrouting: ${routing}\n`,
    { file: "pgplex.yaml" },
  );
  if (!("config" in parsed)) throw new Error("the configuration is good");
  return parsed.config;
}

const config = configOf("{ default_cluster: main, databases: { shop: { cluster: main, database: s } } }");

Deno.test("databaseNameOf is the alias, or the database with its cluster", () => {
  equal(databaseNameOf(config, { cluster: "main", database: "s", alias: "shop" }), "shop");
  equal(databaseNameOf(config, { cluster: "main", database: "s", alias: null }), "s@main");
});

Deno.test("canonicalDatabase is the same for every way to name a database", () => {
  equal(canonicalDatabase(config, "shop"), "shop");
  for (const asked of ["app", "app@main"]) equal(canonicalDatabase(config, asked), "app@main");
  throws(() => canonicalDatabase(config, "app@nowhere"), /does not exist/);
});

Deno.test("isDatabaseName no longer holds for an alias that is gone, also where its name leads elsewhere", () => {
  equal(isDatabaseName(config, "shop"), true);
  equal(isDatabaseName(configOf("{ default_cluster: main }"), "shop"), false);
  equal(isDatabaseName(configOf("{}"), "shop"), false);
  equal(isDatabaseName(configOf("{}"), "app@main"), true);
});
