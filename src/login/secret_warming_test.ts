import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { parseSecret, SecretCache, UserDirectory } from "../auth/mod.ts";
import { SecretWarming } from "./secret_warming.ts";

/** Five users, and a cache that counts what it is asked to derive. */
function rig() {
  const users = new UserDirectory(
    new Map(["a", "b", "c", "d", "e"].map((name) => [name, parseSecret(`password of ${name}`)])),
  );
  const left = [2, 2, 1, 0];
  const asked: number[] = [];
  const cache = {
    warm: (_: unknown, most: number) => {
      asked.push(most);
      return left.shift() ?? 0;
    },
  } as unknown as SecretCache;
  return { users, cache, asked };
}

Deno.test("SecretWarming derives a few in each turn until none is missing, once however often it is begun", async () => {
  const { users, cache, asked } = rig();
  let turns = 0;
  const warming = new SecretWarming(users, cache, { turn: () => Promise.resolve(void turns++) });
  await Promise.all([warming.begin(), warming.begin()]);
  deepEqual([asked, turns], [[2, 2, 2, 2], 3]);
  await warming.begin();
  deepEqual(asked.length, 5, "a reload may have brought others");
});

Deno.test("SecretWarming ends in the turn in which it is stopped", async () => {
  const { users, cache, asked } = rig();
  const warming: SecretWarming = new SecretWarming(users, cache, {
    turn: () => Promise.resolve(warming.stop()),
  });
  await warming.begin();
  deepEqual(asked, [2]);
});
