import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { credentialsOf, NO_CREDENTIALS, parseSecret, UserDirectory } from "../auth/mod.ts";
import { parseConfig } from "../config/mod.ts";
import { accountFor } from "./account.ts";

const CLUSTER = "clusters: { main: { nodes: [{ name: a, host: h }] } }\n";
const CLIENT = { user: "alice", credentials: NO_CREDENTIALS };

function workerWith(databases: string) {
  const parsed = parseConfig(`${CLUSTER}routing: { databases: { ${databases} } }\n`, { file: "f" });
  if ("problems" in parsed) throw new Error("the text is good");
  return { config: parsed.config, users: new UserDirectory(new Map([["seller", parseSecret("listed")]])) };
}

Deno.test("accountFor leaves a client its own account where no alias has one for all", () => {
  const worker = workerWith("shop: { cluster: main }");
  for (const alias of [null, "shop"]) deepEqual(accountFor(worker, { alias }, CLIENT), CLIENT);
});

Deno.test("accountFor gives all clients of an alias its user, by its password or by that of auth.users", () => {
  const worker = workerWith(
    "a: { cluster: main, user: seller, password: own }, b: { cluster: main, user: seller }, c: { cluster: main, user: who }",
  );
  const secretOf = (alias: string) => accountFor(worker, { alias }, CLIENT);
  deepEqual(secretOf("a"), { user: "seller", credentials: credentialsOf(parseSecret("own")) });
  deepEqual(secretOf("b"), { user: "seller", credentials: credentialsOf(parseSecret("listed")) });
  deepEqual(secretOf("c"), { user: "who", credentials: credentialsOf(null) });
});
