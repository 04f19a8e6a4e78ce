import { strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed } from "../backend/mod.ts";
import type { Relay } from "../relay/mod.ts";
import { isTorn } from "./torn.ts";

/** Whether the last of these is torn on a server that owes them, where the client is in the middle of a message or not. */
function torn(owed: readonly number[], midMessage: boolean): boolean {
  const { server } = fakeServer();
  for (const kind of owed) server.owed.sent(kind);
  return isTorn({ progress: { midMessage } } as Relay, server);
}

Deno.test("isTorn where the last of a query or a function call has not gone to the server", () => {
  equal(torn([Owed.Query], true), true);
  equal(torn([Owed.FunctionCall], true), true);
  equal(torn([Owed.Query, Owed.Query], true), true);
});

Deno.test("isTorn is false for what the server has as a whole, or need not have so to run it", () => {
  equal(torn([Owed.Query], false), false);
  equal(torn([], true), false);
  for (const kind of [Owed.Parse, Owed.Bind, Owed.Execute, Owed.Sync]) {
    equal(torn([Owed.Query, kind], true), false);
  }
});
