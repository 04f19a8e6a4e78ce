import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { shownSettings } from "./entries.ts";
import { parseConfig } from "./parse.ts";
import { POOL_KEYS, poolSettings } from "./pool_settings.ts";
import type { Config } from "./schema.ts";
import { SETTINGS } from "./settings.ts";
import { formatValue, parseValue } from "./value.ts";

function parse(text: string): Config {
  const parsed = parseConfig(text, { file: "f" });
  ok("config" in parsed, JSON.stringify(parsed));
  return parsed.config;
}

Deno.test("each row of SETTINGS has a sentence and a default that its own type takes", () => {
  for (const { path, doc, type, default: value } of SETTINGS) {
    ok(/^[A-Z].*\.$/.test(doc), `${path}: ${doc}`);
    if (value.kind !== "value" || type.kind === "group") continue;
    const text = type.kind === "texts" || value.value === null ? value.value : formatValue(type, value.value);
    const raw = type.kind === "integer" ? Number(text) : text;
    deepEqual(parseValue(type, raw), { value: value.value }, path);
  }
});

Deno.test("poolSettings takes each key from the innermost place that sets it", () => {
  const config = parse(`
pool: { query_timeout: 1s, pin_timeout: 1s, default_pool_size: 7 }
clusters: { main: { nodes: [{ name: a, host: b }], pool: { query_timeout: 2s, pin_timeout: 2s } } }
routing: { databases: { app: { cluster: main, query_timeout: 3s } } }
`);
  const { query_timeout, pin_timeout, default_pool_size, ...rest } = poolSettings(config, "main", "app");
  deepEqual([query_timeout, pin_timeout, default_pool_size], [3_000, 2_000, 7]);
  equal(rest.pool_mode, "transaction");
  equal(poolSettings(config, "main").query_timeout, 2_000);
  deepEqual(Object.keys(poolSettings(config, "main", "app")), POOL_KEYS);
});

Deno.test("shownSettings lists each value as the file would have it, and no secret", () => {
  const shown = shownSettings(parse(`
clusters: { main: { nodes: [{ name: a, host: b }], superuser: { password: hunter2 }, pool: { query_timeout: 2s } } }
auth: { users: { alice: hunter2 } }
routing: { databases: { app: { cluster: main } } }
`));
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
