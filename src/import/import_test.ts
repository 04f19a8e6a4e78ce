import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { imported } from "./imported_test.ts";

Deno.test("an import finds the userlist from PgBouncer's folder, and the password of auth_user in it", async () => {
  const ini = "[databases]\n* = host=h\n[pgbouncer]\nauth_file = users.txt\nauth_user = asks\n";
  const { config } = await imported(ini, { "/run/users.txt": '"asks" "pw"\n"alice" "md5x"\n' });
  equal(config.auth.users_file, "/run/users.txt");
  const { superuser } = config.clusters.get("main")!;
  deepEqual([superuser?.user, superuser?.password?.reveal(), config.auth.query], ["asks", "pw", true]);
  equal(config.routing.databases.get("*")!.cluster, "main");
});

Deno.test("an import leaves a userlist out that cannot be used, and says why", async () => {
  const ini = "[pgbouncer]\nauth_file = /u\n";
  match((await imported(ini)).yaml, /# auth_file = \/u: cannot be read \(none\)/);
  match(
    (await imported(ini, { "/u": '"a" "b"\n"a" "c"\n' })).yaml,
    /# auth_file = \/u: line 2 must be put right/,
  );
});

Deno.test("an import follows the hba file where it can be used, and says which lines cannot", async () => {
  const ini = "[pgbouncer]\nauth_type = hba\nauth_hba_file = hba\nauth_ident_file = ident\n";
  const { config } = await imported(ini, { "/run/hba": "host all all all md5\n", "/run/ident": "m a b\n" });
  deepEqual([config.auth.type, config.auth.hba_file, config.auth.ident_file], [
    "hba",
    "/run/hba",
    "/run/ident",
  ]);
  const { yaml, config: without } = await imported(ini, {
    "/run/hba": "local all all pam\n",
    "/run/ident": "m a b\n",
  });
  equal(without.auth.type, "scram-sha-256");
  match(yaml.replaceAll("\n  # ", " "), /auth_hba_file = \/run\/hba: line 1 must have one of the methods/);
});
