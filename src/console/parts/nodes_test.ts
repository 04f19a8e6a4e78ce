import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts } from "./fake_parts_test.ts";
import { findNode, nodeNameAt } from "./nodes.ts";

Deno.test("findNode takes a node by the names of its cluster and its own", () => {
  const { parts } = new FakeParts();
  const { cluster, name, host } = findNode(parts, "main.main-2")!;
  deepEqual([cluster, name, host], ["main", "main-2", "eleven"]);
  for (const asked of ["main", "main-2", "other.main-2", "main.main-3"]) equal(findNode(parts, asked), null);
});

Deno.test("nodeNameAt finds a node of a cluster by its address", () => {
  const { parts } = new FakeParts();
  equal(nodeNameAt(parts, "main", { host: "eleven", port: 5432 }), "main-2");
  equal(nodeNameAt(parts, "main", { host: "eleven", port: 1 }), null);
  equal(nodeNameAt(parts, "gone", { host: "eleven", port: 5432 }), null);
});
