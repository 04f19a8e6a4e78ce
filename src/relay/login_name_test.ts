import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Settings } from "../backend/mod.ts";
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

/** What goes to the server behind a boundary, before anything else: whether something is owed, and what is paid. */
async function paid(reported: string, wanted: string | undefined, greeted: string | null = "me") {
  const name = new LoginName();
  if (greeted !== null) name.greeted(greeted);
  name.wasReset();
  const { server, stream } = fakeServer({ settings: Settings.from([["application_name", reported]]) });
  const rests = name.rests(server, wanted);
  equal(name.owes, rests);
  deepEqual([name.mayBeReset, name.restored], [false, false]);
  name.pay(server);
  name.pay(server);
  deepEqual([name.owes, name.restored], [false, rests]);
  await server.out.flush();
  return new TextDecoder().decode(stream.taken());
}

Deno.test("LoginName.rests owes the server the client's name where it has another, and pay pays once", async () => {
  const said = await paid("pool", "it's me");
  equal(said.split("SET application_name TO 'it''s me'").length, 2);
  equal(said.includes("set_config"), false);
  const escaped = await paid("pool", "a\\b");
  deepEqual(
    [escaped.includes("set_config"), escaped.includes("a\\b")],
    [true, true],
    "however strings are read",
  );
});

Deno.test("LoginName.rests owes nothing where the server has the client's name, or the client gave none", async () => {
  equal(await paid("me", "me"), "");
  equal(await paid("pool", undefined), "");
  equal(await paid("pool", "me", null), "");
});

Deno.test("LoginName owes nothing any more to the server of another lease", () => {
  const name = new LoginName();
  name.greeted("me");
  const { server } = fakeServer({ settings: Settings.from([["application_name", "pool"]]) });
  equal(name.rests(server, "me"), true);
  name.leaseBegins();
  equal(name.owes, false);
});
