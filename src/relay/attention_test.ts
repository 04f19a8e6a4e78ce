import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Attention } from "./attention.ts";

Deno.test("Attention is paid once there is something to look for, and for as long as it is needed", () => {
  const attention = new Attention();
  const seen = [attention.on];
  attention.begin();
  seen.push(attention.on);
  attention.keepIf(true);
  seen.push(attention.on);
  attention.keepIf(false);
  deepEqual([...seen, attention.on], [false, true, true, false]);
});
