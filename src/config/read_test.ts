import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { bad, MAIN, refuses } from "./parsed_test.ts";
import { formatProblem } from "./problem.ts";

Deno.test("parseConfig reports all problems at once, in the order of the file", () => {
  const problems = bad([
    "listen:",
    "  prt: 1",
    "  max_client_conn: 0",
    "pool:",
    "  pool_mode: sesion",
    "  query_timeout: 60sec",
    "clusters:",
    "  main: { nodes: [{ name: a }] }",
  ].join("\n"));
  deepEqual(problems.map(formatProblem), [
    "f.yaml:2:3: Cannot use prt in listen as no such key is known: did you mean port?",
    "f.yaml:3:20: Cannot use listen.max_client_conn as it must be a whole number from 1 to 1000000: received 0",
    'f.yaml:5:14: Cannot use pool.pool_mode as it must be one of session, transaction, statement: received "sesion"; ' +
    "did you mean session?",
    "f.yaml:6:18: Cannot use pool.query_timeout as it must be a duration with its unit, such as 250ms, 5s, 2m, 1h, " +
    'at most 24d: received "60sec"',
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

Deno.test("parseConfig refuses a file without clusters or nodes", () => {
  refuses("", "clusters", /at least 1 entry/);
  refuses("clusters: {}", "clusters", /at least 1 entry/);
  refuses("clusters: { main: }", "clusters.main.nodes", /at least 1 entry/);
  refuses("clusters: { main: { nodes: [] } }", "clusters.main.nodes", /at least 1 entry/);
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
