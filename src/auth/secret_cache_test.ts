import assert from "node:assert/strict";
import { utf8 } from "./bytes.ts";
import { mockSecret } from "./mock.ts";
import { buildScramSecret, md5Secret, type Secret } from "./secret.ts";
import { SecretCache } from "./secret_cache.ts";

const instanceKey = utf8("an instance's random key");

Deno.test("SecretCache derives once per user and password", () => {
  const cache = new SecretCache({ instanceKey });
  const secret = cache.scramSecret("alice", "one");
  assert.equal(cache.scramSecret("alice", "one"), secret);
  assert.deepEqual(secret, buildScramSecret("one", secret));
  assert.notDeepEqual(cache.scramSecret("bob", "one").salt, secret.salt);
});

Deno.test("SecretCache notices a changed password", () => {
  const cache = new SecretCache({ instanceKey });
  const before = cache.scramSecret("alice", "one");
  const after = cache.scramSecret("alice", "two");
  assert.notDeepEqual(after.storedKey, before.storedKey);
  assert.equal(cache.size, 1);
});

Deno.test("SecretCache shows the salt and rounds that the user had before it was added", () => {
  const { salt, iterations } = new SecretCache({ instanceKey }).scramSecret("alice", "one");
  const mock = mockSecret("alice", instanceKey);
  assert.deepEqual({ salt, iterations }, { salt: mock.salt, iterations: mock.iterations });
});

Deno.test("SecretCache.warm derives plain passwords only, in slices, until nothing is left", () => {
  const cache = new SecretCache({ instanceKey });
  const users = new Map<string, Secret>([
    ["a", { kind: "plain", password: "1" }],
    ["b", md5Secret("b", "2")],
    ["c", { kind: "plain", password: "3" }],
    ["d", { kind: "plain", password: "4" }],
  ]);
  assert.deepEqual([cache.warm(users, 2), cache.warm(users, 2), cache.warm(users, 2)], [2, 1, 0]);
  assert.equal(cache.size, 3);
});

Deno.test("SecretCache.warm goes no further than the cache holds, so that it comes to an end", () => {
  const cache = new SecretCache({ instanceKey, usersMax: 1 });
  const users = new Map<string, Secret>([
    ["a", { kind: "plain", password: "1" }],
    ["b", { kind: "plain", password: "2" }],
  ]);
  assert.deepEqual([cache.warm(users, 9), cache.warm(users, 9)], [1, 0]);
});
