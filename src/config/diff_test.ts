import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { diffConfig, listPaths } from "./diff.ts";
import { loadConfig } from "./load.ts";
import type { Config } from "./schema.ts";

const MAIN = "clusters: { main: { nodes: [{ name: a, host: db1 }, { name: b, host: db2 }] } }\n";

async function load(yaml: string, files: Record<string, string> = {}): Promise<Config> {
  const loaded = await loadConfig("f", {
    readBytes: (path) => new TextEncoder().encode(path === "f" ? yaml : files[path]!),
    env: () => undefined,
    certificatesProblem: () => null,
    keyPairProblem: () => null,
  });
  ok("config" in loaded, JSON.stringify(loaded));
  return loaded.config;
}

async function diff(before: string, after: string) {
  const { live, restart } = diffConfig(await load(before), await load(after));
  return { live, restart };
}

Deno.test("diffConfig finds nothing between equal configurations", async () => {
  deepEqual(await diff(MAIN, MAIN + "pool: { query_wait_timeout: 2m }"), { live: [], restart: [] });
});

Deno.test("diffConfig tells what changes now from what needs a restart, and keeps the old values of the latter", async () => {
  const old = await load(MAIN + "listen: { port: 1 }\nlog: { level: info, format: text }");
  const next = await load(
    MAIN + "listen: { port: 2, max_client_conn: 5 }\nlog: { level: debug, format: json }",
  );
  const { live, restart, effective } = diffConfig(old, next);
  deepEqual(live, ["listen.max_client_conn", "log.level"]);
  deepEqual(restart, ["listen.port", "log.format"]);
  equal(effective.listen.port, 1);
  equal(effective.listen.max_client_conn, 5);
  deepEqual(effective.log, { ...next.log, format: "text" });
  equal(next.listen.port, 2);
});

Deno.test("diffConfig names every key that needs a restart", async () => {
  const after = "listen: { address: [::1], port: 2, unix_socket_dir: /run }\ninstance: { id: 2 }\n" +
    "console: { database: x }\nlog: { format: json }";
  deepEqual(await diff(MAIN, MAIN + after), {
    live: [],
    restart: [
      "instance.id",
      "listen.address",
      "listen.port",
      "listen.unix_socket_dir",
      "console.database",
      "log.format",
    ],
  });
});

Deno.test("diffConfig names what was added or removed as a whole", async () => {
  const before = MAIN + "auth: { users: { alice: a, bob: b } }\nlisten: { tls: null }\npool: {}";
  const after =
    "clusters: { main: { nodes: [{ name: a, host: db1 }, { name: b, host: db2 }], pool: { query_timeout: 1s } }" +
    ", new: { nodes: [{ name: c, host: db3 }], superuser: null } }\nauth: { users: { alice: a2, carl: c } }";
  deepEqual(await diff(before, after), {
    live: [
      "auth.users.alice.password",
      "auth.users.carl",
      "clusters.main.pool.query_timeout",
      "clusters.new",
      "auth.users.bob",
    ],
    restart: [],
  });
});

Deno.test("diffConfig names a changed node, and the list when nodes come, go or change places", async () => {
  const nodes = (text: string) => `clusters: { main: { nodes: [${text}] } }`;
  const first = "{ name: a, host: db1 }";
  deepEqual((await diff(nodes(first), nodes("{ name: a, host: db9 }"))).live, [
    "clusters.main.nodes[0].host",
  ]);
  deepEqual((await diff(nodes(first), nodes(`{ name: z, host: db9 }, ${first}`))).live, [
    "clusters.main.nodes",
  ]);
});

Deno.test("diffConfig sees a group that became null", async () => {
  const node = "nodes: [{ name: a, host: db1 }]";
  const without = `clusters: { main: { ${node}, superuser: null } }`;
  deepEqual((await diff(`clusters: { main: { ${node} } }`, without)).live, ["clusters.main.superuser"]);
});

Deno.test("diffConfig sees new contents of the same file, and new users in users_file", async () => {
  const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}`;
  const yaml = MAIN.replace("] }", "], tls: { ca_file: ca } }") + "auth: { users_file: users }";
  const old = await load(yaml, { ca: pem("1"), users: '"a" "b"' });
  const next = await load(yaml, { ca: pem("2"), users: '"a" "c"\n"d" "e"' });
  deepEqual(diffConfig(old, next).live, [
    "auth.users.a.password",
    "auth.users.d",
    "clusters.main.tls.ca_file",
  ]);
});

Deno.test("diffConfig compares as many users as a users_file may have in about the time that it takes to list them", async () => {
  const users = (count: number) =>
    Array.from({ length: count }, (_, index) => `"user${index}" "secret"`).join("\n");
  const yaml = MAIN + "auth: { users_file: users }";
  const next = await load(yaml, { users: users(50_000) });
  const { live } = diffConfig(await load(yaml, { users: users(1) }), next);
  equal(live.length, 49_999);
  equal(live[0], "auth.users.user1");
});

Deno.test("listPaths names the first and counts the others", () => {
  equal(listPaths([]), "");
  equal(listPaths(["a", "b"]), "a, b");
  const many = Array.from({ length: 1_000 }, (_, index) => `p${index}`);
  equal(listPaths(many.slice(0, 20)), many.slice(0, 20).join(", "));
  equal(listPaths(many), `${many.slice(0, 20).join(", ")} and 980 more`);
});

Deno.test("diffConfig keeps coordination as it is until a restart, whether it comes, goes or changes", async () => {
  const one = MAIN +
    "coordination: { etcd: { endpoints: 'https://a:1', tls: { ca_file: ca }, user: u, password: x } }";
  const pem = (name: string) => ({ ca: `-----BEGIN CERTIFICATE-----${name}` });
  const old = await load(one, pem("old"));
  const changes: [next: Config, paths: string[]][] = [
    [await load(MAIN), ["coordination"]],
    [await load(one, pem("new")), ["coordination.etcd.tls.ca_file"]],
    [await load(one.replace("password: x", "password: y"), pem("old")), ["coordination.etcd.password"]],
    [await load(one.replace("a:1", "b:1"), pem("old")), ["coordination.etcd.endpoints"]],
  ];
  for (const [next, paths] of changes) {
    const { live, restart, effective } = diffConfig(old, next);
    deepEqual([live, restart], [[], paths]);
    deepEqual(effective.coordination, old.coordination);
    deepEqual(diffConfig(next, old).restart, paths);
  }
});
