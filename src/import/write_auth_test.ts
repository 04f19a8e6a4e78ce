import { match, strictEqual as equal } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import says what to do about a type of authentication that is not there", async () => {
  for (const type of ["ldap", "pam"]) {
    const { config, yaml } = await imported(`[pgbouncer]\nauth_type = ${type}\n`);
    equal(config.auth.type, "scram-sha-256");
    match(yaml, new RegExp(`# auth_type = ${type}: .*auth.query`));
  }
});

Deno.test("an import has no look-up where PgBouncer has no auth_user", async () => {
  const { config, yaml } = await imported("[pgbouncer]\nauth_query = SELECT $1\n");
  equal(config.auth.query, null);
  match(yaml, /# auth_query = SELECT \$1: PgBouncer asks nobody/);
});

Deno.test("an import leaves out a query that asks for no user, and says so", async () => {
  const { config, yaml } = await imported("[pgbouncer]\nauth_user = asks\nauth_query = SELECT 1\n");
  equal(config.auth.query, null);
  match(yaml, /auth_query = SELECT 1: it must be null, true, or SQL in which \$1 is the user's name/);
});

Deno.test("an import lets nobody in whom PgBouncer would not know, but for type any", async () => {
  for (const type of ["trust", "md5", "any"]) {
    const { config } = await imported(`[pgbouncer]\nauth_type = ${type}\n`);
    equal(config.auth.listed_users_only, type !== "any", type);
  }
});
