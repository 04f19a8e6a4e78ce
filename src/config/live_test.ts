import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { LiveConfig } from "./live.ts";
import { Secret } from "./secret.ts";
import { parseConfig, type ParsedConfig } from "./parse.ts";

const CLUSTERS =
  "clusters: { main: { nodes: [{ name: a, host: h }] }, other: { nodes: [{ name: b, host: i }] } }\n";

function parsed(text = ""): ParsedConfig {
  const result = parseConfig(CLUSTERS + text, { file: "pgplex.yaml" });
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return result;
}

const SIZE = ["pool", "default_pool_size"];

Deno.test("LiveConfig lays a SET over the file, and says where each value comes from", () => {
  const live = new LiveConfig(parsed("pool: { min_pool_size: 1 }\n"));
  equal(live.sourceOf(SIZE), "default");
  equal(live.sourceOf(["pool", "min_pool_size"]), "file");
  equal(live.sourceOf(["clusters", "main", "pool", "pool_mode"]), "inherited");
  deepEqual(live.set(SIZE, 40).live, ["pool.default_pool_size"]);
  equal(live.config.pool.default_pool_size, 40);
  equal(live.sourceOf(SIZE), "SET");
  deepEqual(live.laid, ["pool.default_pool_size"]);
});

Deno.test("LiveConfig takes a secret for the file's, in short form and from where the file points", () => {
  const live = new LiveConfig(parsed("auth: { users: { alice: a-secret } }\n"));
  equal(live.sourceOf(["auth", "users", "alice", "password"]), "file");
  equal(live.sourceOf(["auth", "users", "alice", "password_file"]), "default");
});

Deno.test("LiveConfig keeps SETs over a reload until they are reset, then the file's value holds", () => {
  const live = new LiveConfig(parsed());
  live.set(SIZE, 40);
  live.set(["clusters", "main", "pool", "default_pool_size"], 50);
  live.reload(parsed("pool: { default_pool_size: 7, query_timeout: 1s }\n"));
  deepEqual([live.config.pool.default_pool_size, live.config.pool.query_timeout], [40, 1000]);
  const { paths, effective } = live.reset(["pool"]);
  deepEqual([paths, effective.pool.default_pool_size], [["pool.default_pool_size"], 7]);
  equal(live.config.clusters.get("main")!.pool.default_pool_size, 50);
  deepEqual(live.reset([]).paths, ["clusters.main.pool.default_pool_size"]);
  deepEqual(live.config.clusters.get("main")!.pool, {});
  deepEqual(live.reset([]).paths, []);
});

Deno.test("LiveConfig refuses what needs a restart and what does not go together, and changes nothing then", () => {
  const live = new LiveConfig(parsed());
  throws(() => live.set(["listen", "port"], 1), { code: "cant_change_now", sqlstate: "55P02" });
  throws(() => live.set(["pool", "min_pool_size"], 21), {
    code: "invalid_parameter_value",
    message: /at most default_pool_size 20/,
  });
  throws(() => live.set(["routing", "default_cluster"], "none"), { code: "invalid_parameter_value" });
  equal(live.config.pool.min_pool_size, 0);
  deepEqual(live.laid, []);
  live.set(SIZE, 30);
  live.set(["pool", "min_pool_size"], 21);
  throws(() => live.reset(SIZE), { code: "invalid_parameter_value" });
  equal(live.config.pool.default_pool_size, 30);
});

Deno.test("LiveConfig refuses a file that does not go with a SET, and forgets SETs of what the file lost", () => {
  const live = new LiveConfig(parsed());
  live.set(["pool", "min_pool_size"], 5);
  live.set(["clusters", "other", "pool", "pool_mode"], "session");
  throws(() => live.reload(parsed("pool: { default_pool_size: 4 }\n")), { code: "config_invalid" });
  equal(live.config.pool.default_pool_size, 20);
  const next = parseConfig("clusters: { main: { nodes: [{ name: a, host: h }] } }", {
    file: "f",
  }) as ParsedConfig;
  deepEqual(live.reload(next).dropped, ["clusters.other.pool.pool_mode"]);
  deepEqual(live.laid, ["pool.min_pool_size"]);
});

Deno.test("LiveConfig leaves what needs a restart as it is and shows what waits", () => {
  const live = new LiveConfig(parsed());
  deepEqual(live.reload(parsed("listen: { port: 7000 }\n")).restart, ["listen.port"]);
  equal(live.config.listen.port, 6432);
  equal(live.pendingAt(["listen", "port"]), "7000");
  equal(live.pendingAt(["instance", "id"]), null);
  live.set(SIZE, 9);
  equal(live.config.listen.port, 6432);
  live.reload(parsed());
  equal(live.pendingAt(["listen", "port"]), null);
});

Deno.test("LiveConfig takes a password that loading filled in beside its source for no clash", () => {
  const file = parsed("auth: { users: { bob: { password_env: X } } }\n");
  const bob = { ...file.config.auth.users.get("bob")!, password: new Secret("from the environment") };
  const auth = { ...file.config.auth, users: new Map([["bob", bob]]) };
  const live = new LiveConfig({ ...file, config: { ...file.config, auth } });
  live.set(SIZE, 9);
  equal(live.config.pool.default_pool_size, 9);
});

Deno.test("LiveConfig keeps the SET of a node with the node, wherever it stands in another file", () => {
  const file = (nodes: string) => {
    const result = parseConfig(`clusters: { main: { nodes: [${nodes}] } }`, { file: "pgplex.yaml" });
    if ("problems" in result) throw new Error(JSON.stringify(result.problems));
    return result;
  };
  const [a, b] = ["{ name: a, host: h }", "{ name: b, host: i }"];
  const live = new LiveConfig(file(`${a}, ${b}`));
  live.set(["clusters", "main", "nodes", 1, "reads"], false);
  const shown = () => live.config.clusters.get("main")!.nodes.map(({ name, reads }) => `${name} ${reads}`);
  deepEqual(shown(), ["a true", "b false"]);
  deepEqual(live.reload(file(`{ name: c, host: j }, ${b}, ${a}`)).dropped, []);
  deepEqual(shown(), ["c true", "b false", "a true"]);
  live.reload(file(`${b}, ${a}`));
  deepEqual([shown(), live.laid], [["b false", "a true"], ["clusters.main.nodes[0].reads"]]);
  deepEqual(live.reload(file(a)).dropped, ["clusters.main.nodes[0].reads"]);
  deepEqual(shown(), ["a true"]);
});
