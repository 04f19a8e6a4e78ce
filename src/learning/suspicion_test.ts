import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Suspicion } from "./suspicion.ts";

Deno.test("Suspicion rises: each includes those before it, so that the greatest of several is that of all", () => {
  const { None, Learn, State, Anything } = Suspicion;
  deepEqual(Object.values(Suspicion), [None, Learn, State, Anything]);
  deepEqual([None < Learn, Learn < State, State < Anything], [true, true, true]);
});
