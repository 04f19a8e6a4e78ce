import { doesNotThrow, throws } from "node:assert/strict";
import { assert, AssertionFailure, assertNever } from "./assert.ts";

Deno.test("assert throws AssertionFailure with its sentence when the condition does not hold", () => {
  for (const broken of [false, 0, "", null, undefined]) {
    throws(() => assert(broken, "one is two"), { name: "AssertionFailure", message: "one is two" });
  }
  for (const holds of [true, 1, "x", {}]) doesNotThrow(() => assert(holds, "one is one"));
});

Deno.test("assertNever names the value that no case took", () => {
  throws(() => assertNever({ kind: "new" } as never), (error: Error) => {
    return error instanceof AssertionFailure && error.message === 'Unexpected value: {"kind":"new"}';
  });
});
