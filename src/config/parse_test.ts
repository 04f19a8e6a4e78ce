import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { parseConfig, type ParsedConfig } from "./parse.ts";
import { formatProblem, type Problem } from "./problem.ts";

const MAIN = "clusters: { main: { nodes: [{ name: a, host: db1 }] } }\n";

function good(text: string): ParsedConfig {
  const parsed = parseConfig(text, { file: "f.yaml" });
  ok(!("problems" in parsed), "problems" in parsed ? parsed.problems.map(formatProblem).join("\n") : "");
  return parsed;
}

function bad(text: string): readonly Problem[] {
  const parsed = parseConfig(text, { file: "f.yaml" });
  ok("problems" in parsed, `${text} was accepted`);
  return parsed.problems;
}

/** Exactly one problem, at this path, whose text matches. */
function refuses(text: string, path: string, message: RegExp): void {
  const problems = bad(text);
  const shown = problems.map(formatProblem).join("\n");
  equal(problems.length, 1, `${text}\n${shown}`);
  equal(problems[0]!.path, path, shown);
  ok(message.test(problems[0]!.message), shown);
}

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

Deno.test("parseConfig resolves YAML anchors", () => {
  const text = "clusters: { a: { nodes: &n [{ name: x, host: y }] }, b: { nodes: *n } }";
  equal(good(text).config.clusters.get("b")!.nodes[0]!.host, "y");
});

Deno.test("parseConfig finds no user that nobody configured", () => {
  equal(good(MAIN).config.auth.users.get("constructor"), undefined);
});

Deno.test("parseConfig reports all problems at once, in the order of the file", () => {
  const problems = bad([
    "listen:",
    "  prt: 1",
    "  max_client_conn: 0",
    "pool:",
    "  pool_mode: sesion",
    "  query_timeout: 60",
    "clusters:",
    "  main: { nodes: [{ name: a }] }",
  ].join("\n"));
  deepEqual(problems.map(formatProblem), [
    "f.yaml:2:3: Cannot use prt in listen as no such key is known: did you mean port?",
    "f.yaml:3:20: Cannot use listen.max_client_conn as it must be a whole number from 1 to 1000000: received 0",
    'f.yaml:5:14: Cannot use pool.pool_mode as it must be one of session, transaction: received "sesion"; ' +
    "did you mean session?",
    "f.yaml:6:18: Cannot use pool.query_timeout as it must be a duration with its unit, such as 250ms, 5s, 2m, 1h, " +
    "at most 24d: received 60",
    "f.yaml:8:19: Cannot use clusters.main.nodes[0].host as it must be text: received no such key",
  ]);
});

Deno.test("parseConfig says where a key belongs that stands in the wrong place", () => {
  refuses(MAIN + "default_pool_size: 3", "default_pool_size", /it belongs at pool\.default_pool_size/);
  refuses(MAIN + "log: { zzz: 3 }", "log.zzz", /expected level, format, stats_period/);
});

Deno.test("parseConfig refuses wrong types", () => {
  refuses(MAIN + "listen: { port: 6432.5 }", "listen.port", /whole number.*received 6432\.5/);
  refuses(MAIN + "listen: { port: '6432' }", "listen.port", /received "6432"/);
  refuses(MAIN + "listen: 3", "listen", /mapping of keys to values/);
  refuses(MAIN + "listen: { address: [1] }", "listen.address", /list of texts: received a list/);
  refuses(MAIN + "listen: { unix_socket_dir: run }", "listen.unix_socket_dir", /begins with "\/"/);
  refuses(MAIN + "auth: { query: select 1 }", "auth.query", /SQL in which \$1/);
  refuses(MAIN + "auth: { users: [a] }", "auth.users", /mapping of names/);
  refuses(MAIN + "pool: { server_connect_timeout: 0 }", "pool.server_connect_timeout", /1ms or more/);
  refuses("[1]", "", /the file.*received a list/);
  refuses("clusters: { main: { nodes: 3 } }", "clusters.main.nodes", /a list: received a number|received 3/);
  refuses("clusters: { 'a b': { nodes: [{ name: a, host: b }] } }", 'clusters."a b"', /letters, digits/);
});

Deno.test("parseConfig refuses YAML that cannot be read, with the place", () => {
  const cases: [string, number, RegExp][] = [
    ["a: 'x", 1, /quote/],
    ["listen:\n\tport: 1", 2, /tab/],
    [MAIN + "---\na: 1", 2, /second document/],
    ["listen: { port: 1", 1, /bracket|missing|indent/],
    ["auth: { users: { a: @x } }", 1, /@ or ` must be in quotes/],
  ];
  for (const [text, line, message] of cases) {
    const problems = bad(text);
    ok(problems.some((problem) => message.test(problem.message)), problems.map(formatProblem).join("\n"));
    equal(problems[0]!.line, line);
  }
  equal(bad("x".repeat(2_000_000))[0]!.line, 0);
});

Deno.test("parseConfig refuses a key that stands twice, and goes on reading", () => {
  const problems = bad(MAIN + "listen:\n  port: 1\n  port: 2\n  prt: 3\nauth: { users: { 1: a, '1': b } }");
  deepEqual(problems.map(({ line, column }) => [line, column]), [[4, 3], [5, 3], [6, 24]]);
});

Deno.test("parseConfig refuses a file without clusters or nodes", () => {
  refuses("", "clusters", /at least 1 entry/);
  refuses("clusters: {}", "clusters", /at least 1 entry/);
  refuses("clusters: { main: }", "clusters.main.nodes", /at least 1 entry/);
  refuses("clusters: { main: { nodes: [] } }", "clusters.main.nodes", /at least 1 entry/);
});

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
    [`${node}, pool: { min_pool_size: 30 }`, "clusters.main.pool.min_pool_size", /default_pool_size 20/],
    [
      `${node}, superuser: { password: a, password_file: b }`,
      "clusters.main.superuser.password_file",
      /stand alone/,
    ],
  ];
  for (const [text, path, message] of cases) refuses(cluster(text), path, message);
  refuses(
    `${cluster(`${node}, superuser: null`)}\nauth: { query: true }`,
    "auth.query",
    /no cluster has a superuser/,
  );
});

Deno.test("parseConfig reports no clash with a value that is refused itself", () => {
  refuses(
    MAIN + "pool: { min_pool_size: 30, default_pool_size: many }",
    "pool.default_pool_size",
    /whole number/,
  );
  refuses("clusters: 3\nrouting: { default_cluster: main }", "clusters", /mapping of names/);
});

Deno.test("parseConfig never shows a secret, however it is miswritten", () => {
  const users = [
    "users: { a: 'hunter2, b: c }",
    "users: { a: {hunter2} }",
    "users: { a hunter2 }",
    "users: { a: [hunter2] }",
    "users: { a: *hunter2 }",
    "users: { a: &hunter2 }",
    "users: { a: !hunter2 }",
    'users: { a: "\\hunter2" }',
    "users: { a: { pasword: hunter2 } }",
    "users: { a: { password hunter2 } }",
    "users: { a: { password: { x: hunter2 } } }",
    "users: { a: { hunter2: } }",
    "users: { a: { password_env: [hunter2] } }",
    "users: { a: { password: hunter2, password_env: hunter2 } }",
    "users: hunter2",
    "users:\n  a hunter2\n",
    "users:\n  a: x\n  a hunter2: |2x",
    "users:\n  a: #hunter2\n",
    "users:\n  a: |hunter2\n",
    "users:\n  a: >-\n    \u0000hunter2\n",
    "users:\n  ? hunter2\n",
    'users:\n  a: "x" hunter2\n',
    "users:\n  a: 1hunter2: 3\n",
    "users:\n  a: {x: %hunter2\n",
  ];
  const superusers = ["{ password hunter2 }", "{ passwrd: hunter2 }", "[hunter2]", "hunter2", "{ hunter2 }"];
  const texts = [
    ...users.map((text) => MAIN + "auth:\n  " + text.replaceAll("\n", "\n  ")),
    ...superusers.map((text) =>
      `clusters:\n  main:\n    nodes: [{ name: a, host: b }]\n    superuser: ${text}`
    ),
    "%hunter2 x\n---\n" + MAIN,
  ];
  for (const text of texts) {
    for (const problem of bad(text)) {
      ok(!JSON.stringify(problem).includes("hunter2"), `${text}\n${formatProblem(problem)}`);
    }
  }
});

Deno.test("parseConfig answers any cut of a file without throwing", () => {
  const text = MAIN +
    "auth: { users: { a: 'x', b: { password_env: Y } } }\nlisten:\n  - a\n  &x b: *x\n? c\n: |\n  d";
  for (let length = 0; length <= text.length; length++) {
    const parsed = parseConfig(text.slice(0, length), { file: "f" });
    ok("config" in parsed || parsed.problems.length > 0);
  }
});
