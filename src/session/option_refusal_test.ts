import { strictEqual as equal } from "node:assert/strict";
import { refusalOf } from "./option_refusal.ts";

Deno.test("refusalOf keeps a session that began in session pooling from leaving it, and nothing else", () => {
  const toTransaction = { name: "pool_mode", value: "transaction" };
  equal(refusalOf(toTransaction, "session")?.code, "option_fixed");
  equal(refusalOf(toTransaction, "transaction"), null);
  equal(refusalOf({ name: "pool_mode", value: "session" }, "session"), null);
  equal(refusalOf({ name: "tag", value: "transaction" }, "session"), null);
});

Deno.test("refusalOf keeps the cluster as the connection string says it, and lets RESET be", () => {
  equal(refusalOf({ name: "cluster", value: "sub" }, "transaction")?.code, "option_fixed");
  equal(refusalOf({ name: "cluster", value: undefined }, "transaction"), null);
});
