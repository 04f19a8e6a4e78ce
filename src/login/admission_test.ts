import { doesNotThrow, throws } from "node:assert/strict";
import type { Session } from "../session/mod.ts";
import { checkEnabled, checkRoom } from "./admission.ts";
import { FakeWorker, TRUST } from "./fake_worker_test.ts";
import type { ReplicationClient } from "./replication_client.ts";

Deno.test("checkRoom counts sessions and replication connections against max_client_conn", () => {
  const worker = new FakeWorker(`${TRUST}listen: { max_client_conn: 2 }\n`);
  checkRoom(worker);
  worker.sessions.add({} as Session);
  doesNotThrow(() => checkRoom(worker));
  worker.replications.add({} as ReplicationClient);
  throws(() => checkRoom(worker), {
    code: "too_many_clients",
    sqlstate: "53300",
    message: "sorry, too many clients already",
  });
  worker.sessions.clear();
  doesNotThrow(() => checkRoom(worker));
});

Deno.test("checkEnabled refuses a disabled database under each of its names, by the name that was given", () => {
  const worker = new FakeWorker(
    TRUST.replace("default_cluster: main", "default_cluster: main, databases: { shop: { cluster: main } }"),
  );
  const app = { cluster: "main", database: "app", alias: null };
  const shop = { cluster: "main", database: "shop", alias: "shop" };
  worker.pools.control.setDisabled("app@main", true);
  for (const asked of ["app", "app@main"]) {
    throws(() => checkEnabled(worker, app, asked), {
      code: "database_disabled",
      message: `database "${asked}" is not currently accepting connections`,
    });
  }
  doesNotThrow(() => checkEnabled(worker, shop, "shop"));
  worker.pools.control.setDisabled("shop", true);
  throws(() => checkEnabled(worker, shop, "shop"), { code: "database_disabled" });
  doesNotThrow(() => checkEnabled(worker, { ...shop, alias: null }, "shop@main"));
});
