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
