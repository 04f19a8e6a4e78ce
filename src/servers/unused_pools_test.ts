import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { UnusedPools } from "./unused_pools.ts";

const used = { used: true, opened: true };
const empty = { used: false, opened: true };
const never = { used: false, opened: false };

Deno.test("UnusedPools lets a pool go that was empty for a minute on end", () => {
  const pools = new UnusedPools<string>();
  deepEqual(pools.look([["a", empty], ["b", used]], 0), []);
  deepEqual(pools.look([["a", empty], ["b", empty]], 59_999), []);
  deepEqual(pools.look([["a", empty], ["b", empty]], 60_000), ["a"]);
  deepEqual(pools.look([["b", used]], 119_998), []);
  deepEqual(pools.look([["b", empty]], 119_999), []); // its minute begins again
  deepEqual(pools.look([["b", empty]], 179_998), []);
  deepEqual(pools.look([["b", empty]], 179_999), ["b"]);
});

Deno.test("UnusedPools lets a pool that never had a server connection go at the second look", () => {
  const pools = new UnusedPools<string>();
  deepEqual(pools.look([["a", never]], 0), []);
  deepEqual(pools.look([["a", never]], 1000), ["a"]);
  deepEqual(pools.look([["a", { used: true, opened: false }]], 2000), []);
  deepEqual(pools.look([["a", { used: true, opened: false }]], 900_000), []);
});
