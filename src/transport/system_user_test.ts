import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { systemUserNames } from "./system_user.ts";

Deno.test("systemUserNames has every name of a number, and none of another", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\npostgres:x:100:1000::/:\n\n";
  deepEqual(systemUserNames(0, passwd), ["root", "toor"]);
  deepEqual(systemUserNames(100, passwd), ["postgres"]);
  deepEqual(systemUserNames(1000, passwd), []);
});
