import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RecordingSink } from "../../../tests/harness/rig.ts";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { Owed, StatementStore } from "../../backend/mod.ts";
import { Fingerprints } from "../../learning/mod.ts";
import { Relay } from "../relay.ts";

const BATCH = { simple: false, sure: true };

function made() {
  const store = new StatementStore();
  const relay = new Relay(new RecordingSink(), store, {
    renames: true,
    preparedMax: 10,
    fingerprints: new Fingerprints(),
  });
  const { server, stream } = fakeServer({ statements: store });
  relay.leaseBegins(server, false);
  relay.names.set("s", store.use("a\0\0\0"));
  const sent = async () => {
    await server.out.flush();
    return stream.taken();
  };
  return { relay, clientNamed: relay.clientNamed, store, server, sent };
}

Deno.test("ClientNamed.ensure lends a statement that came by Parse, once for a lease, and takes it for gone where that failed", async () => {
  const { clientNamed, server, sent } = made();
  clientNamed.ensure(server, ["s", "none"], BATCH);
  clientNamed.ensure(server, ["s"], BATCH);
  deepEqual(await sent(), frontend.parse("a", { name: "s" }));
  equal(clientNamed.has(server, "s"), true);
  server.owed.error("42P05", () => {});
  equal(clientNamed.has(server, "s"), false);
});

Deno.test("ClientNamed.ensure puts a Sync behind what it lends to a simple query", async () => {
  const { clientNamed, server, sent } = made();
  clientNamed.ensure(server, ["s"], { ...BATCH, simple: true });
  deepEqual(await sent(), frontend.concat([frontend.parse("a", { name: "s" }), frontend.sync()]));
});

Deno.test("ClientNamed.parse takes the server's word on whether the name was free", () => {
  const { relay, clientNamed, store, server } = made();
  clientNamed.parse(server, "s", { statement: store.use("b\0\0\0"), order: null, path: null });
  deepEqual([relay.names.findName("s")?.definition, server.foreignNames.has("s")], ["b\0\0\0", true]);
  server.owed.error("42P05", () => {});
  deepEqual([relay.names.findName("s")?.definition, server.foreignNames.has("s")], ["a\0\0\0", false]);
});

Deno.test("ClientNamed.close ends what has the name by any way, and brings it back where the server skipped it", () => {
  const { relay, clientNamed, server } = made();
  relay.sql.found(server, new Map([["s", "PREPARE s AS SELECT 1"]]));
  server.foreignNames.add("s");
  server.owed.sent(Owed.Bind);
  clientNamed.close(server, "s");
  const seen =
    () => [relay.names.findName("s") !== null, relay.sql.texts.has("s"), server.foreignNames.has("s")];
  deepEqual(seen(), [false, false, false]);
  server.owed.error("26000", () => {});
  deepEqual(seen(), [true, true, true]);
});

Deno.test("ClientNamed.has names that SQL made, and that came by Parse under another name on servers", () => {
  const { relay, clientNamed, server } = made();
  relay.sql.found(server, new Map([["t", "PREPARE t AS SELECT 1"], ["s", "PREPARE s AS SELECT 1"]]));
  deepEqual(["s", "t", "u"].map((name) => clientNamed.has(server, name)), [false, true, false]);
});

Deno.test("ClientNamed.ensure lends under the search_path under which it was prepared, where the text is analyzed by that", async () => {
  const { relay, clientNamed, store, server, sent } = made();
  for (const [name, text] of [["t", "SELECT v FROM t"], ["u", "VACUUM t"]] as const) {
    relay.names.set(name, store.use(`${text}\0\0\0`), { path: "then" });
  }
  const pathIn = async (name: string, sure: boolean) => {
    clientNamed.ensure(server, [name], { simple: false, sure });
    server.foreignNames.clear();
    return new TextDecoder().decode(await sent()).includes("then");
  };
  deepEqual([await pathIn("t", true), await pathIn("t", false), await pathIn("u", true)], [
    true,
    false,
    false,
  ]);
});
