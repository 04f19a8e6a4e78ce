import { ok, strictEqual as equal } from "node:assert/strict";
import { shownSettings } from "./entries.ts";
import { good } from "./parsed_test.ts";

Deno.test("shownSettings lists each value as the file would have it, and no secret", () => {
  const shown = shownSettings(
    good(`
clusters: { main: { nodes: [{ name: a, host: b }], superuser: { password: hunter2 }, pool: { query_timeout: 2s } } }
auth: { users: { alice: hunter2 } }
routing: { databases: { app: { cluster: main } } }
`).config,
  );
  const values = new Map(shown.map((setting) => [setting.path, setting]));
  equal(values.get("auth.users.alice.password")!.value, "***");
  equal(values.get("clusters.main.superuser.password")!.value, "***");
  equal(values.get("clusters.main.pool.query_timeout")!.value, "2s");
  equal(values.get("clusters.main.pool.query_timeout")!.default, "inherited");
  equal(values.get("routing.databases.app.database")!.default, "app");
  equal(values.get("clusters.main.nodes[0].host")!.default, "required");
  equal(values.get("pool.server_lifetime")!.value, "1h");
  equal(values.get("console.aliases")!.value, "pgbouncer");
  equal(values.get("listen.tls")!.value, "null");
  equal(values.get("listen.port")!.reload, "restart");
  ok(!JSON.stringify(shown).includes("hunter2"));
});
