import assert from "node:assert/strict";
import { UserDirectory } from "./user_directory.ts";

Deno.test("UserDirectory finds the exact name and nothing else", () => {
  const users = UserDirectory.parse([["alice", "secret"], ["alice", "newer"], ["__proto__", "x"]]);
  assert.deepEqual(users.lookup("alice"), { kind: "plain", password: "newer" });
  assert.deepEqual(users.lookup("__proto__"), { kind: "plain", password: "x" });
  for (const name of ["Alice", "alice ", "", "constructor"]) assert.equal(users.lookup(name), null);
  assert.equal(users.size, 2);
});

Deno.test("UserDirectory.replace drops who is gone and shows who is new", () => {
  const users = UserDirectory.parse([["alice", "a"]]);
  users.replace(new Map([["bob", { kind: "plain", password: "b" } as const]]));
  assert.equal(users.lookup("alice"), null);
  assert.deepEqual([...users.entries()], [["bob", { kind: "plain", password: "b" }]]);
});
