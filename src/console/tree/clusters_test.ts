import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { clustersNode } from "./clusters.ts";

function used(): FakeParts {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { total: 3 });
  fake.addPool({ user: "bob", node: 1 }, { total: 2 });
  fake.addSession(1, pool);
  fake.addSession(2, pool, { waiting: true });
  return fake;
}

Deno.test("clustersNode answers a table of what each cluster has at the moment", () => {
  deepEqual(clustersNode(used().parts).table!().rows, [
    ["main", "main-1", 2, 1, 1, 2, 2, 1, 5],
    ["other", "other-1", 1, 1, 0, 0, 0, 0, 0],
  ]);
});

Deno.test("clustersNode has below each cluster its state and its settings", () => {
  const main = clustersNode(used().parts).child("main")!;
  equal(main.child("servers")!.leaf!.value, 5);
  equal(main.child("servers")!.leaf!.source, "state");
  equal(main.child("pool")!.child("pool_mode")!.leaf!.value, "transaction");
});

Deno.test("clustersNode has below each node what the file and the topology say of it", () => {
  const nodes = clustersNode(used().parts).child("main")!.child("nodes")!;
  const second = nodes.child("main-2")!;
  deepEqual(["host", "port", "state", "pools", "servers"].map((name) => second.child(name)!.leaf!.value), [
    "eleven",
    "5432",
    "unknown",
    1,
    2,
  ]);
  equal(second.child("host")!.leaf!.source, "file");
});
