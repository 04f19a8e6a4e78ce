import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showClusters, showNodes } from "../pgplex/mod.ts";
import { clustersNode } from "./clusters.ts";

function used(): FakeParts {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { total: 3 });
  fake.addPool({ user: "bob", node: 1 }, { total: 2 });
  fake.addSession(1, pool);
  fake.addSession(2, pool, { waiting: true });
  return fake;
}

function node() {
  const { parts } = used();
  return clustersNode(parts, { clusters: showClusters(parts), nodes: showNodes(parts) });
}

Deno.test("clustersNode answers SHOW CLUSTERS", () => {
  deepEqual(node().table!(), showClusters(used().parts));
});

Deno.test("clustersNode has below each cluster its state and its settings", () => {
  const main = node().child("main")!;
  equal(main.child("servers")!.leaf!.value, 5);
  equal(main.child("servers")!.leaf!.source, "state");
  equal(main.child("phase")!.leaf!.value, "serving");
  equal(main.child("pool")!.child("pool_mode")!.leaf!.value, "transaction");
});

Deno.test("clustersNode has below each node what the file and the topology say of it", () => {
  const second = node().child("main")!.child("nodes")!.child("main-2")!;
  deepEqual(["host", "port", "role", "pools", "servers"].map((name) => second.child(name)!.leaf!.value), [
    "eleven",
    "5432",
    "unknown",
    1,
    2,
  ]);
  equal(second.child("host")!.leaf!.source, "file");
});
