import { ok } from "node:assert/strict";
import { parseConfig } from "./parse.ts";
import { MAIN, refuses } from "./parsed_test.ts";

Deno.test("parseConfig refuses values that are impossible together", () => {
  const cases: [string, string, RegExp][] = [
    ["routing: { default_cluster: mian }", "routing.default_cluster", /"mian"; did you mean main\?/],
    [
      "routing: { databases: { a: { cluster: other } } }",
      "routing.databases.a.cluster",
      /one of clusters: main/,
    ],
    [
      "routing: { databases: { a@b: { cluster: main } } }",
      'routing.databases."a@b"',
      /separator "@"/,
    ],
    [
      "routing: { databases: { pgplex: { cluster: main } } }",
      "routing.databases.pgplex",
      /console's database/,
    ],
    ["routing: { separator: '' }", "routing.separator", /received ""/],
    ["routing: { separator: ai }", "clusters.main", /separator "ai"/],
    ["console: { aliases: [main] }", "clusters.main", /console's database and aliases/],
    ["console: { database: a@b }", "console.database", /separator "@"/],
    ["pool: { min_pool_size: 21 }", "pool.min_pool_size", /at most default_pool_size 20: received 21/],
    ["pool: { default_pool_size: 0 }", "pool.default_pool_size", /from 1/],
    ["pool: { reserve_pool_size: 1, reserve_pool_timeout: 0 }", "pool.reserve_pool_size", /be 0 while/],
    ["pool: { min_pool_size: 5, max_db_connections: 4 }", "pool.min_pool_size", /max_db_connections 4/],
    ["auth: { type: cert }", "auth.type", /client_ca_file/],
    ["auth: { users: { a: null } }", "auth.users.a", /have a password/],
    ["auth: { users: { a: { password: x, password_env: Y } } }", "auth.users.a.password_env", /stand alone/],
    ["auth: { users: { a: md5d41d8cd98f00b204e9800998ecf8427e } }", "auth.users.a", /md5 secret/],
    ["listen: { tls: { mode: allow, cert_file: c } }", "listen.tls.key_file", /no such key/],
    ["listen: { address: [] }", "listen.address", /unix_socket_dir is null/],
    ["listen: { address: '*' }", "listen.address", /0\.0\.0\.0/],
    ...["127.0.0.1:6432", "a b", "0.0.0.0/0", "[::1]", "a:1", "::g"].map((
      address,
    ): [string, string, RegExp] => [
      `listen: { address: ['127.0.0.1', '${address}'] }`,
      "listen.address",
      /without port or mask/,
    ]),
    ["listen: { address: ['::', db-1, '::'] }", "listen.address", /once: received "::" twice/],
    [
      `listen: { port: 6432, unix_socket_dir: /${"d".repeat(93)} }`,
      "listen.unix_socket_dir",
      /107 bytes: .*108/,
    ],
    ["log: { level: warn }", "log.level", /one of/],
  ];
  for (const [text, path, message] of cases) refuses(MAIN + text, path, message);
});

Deno.test("parseConfig refuses impossible values inside a cluster", () => {
  const cluster = (text: string) => `clusters: { main: { ${text} } }`;
  const node = "nodes: [{ name: a, host: x }]";
  const cases: [string, string, RegExp][] = [
    [
      "nodes: [{ name: a, host: x }, { name: a, host: y }]",
      "clusters.main.nodes[1].name",
      /differ from that of nodes\[0\]/,
    ],
    [
      "nodes: [{ name: a, host: x }, { name: b, host: x }]",
      "clusters.main.nodes[1].host",
      /the same host and port/,
    ],
    [`${node}, tls: { cert_file: c }`, "clusters.main.tls.cert_file", /go with key_file/],
    [
      `${node}, pool: { min_pool_size: 30, default_pool_size: 20 }`,
      "clusters.main.pool.min_pool_size",
      /default_pool_size 20/,
    ],
    [
      `${node}, superuser: { password: a, password_file: b }`,
      "clusters.main.superuser.password_file",
      /stand alone/,
    ],
  ];
  cases.push(
    [
      `${node}, failover: auto, superuser: {}`,
      "clusters.main.failover",
      /while neither state_file nor coordination is given/,
    ],
    [`${node}, failover: manual, superuser: null`, "clusters.main.failover", /while superuser is null/],
  );
  for (const [text, path, message] of cases) refuses(cluster(text), path, message);
  refuses(
    `${cluster(`${node}, superuser: null`)}\nauth: { query: true }`,
    "auth.query",
    /no cluster has a superuser/,
  );
});

Deno.test("parseConfig takes a limit of one place below a minimum of another", () => {
  const pools =
    "pool: { min_pool_size: 10 }\nrouting: { databases: { a: { cluster: main, default_pool_size: 2 } } }";
  const parsed = parseConfig(`${MAIN}${pools}`, { file: "f" });
  ok("config" in parsed);
});

Deno.test("parseConfig reports no clash with a value that is refused itself", () => {
  refuses(
    MAIN + "pool: { min_pool_size: 30, default_pool_size: many }",
    "pool.default_pool_size",
    /whole number/,
  );
  refuses("clusters: 3\nrouting: { default_cluster: main }", "clusters", /mapping of names/);
});

Deno.test("parseConfig refuses server names that are none, are shared, or that no TLS will ever bring", () => {
  const tls = "listen: { tls: { cert_file: c, key_file: k } }\n";
  const clusters = (a: string, b: string) =>
    `clusters:\n  a: { nodes: [{ name: a, host: x }], server_names: [${a}] }\n` +
    `  b: { nodes: [{ name: b, host: y }], server_names: [${b}] }\n`;
  refuses(clusters("a.example.com", ""), "clusters.a.server_names", /listen\.tls is null/);
  refuses(tls + clusters("x.org", "X.org"), "clusters.b.server_names", /not hold a name of clusters\.a/);
  for (const name of ["'*.x.org'", "'x.org:5432'", "'x.org.'"]) {
    refuses(tls + clusters(name, ""), "clusters.a.server_names", /host names, without port or wildcard/);
  }
});
