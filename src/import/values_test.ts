import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { carriedValue, commaList, durationOf } from "./values.ts";

Deno.test("carriedValue writes each value as the setting's kind asks for", () => {
  deepEqual(carriedValue(["pool", "query_wait_timeout"], "120.5"), { value: "120500ms" });
  deepEqual(carriedValue(["pool", "default_pool_size"], "30"), { value: 30 });
  deepEqual(carriedValue(["console", "admin_users"], "a, b,"), { value: ["a", "b"] });
});

Deno.test("carriedValue says what must be where the setting does not take the value", () => {
  ok("refused" in carriedValue(["pool", "default_pool_size"], "many"));
  ok("refused" in carriedValue(["pool", "query_timeout"], "-1"));
  ok("refused" in carriedValue(["pool", "no_such_setting"], "1"));
});

Deno.test("durationOf gives PgBouncer's seconds a unit", () => {
  deepEqual(["0", "15", "0.25", "3600.0", "x"].map(durationOf), ["0s", "15s", "250ms", "1h", undefined]);
});

Deno.test("commaList takes what stands between commas", () => {
  deepEqual(commaList(" a ,b,, c"), ["a", "b", "c"]);
  equal(commaList("").length, 0);
});
