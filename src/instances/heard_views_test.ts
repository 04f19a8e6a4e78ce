import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeKeys } from "./fake_store_test.ts";
import { healthsBy, viewsIn } from "./heard_views.ts";
import { Roll } from "./roll.ts";
import { clusterKey, instanceKey, INSTANCES } from "./values.ts";

const NOW = { sentMs: 0, nowMs: 1 };

function town(...ids: number[]) {
  const keys = new FakeKeys();
  const roll = new Roll(1_000);
  const put = (key: string, value: unknown) =>
    keys.commit([], [{ kind: "put", key, value: JSON.stringify(value) }]);
  for (const id of ids) {
    put(instanceKey(id), { incarnation: `i${id}`, name: "h", counter: 1, clusters: ["main", "other"] });
  }
  roll.observe(keys.list(INSTANCES).entries.values(), NOW);
  const view = (id: number, cluster: string, health: string, incarnation = `i${id}`) =>
    put(clusterKey(cluster, "views", id), { incarnation, healths: { n1: health } });
  const read = () =>
    viewsIn(keys.list("clusters/"), { clusters: new Set(["main", "other"]), roll, selfId: 1, nowMs: 1 });
  return { roll, view, read };
}

Deno.test("views of others are heard by cluster, and of one instance by cluster too", () => {
  const { view, read } = town(1, 2, 3);
  view(1, "main", "down");
  view(2, "main", "up");
  view(3, "main", "down");
  view(2, "other", "down");
  view(2, "a third", "down");
  const views = read();
  deepEqual([...views].map(([cluster, of]) => [cluster, of.map(({ instance }) => instance)]), [
    ["main", [2, 3]],
    ["other", [2]],
  ]);
  deepEqual(
    healthsBy(2, views),
    new Map([["main", new Map([["n1", "up"]])], ["other", new Map([["n1", "down"]])]]),
  );
});

Deno.test("the view of one that is not there, or of an earlier life, is none; who was never seen may be there", () => {
  const { roll, view, read } = town(1, 2);
  view(2, "main", "up", "old");
  view(4, "main", "up");
  deepEqual([[...read()], roll.doubtful()], [[], [4]]);
});
