import { strictEqual as equal, throws } from "node:assert/strict";
import type { ConsoleConfig } from "../../config/mod.ts";
import { mayEnter, notAllowed, requireAdmin } from "./access.ts";
import type { Asker } from "./asker.ts";

Deno.test("mayEnter lets in administrators and those who may look", () => {
  const config = { admin_users: ["a"], stats_users: ["s"] } as unknown as ConsoleConfig;
  equal(mayEnter(config, "a"), true);
  equal(mayEnter(config, "s"), true);
  equal(mayEnter(config, "x"), false);
});

Deno.test("notAllowed names the database to the client, and the user to the log alone", () => {
  const error = notAllowed("pgbouncer", "mallory");
  equal(error.sqlstate, "42501");
  equal(error.message, 'permission denied for database "pgbouncer"');
  equal(`${error.message}${error.extra.detail}`.includes("mallory"), false);
  equal(error.extra.log, 'user "mallory"');
});

Deno.test("requireAdmin refuses whoever may only look, and says how that changes", () => {
  requireAdmin({ admin: true, user: "a" } as Asker);
  throws(() => requireAdmin({ admin: false, user: "s" } as Asker), {
    code: "insufficient_privilege",
    message: "admin access needed",
    extra: { hint: 'Name "s" in console.admin_users.' },
  });
});
