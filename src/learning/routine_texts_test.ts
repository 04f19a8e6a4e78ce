import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import { CatalogueServer } from "./catalogue_server_test.ts";
import { readRoutines } from "./routine_texts.ts";

Deno.test("readRoutines gives the bodies that may concern settings, and fails where they cannot be read", async () => {
  await using catalogue = new CatalogueServer([[["SELECT set_config('a', 'b', false)"], [null]], "42501"]);
  deepEqual(await readRoutines(catalogue.server), ["SELECT set_config('a', 'b', false)", ""]);
  await rejects(readRoutines(catalogue.server), { sqlstate: "42501" });
});
