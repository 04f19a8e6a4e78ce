import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { concat } from "./bytes.ts";

Deno.test("concat puts parts one after the other, empty ones and none at all too", () => {
  deepEqual([...concat(Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3))], [1, 2, 3]);
  deepEqual([...concat()], []);
});

Deno.test("concat copies: what becomes of a part afterwards changes nothing", () => {
  const part = Uint8Array.of(1, 2);
  const whole = concat(part);
  part.fill(9);
  deepEqual([...whole], [1, 2]);
});

Deno.test("concat takes a view for the bytes that it shows, not for those behind it", () => {
  const bytes = Uint8Array.of(0, 1, 2, 3);
  deepEqual([...concat(bytes.subarray(1, 3), bytes.subarray(3))], [1, 2, 3]);
});
