import { strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed } from "../backend/mod.ts";
import type { Relay } from "../relay/mod.ts";
import { isTorn, runsNothing } from "./torn.ts";

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

Deno.test("runsNothing where what was sent cannot be run as it stands", () => {
  const runs = (owed: readonly number[], { midMessage = false, renames = true, running = 0 } = {}) => {
    const { server } = fakeServer();
    for (const kind of owed) server.owed.sent(kind);
    return !runsNothing(
      { progress: { midMessage }, renames, watch: { running } } as unknown as Relay,
      server,
    );
  };
  equal(runs([Owed.Query], { midMessage: true }), false);
  equal(runs([Owed.Query]), true);
  equal(runs([Owed.Parse, Owed.Bind]), false);
  equal(runs([Owed.Parse, Owed.Bind], { renames: false }), true);
  equal(runs([Owed.Parse, Owed.Execute], { running: 1 }), true);
  equal(runs([Owed.Parse, Owed.Sync]), true);
});
