import { strictEqual as equal } from "node:assert/strict";
import { configOf } from "./fake_cluster_test.ts";
import { opensOtherwise } from "./opening_change.ts";

Deno.test("opensOtherwise is about TLS and connect_query of the destination's own cluster", () => {
  const of = (main: string, other = "") =>
    configOf(`clusters:
  main: { ${main} nodes: [{ name: n1, host: h1 }] }
  other: { ${other} nodes: [{ name: o1, host: h2 }] }
`);
  const key = { cluster: "main", database: "app", user: "alice", alias: null, purpose: "clients" } as const;
  const changed = (before: string, after: string) =>
    opensOtherwise({ before: of(before), after: of(after) }, key);
  equal(changed("", ""), false);
  equal(changed("", "tls: { mode: require },"), true);
  equal(changed("tls: { protocols: [TLSv1.2, TLSv1.3] },", "tls: { protocols: TLSv1.3 },"), true);
  equal(changed("tls: { mode: prefer },", "tls: { mode: allow },"), true);
  equal(changed("tls: { protocols: TLSv1 },", "tls: { protocols: [TLSv1.2, TLSv1.3] },"), true);
  equal(changed("", "pool: { connect_query: SET work_mem = 1 },"), true);
  equal(changed("", "pool: { default_pool_size: 3 },"), false);
  equal(opensOtherwise({ before: of(""), after: of("", "tls: { mode: require },") }, key), false);
});
