import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { duration, file, integer, NULL, REQUIRED, text } from "./rows.ts";

Deno.test("rows of the table take null where it is their default, and only there", () => {
  deepEqual(text("name", NULL, "A name.").type, { kind: "text", shape: "name", nullable: true });
  deepEqual(text("name", REQUIRED, "A name.").type, { kind: "text", shape: "name" });
  equal("nullable" in file("key", "key_pem", "A key.", REQUIRED).type, false);
});

Deno.test("rows of the table change at a reload unless they say otherwise", () => {
  deepEqual([duration(5, "A time.").reload, integer(1, 2, "A port.", 9, "restart").reload], [
    "live",
    "restart",
  ]);
});
