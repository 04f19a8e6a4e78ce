import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed } from "../backend/mod.ts";
import { TxStatus } from "../protocol/mod.ts";
import { TransactionControl } from "./transaction_control.ts";

Deno.test("TransactionControl knows the batch in which the last ROLLBACK or the like was sent", () => {
  const { server: { owed } } = fakeServer();
  const control = new TransactionControl();
  equal(control.standsIn(owed), false);
  control.sent(owed);
  equal(control.standsIn(owed), true);
  equal(control.standsIn(fakeServer().server.owed), false);
  owed.sent(Owed.Sync);
  equal(control.standsIn(owed), false);
});

Deno.test("TransactionControl: a server in an aborted transaction takes nothing, but behind a ROLLBACK in the same batch", () => {
  const { server } = fakeServer();
  const control = new TransactionControl();
  const seen = [control.refuses(server)];
  server.noteStatus(TxStatus.Failed);
  seen.push(control.refuses(server));
  control.sent(server.owed);
  seen.push(control.refuses(server)); // it may be answered already
  server.owed.sent(Owed.Execute);
  seen.push(control.refuses(server));
  deepEqual(seen, [false, true, true, false]);
});

Deno.test("TransactionControl: a server that skips to Sync takes nothing", () => {
  const { server } = fakeServer();
  server.owed.sent(Owed.Parse);
  server.owed.error("42601", () => {});
  equal(new TransactionControl().refuses(server), true);
});
