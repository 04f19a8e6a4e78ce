import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { settingsNamed } from "./settings_path.ts";

Deno.test("settingsNamed finds a setting by its last name, pool keys first, and by its path with underscores", () => {
  deepEqual(settingsNamed("default_pool_size"), [["pool", "default_pool_size"]]);
  deepEqual(settingsNamed("MAX_client_conn"), [["listen", "max_client_conn"]]);
  deepEqual(settingsNamed("log_level"), [["log", "level"]]);
  deepEqual(settingsNamed("auth_type"), [["auth", "type"]]);
  deepEqual(settingsNamed("mode"), []); // listen.tls.mode is there only while TLS is configured
  deepEqual(settingsNamed("nonsense"), []);
});
