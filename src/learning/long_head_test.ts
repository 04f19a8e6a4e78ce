import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { headOf } from "./long_head.ts";

Deno.test("headOf knows what the beginning of a text names, and takes it that the rest does anything", () => {
  const bytes = new TextEncoder().encode("EXECUTE s; LISTEN x; SELECT lastval(), '…");
  const { traits } = headOf(bytes, 0, bytes.length, false);
  const { statements, listens, sequences, anything, stateful, rollsBack } = traits;
  deepEqual([statements, listens, sequences, anything, stateful, rollsBack], [
    ["s"],
    "listen",
    "read",
    true,
    true,
    true,
  ]);
});
