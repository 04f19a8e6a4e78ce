import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { LiveConfig, parseConfig } from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { columns } from "../answer/mod.ts";
import { lexStatements } from "../command/mod.ts";
import { configNode } from "./config_node.ts";
import { branch, merged, observed } from "./node.ts";
import { walk } from "./path.ts";
import { formatPlace } from "./place.ts";
import { settingsNamed } from "./settings_path.ts";
import { showPlace } from "./show.ts";
import { tableNode } from "./table_node.ts";

const TEXT = `
auth: { users: { alice: a-secret, "odd.name": { password_env: X } } }
routing: { databases: { reports: { cluster: main, pool_mode: session } } }
clusters:
  main: { nodes: [{ name: main-1, host: h }, { name: main-2, host: i }], pool: { default_pool_size: 7 } }
`;

function live(): LiveConfig {
  const parsed = parseConfig(TEXT, { file: "pgplex.yaml" });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return new LiveConfig(parsed);
}

/** What SHOW answers at a path of the configuration: name, value, source, changeable. */
async function shown(path: string, config = live()): Promise<unknown[][]> {
  const [statement] = lexStatements(path);
  const [token] = statement!.tokens;
  if (token?.kind !== "name") throw new Error("a path is a name");
  const found = await walk(configNode(config, [])!, token.parts);
  return showPlace(found).rows.map((row) => row.slice(0, 4));
}

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
  equal((await shown("clusters.main.nodes")).length, 6);
});

Deno.test("walk says what there is where a path leads nowhere, nearest names first", async () => {
  const refused = async (path: string, message: string, detail: string, hint?: string) => {
    await rejects(shown(path), (thrown) => {
      if (!(thrown instanceof PgplexError)) return false;
      deepEqual([thrown.sqlstate, thrown.message, thrown.extra.detail], ["42704", message, detail]);
      equal(thrown.extra.hint, hint);
      return true;
    });
  };
  await refused(
    "clusters.mian",
    '"clusters.mian" does not exist',
    "clusters has: main.",
    'Did you mean "main"?',
  );
  await refused(
    "log.levle",
    '"log.levle" does not exist',
    "log has: level, format, stats_period.",
    'Did you mean "level"?',
  );
  await refused("log.level.x", '"log.level.x" does not exist', "log.level has nothing below it.");
  await refused(
    'clusters."MAIN"',
    '"clusters.MAIN" does not exist',
    "clusters has: main.",
    'Did you mean "main"?',
  );
  await refused("listen.tls.mode", '"listen.tls.mode" does not exist', "listen.tls has nothing below it.");
  await refused(
    "clusters.main.nodes[2]",
    '"clusters.main.nodes.2" does not exist',
    "clusters.main.nodes has: main-2, main-1.",
  );
  await refused(
    "auth.users.Odd.Name.password",
    '"auth.users.Odd" does not exist',
    'auth.users has: "odd.name", alice.',
    'Did you mean "odd.name"?',
  );
});

Deno.test("walk takes a name in any case where one alone is meant, and refuses one that may be several", async () => {
  const root = branch(new Map([["Shop", observed(1)], ["shop", observed(2)], ["Other", observed(3)]]));
  const at = async (text: string) => (await walk(root, [{ text, quoted: false }])).path;
  deepEqual([await at("Shop"), await at("shop"), await at("OTHER")], [["Shop"], ["shop"], ["Other"]]);
  await rejects(at("SHOP"), (thrown) => {
    if (!(thrown instanceof PgplexError)) return false;
    deepEqual([thrown.sqlstate, thrown.message, thrown.extra.detail], [
      "42704",
      '"SHOP" is ambiguous',
      "It may be Shop or shop.",
    ]);
    return true;
  });
});

Deno.test("formatPlace writes a path that the lexer reads back", () => {
  const unit = fc.oneof(
    fc.constantFrom("a", "-", '"', ".", "1"),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
  );
  fc.assert(fc.property(fc.array(fc.string({ unit, minLength: 1 }), { minLength: 1 }), (path) => {
    const [statement] = lexStatements(formatPlace(path));
    const [token] = statement!.tokens;
    deepEqual(token?.kind === "name" && token.parts.map(({ text }) => text), path);
  }));
});

Deno.test("tableNode answers its table, a row by its keys, and a cell", async () => {
  const table = {
    columns: columns("database text, user text, n int4"),
    rows: [["a", "x", 1], ["a", "y", 2], ["b", "x", 3]],
  };
  const root = branch(new Map([["pools", tableNode(table, ["database", "user"])]]));
  const at = async (...path: string[]) =>
    showPlace(await walk(root, path.map((text) => ({ text, quoted: false })))).rows;
  deepEqual(await at("pools"), table.rows);
  deepEqual(await at("pools", "a"), [["a", "x", 1], ["a", "y", 2]]);
  deepEqual((await at("pools", "a", "y", "n"))[0]!.slice(0, 3), ["pools.a.y.n", "2", "state"]);
  equal((await at("pools", "b", "x")).length, 3);
  const pairs = { columns: columns("key text, value text"), rows: [["paused", "no"]] };
  const found = await walk(branch(new Map([["state", tableNode(pairs, ["key"])]])), [
    { text: "state", quoted: false },
    { text: "paused", quoted: false },
  ]);
  deepEqual(showPlace(found).rows.map((row) => row.slice(0, 2)), [["state.paused", "no"]]);
});

Deno.test("merged shows both views of an object, the first where both have a name", () => {
  const one = branch(new Map([["a", observed(1)], ["b", observed(2)]]));
  const two = branch(new Map([["b", observed(3)], ["c", observed(4)]]));
  const both = merged(one, undefined, two)!;
  deepEqual([...both.names()].map((name) => both.child(name)!.leaf!.value), [1, 2, 4]);
  equal(merged(undefined), undefined);
});

Deno.test("settingsNamed finds a setting by its last name, pool keys first, and by its path with underscores", () => {
  deepEqual(settingsNamed("default_pool_size"), [["pool", "default_pool_size"]]);
  deepEqual(settingsNamed("MAX_client_conn"), [["listen", "max_client_conn"]]);
  deepEqual(settingsNamed("log_level"), [["log", "level"]]);
  deepEqual(settingsNamed("auth_type"), [["auth", "type"]]);
  deepEqual(settingsNamed("mode"), []); // listen.tls.mode is there only while TLS is configured
  deepEqual(settingsNamed("nonsense"), []);
});
