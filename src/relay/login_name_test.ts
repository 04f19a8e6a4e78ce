import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { TxStatus } from "../protocol/mod.ts";
import { LoginName } from "./login_name.ts";
import { Progress } from "./progress.ts";
import { TransactionControl } from "./transaction_control.ts";

/** What goes to the server for a name that may be reset, with `|` for a Sync. */
async function restored(
  { simple, txStatus = TxStatus.Idle, begun = false }: {
    simple: boolean;
    txStatus?: number;
    begun?: boolean;
  },
) {
  const name = new LoginName();
  name.greeted("me");
  name.wasReset();
  const { server, stream } = fakeServer();
  server.noteStatus(txStatus);
  const control = new TransactionControl();
  if (begun) control.sent(server.owed);
  name.restore(server, { control, progress: new Progress(), simple });
  equal(name.mayBeReset, false);
  await server.out.flush();
  const text = new TextDecoder().decode(stream.taken());
  return { restored: name.restored, sets: /set_config[^]*me/.test(text), sync: text.endsWith("S\0\0\0\x04") };
}

Deno.test("LoginName is not reset where the client gave none", () => {
  const name = new LoginName();
  name.wasReset();
  equal(name.mayBeReset, false);
  name.greeted("me");
  name.wasReset();
  deepEqual([name.mayBeReset, name.name], [true, "me"]);
  name.leaseBegins();
  equal(name.mayBeReset, false);
});

Deno.test("LoginName.restore sets the name before a query, and in a transaction that was begun", async () => {
  deepEqual(await restored({ simple: true }), { restored: true, sets: true, sync: true });
  deepEqual(await restored({ simple: false, txStatus: TxStatus.InTransaction }), {
    restored: true,
    sets: true,
    sync: false,
  });
  ok((await restored({ simple: false, begun: true })).sets);
});

Deno.test("LoginName.restore sends nothing before what may have to stand first, or where nothing is taken", async () => {
  const nothing = { restored: false, sets: false, sync: false };
  deepEqual(await restored({ simple: false }), nothing);
  deepEqual(await restored({ simple: true, txStatus: TxStatus.Failed }), nothing);
});
