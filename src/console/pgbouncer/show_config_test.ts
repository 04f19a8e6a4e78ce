import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showConfig } from "./show_config.ts";

Deno.test("showConfig writes settings under PgBouncer's keys and in its units", () => {
  const { rows } = showConfig(new FakeParts().parts);
  const of = (key: string) => rows.find(([name]) => name === key)!.slice(1);
  deepEqual(of("listen_port"), ["6432", "6432", "no"]);
  deepEqual(of("query_wait_timeout"), ["120", "120", "yes"]);
  deepEqual(of("admin_users"), ["admin", "", "yes"]);
  deepEqual(of("default_cluster"), ["main", "", "yes"]);
  deepEqual(of("client_tls_cert_file")[0], ""); // there is no TLS that could have one
});

Deno.test("showConfig follows SET, and is in the order of the keys", () => {
  const fake = new FakeParts();
  fake.live.set(["pool", "default_pool_size"], 7);
  const { rows } = showConfig(fake.parts);
  equal(rows.find(([key]) => key === "default_pool_size")![1], "7");
  const keys = rows.map(([key]) => String(key));
  deepEqual(keys, keys.toSorted());
});
