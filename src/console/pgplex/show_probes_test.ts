import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Fingerprints } from "../../learning/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showProbes } from "./show_probes.ts";

/** Fingerprints by hash: how often each ran. */
function fingerprints(seen: Readonly<Record<number, number>>): Fingerprints {
  const all = new Fingerprints();
  for (const [hash, count] of Object.entries(seen)) {
    Object.assign(all.learn(Number(hash), "select a from t where b = 'secret'"), {
      seen: count,
      probes: 3,
      hits: 1,
    });
  }
  return all;
}

Deno.test("showProbes has the statements of each database, those that ran most first", () => {
  const fake = new FakeParts();
  fake.fingerprints.push(
    { cluster: "main", database: "b", fingerprints: fingerprints({ 255: 1, 16: 9 }) },
    { cluster: "main", database: "a", fingerprints: fingerprints({ 1: 2 }) },
  );
  const { rows } = showProbes(fake.parts);
  deepEqual(rows.map(([cluster, database, hash, , runs]) => [cluster, database, hash, runs]), [
    ["main", "a", "00000000000001", 2],
    ["main", "b", "00000000000010", 9],
    ["main", "b", "000000000000ff", 1],
  ]);
  deepEqual(rows[0]!.slice(3), ["learning", 2, 3, 1, "select a from t where b = ?"]);
});

Deno.test("showProbes shows a bounded number of statements for each database", () => {
  const fake = new FakeParts();
  const many = fingerprints(Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [n + 1, n])));
  fake.fingerprints.push({ cluster: "main", database: "a", fingerprints: many });
  const { rows } = showProbes(fake.parts);
  deepEqual([rows.length, rows[0]![4]], [1000, 1000]);
  equal(rows.some(([, , , , runs]) => runs === 0), false);
});
