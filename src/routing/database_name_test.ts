import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { type Config, formatProblem, loadConfig } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { clusterMeant, routeDatabase, spelledOut } from "./database_name.ts";

const CLUSTERS = `clusters:
  main: { nodes: [{ name: main-1, host: db1 }] }
  other: { nodes: [{ name: other-1, host: db2 }] }
`;

async function configOf(routing = ""): Promise<Config> {
  const loaded = await loadConfig("/pgplex.yaml", {
    readBytes: () => new TextEncoder().encode(`${CLUSTERS}${routing}`),
    env: () => undefined,
    certificatesProblem: () => null,
    keyPairProblem: () => null,
  });
  if ("problems" in loaded) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  return loaded.config;
}

Deno.test("routeDatabase reads DATABASE@CLUSTER", async () => {
  deepEqual(routeDatabase(await configOf(), "app@main"), { cluster: "main", database: "app", alias: null });
});

Deno.test("routeDatabase takes the last separator: a database's name may contain it", async () => {
  const route = routeDatabase(await configOf(), "odd@name@other");
  deepEqual(route, { cluster: "other", database: "odd@name", alias: null });
});

Deno.test("routeDatabase understands %40 where no @ stands, and leaves it alone where one does", async () => {
  const config = await configOf();
  equal(routeDatabase(config, "app%40main").database, "app");
  deepEqual(routeDatabase(config, "a%40b@main"), { cluster: "main", database: "a%40b", alias: null });
});

Deno.test("routeDatabase leaves %40 alone in an alias", async () => {
  const config = await configOf(`routing:
  default_cluster: other
  databases:
    per%40alias: { cluster: main, database: aliased }
`);
  deepEqual(routeDatabase(config, "per%40alias"), {
    cluster: "main",
    database: "aliased",
    alias: "per%40alias",
  });
  deepEqual(routeDatabase(config, "app%40main"), { cluster: "main", database: "app", alias: null });
});

Deno.test("routeDatabase leaves %40 alone where the separator is another", async () => {
  const config = await configOf('routing: { separator: "::", default_cluster: other }\n');
  deepEqual(routeDatabase(config, "app%40main"), { cluster: "other", database: "app%40main", alias: null });
  deepEqual(routeDatabase(config, "per%40c::main"), { cluster: "main", database: "per%40c", alias: null });
});

Deno.test("routeDatabase takes a plain name to the default cluster, if there is one", async () => {
  const config = await configOf("routing: { default_cluster: other }\n");
  deepEqual(routeDatabase(config, "app"), { cluster: "other", database: "app", alias: null });
  equal(routeDatabase(config, "app@main").cluster, "main");
});

Deno.test("routeDatabase takes an alias where it leads, also when there is a default cluster", async () => {
  const config = await configOf(`routing:
  default_cluster: main
  databases:
    shop: { cluster: other, database: shop_v2 }
`);
  deepEqual(routeDatabase(config, "shop"), { cluster: "other", database: "shop_v2", alias: "shop" });
  deepEqual(routeDatabase(config, "shop@main"), { cluster: "main", database: "shop", alias: null });
});

Deno.test("routeDatabase uses the separator that the configuration names", async () => {
  const config = await configOf('routing: { separator: "::" }\n');
  deepEqual(routeDatabase(config, "a::b::main"), { cluster: "main", database: "a::b", alias: null });
  throws(() => routeDatabase(config, "app@main"), { code: "unknown_database" });
});

Deno.test("routeDatabase refuses with 3D000, what names there are, and how to write one", async () => {
  const config = await configOf("routing: { databases: { shop: { cluster: main, database: s } } }\n");
  const refuse = (name: string, message: string) =>
    throws(() => routeDatabase(config, name), (error) => {
      const { code, sqlstate, extra } = error as PgplexError;
      deepEqual([code, sqlstate, (error as PgplexError).message], ["unknown_database", "3D000", message]);
      equal(extra.detail, "Clusters: main, other. Databases with a name of their own: shop.");
      equal(
        extra.hint,
        'Name a database as DATABASE@CLUSTER, for example "postgres@main". For tools that connect by plain names, ' +
          'PGOPTIONS="-c pgplex.cluster=main" says which cluster those mean.',
      );
      return true;
    });
  refuse("app@nowhere", 'cluster "nowhere" does not exist');
  refuse("app@", 'cluster "" does not exist');
  refuse("@main", 'database name is missing before "@main"');
  refuse("app", 'database "app" does not exist');
});

Deno.test("routeDatabase never says an address of a node", async () => {
  const config = await configOf("routing: { default_cluster: main }\n");
  fc.assert(fc.property(fc.string(), (name) => {
    try {
      const { cluster } = routeDatabase(config, name);
      equal(config.clusters.has(cluster), true);
    } catch (error) {
      if (!(error instanceof PgplexError)) throw error;
      equal(/db1|db2|5432/.test(`${error.extra.detail}${error.extra.hint}`), false);
    }
  }));
});

Deno.test("routeDatabase leads names without an alias where * leads, but for those with a cluster", async () => {
  const config = await configOf(
    "routing: { databases: { '*': { cluster: other }, app: { cluster: main } } }\n",
  );
  deepEqual(routeDatabase(config, "any"), { cluster: "other", database: "any", alias: "any" });
  deepEqual(routeDatabase(config, "*"), { cluster: "other", database: "*", alias: "*" });
  deepEqual(routeDatabase(config, "app"), { cluster: "main", database: "app", alias: "app" });
  deepEqual(routeDatabase(config, "any@main"), { cluster: "main", database: "any", alias: null });
  throws(() => routeDatabase(config, "any@nowhere"), { code: "unknown_database" });
});

const REPORTS = `routing:
  default_cluster: main
  databases:
    reports: { cluster: main, database: app }
    app: { cluster: other, pool_mode: session }
`;

Deno.test("spelledOut names the cluster that plain names mean for a client, and leaves names with one alone", async () => {
  const config = await configOf(REPORTS);
  equal(spelledOut(config, "sales", "other"), "sales@other");
  equal(spelledOut(config, "sales", null), "sales");
  for (const name of ["sales@main", "sales%40main"]) equal(spelledOut(config, name, "other"), name);
  throws(() => routeDatabase(config, spelledOut(config, "sales", "sup")), {
    message: 'cluster "sup" does not exist',
  });
});

Deno.test("spelledOut lets an alias lead nowhere but to that cluster's database of that name", async () => {
  const config = await configOf(REPORTS);
  // "app" of cluster main must not be what CREATE DATABASE reports has just made there.
  equal(spelledOut(config, "reports", "main"), "reports@main");
  equal(spelledOut(config, "app", "main"), "app@main");
  // The same place: the alias's pool settings hold.
  equal(spelledOut(config, "app", "other"), "app");
  const all = await configOf("routing: { databases: { '*': { cluster: other } } }\n");
  equal(spelledOut(all, "any", "other"), "any");
  equal(spelledOut(all, "any", "main"), "any@main");
});

Deno.test("routeDatabase names pgplex.cluster where a plain name leads nowhere", async () => {
  const config = await configOf();
  throws(() => routeDatabase(config, "app"), (error: PgplexError) => {
    equal(error.code, "unknown_database");
    return /PGOPTIONS="-c pgplex.cluster=main"/.test(error.extra.hint ?? "");
  });
});

Deno.test("clusterMeant follows the option, then the server name of TLS in any case, then nothing", async () => {
  const config = await configOf();
  const clusters = new Map(config.clusters);
  clusters.set("other", { ...clusters.get("other")!, server_names: ["Other.example.com"] });
  const named = { ...config, clusters };
  equal(clusterMeant(named, { option: "main", serverName: "other.example.com" }), "main");
  equal(clusterMeant(named, { option: "", serverName: "OTHER.example.com" }), "other");
  equal(clusterMeant(named, { option: null, serverName: "example.com" }), null);
  equal(clusterMeant(named, { option: null, serverName: null }), null);
});
