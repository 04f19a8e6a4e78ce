import { ok, strictEqual as equal } from "node:assert/strict";
import { inspect } from "node:util";
import { Secret } from "./secret.ts";

Deno.test("Secret shows its text to nothing but reveal", () => {
  const secret = new Secret("hunter2");
  const shown = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: 9 }),
    Deno.inspect(new Map([["alice", secret]])),
    Object.entries(secret).join(),
  ];
  for (const text of shown) ok(!text.includes("hunter2"), text);
  equal(secret.reveal(), "hunter2");
});

Deno.test("Secret.equals compares the texts", () => {
  ok(new Secret("a").equals(new Secret("a")));
  ok(!new Secret("a").equals(new Secret("b")));
});
