import { deepStrictEqual as deepEqual, match } from "node:assert/strict";
import { SERVER_FUNCTION_NAMES } from "./server_function_names.ts";

const NAMES = SERVER_FUNCTION_NAMES.trim().split(/\s+/);

Deno.test("SERVER_FUNCTION_NAMES are plain names, sorted, each once", () => {
  deepEqual([...new Set(NAMES)].sort(), NAMES);
  for (const name of NAMES) match(name, /^[a-z_][a-z0-9_]*$/);
});
