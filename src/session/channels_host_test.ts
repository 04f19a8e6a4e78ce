import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { PgplexError } from "../kernel/mod.ts";
import type { Relay } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import { channelsHostOf } from "./channels_host.ts";

Deno.test("channelsHostOf looks again only where there is a server, and ends a session that does not read", () => {
  const did: string[] = [];
  const relay = { server: null as object | null, progress: { checkBoundary: () => did.push("check") } };
  const session = {
    destination: {} as Destination,
    ending: false,
    settle: () => did.push("settle"),
    end: (error: PgplexError) => did.push(error.code),
  };
  const host = channelsHostOf(session, { relay: relay as unknown as Relay, out: {} as Outbox, pid: 7 });
  equal(host.pid, 7);
  host.lookAgain();
  deepEqual(did, []);
  relay.server = {};
  host.lookAgain();
  deepEqual(did, ["check", "settle"]);
  session.ending = true;
  host.lookAgain();
  host.overflowed();
  deepEqual(did, ["check", "settle", "notifications_overflow"]);
});
