import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { parseConfig } from "./parse.ts";
import { good, MAIN } from "./parsed_test.ts";

Deno.test("parseConfig fills in the default of every key that is not given", () => {
  const { config, positions } = good(MAIN);
  equal(config.listen.port, 6432);
  deepEqual(config.listen.address, ["127.0.0.1"]);
  equal(config.shutdown_timeout, 60_000);
  equal(config.pool.server_idle_timeout, 600_000);
  equal(config.log.stats_period, 60_000);
  equal(config.instance.id, 1);
  const { superuser, tls, pool } = config.clusters.get("main")!;
  equal(superuser?.user, "postgres");
  equal(superuser?.password, null);
  equal(tls.mode, "prefer");
  deepEqual(pool, {});
  deepEqual(positions.get("clusters.main.nodes[0].host"), { line: 1, column: 46 });
  ok(!positions.has("listen.port"));
});

Deno.test("parseConfig takes both forms of addresses, users and empty groups", () => {
  const { config } = good(
    MAIN + [
      "listen: { address: [::1, 127.0.0.1], unix_socket_dir: /run }",
      "auth:",
      "  type: md5",
      "  users:",
      "    alice: secret",
      "    bob: { password_file: bob.txt }",
      "    12: { password: x }",
      "pool:",
      "  # nothing is set here",
    ].join("\n"),
  );
  deepEqual(config.listen.address, ["::1", "127.0.0.1"]);
  const every = ["::", "::ffff:10.0.0.1", "fe80::1%eth0", "db-1.example_x.net", "0.0.0.0", "zoë.example"];
  deepEqual(good(`${MAIN}listen: { address: ${JSON.stringify(every)} }`).config.listen.address, every);
  equal(config.auth.users.get("alice")?.password?.reveal(), "secret");
  equal(config.auth.users.get("bob")?.password_file, "bob.txt");
  equal(config.auth.users.get("12")?.password?.reveal(), "x");
  equal(config.pool.default_pool_size, 20);
});

Deno.test("parseConfig takes pool keys at clusters and aliases, and keeps only those that are given", () => {
  const { config } = good([
    "clusters: { main: { nodes: [{ name: a, host: /run/pg }], pool: { query_timeout: 5s }, superuser: null } }",
    "routing: { databases: { app: { cluster: main, pool_mode: session }, b: { cluster: main, database: c } } }",
  ].join("\n"));
  deepEqual(config.clusters.get("main")!.pool, { query_timeout: 5_000 });
  equal(config.clusters.get("main")!.superuser, null);
  deepEqual(config.routing.databases.get("app"), { cluster: "main", database: "app", pool_mode: "session" });
  deepEqual(config.routing.databases.get("b"), { cluster: "main", database: "c" });
});

Deno.test("parseConfig finds no user that nobody configured", () => {
  equal(good(MAIN).config.auth.users.get("constructor"), undefined);
});

Deno.test("parseConfig answers any cut of a file without throwing", () => {
  const text = MAIN +
    "auth: { users: { a: 'x', b: { password_env: Y } } }\nlisten:\n  - a\n  &x b: *x\n? c\n: |\n  d";
  for (let length = 0; length <= text.length; length++) {
    const parsed = parseConfig(text.slice(0, length), { file: "f" });
    ok("config" in parsed || parsed.problems.length > 0);
  }
});
