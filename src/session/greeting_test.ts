import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { type ServerConnection, Settings } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { greet, type GreetedSession, type GreetingParts } from "./greeting.ts";

/** A session that is to be greeted, and what becomes of it. */
function newcomer(
  { mode = "transaction", known = true, room = true, error = null }: {
    mode?: "transaction" | "session";
    known?: boolean;
    room?: boolean;
    error?: PgplexError | null;
  },
) {
  const did: string[] = [];
  const told = Settings.from([["TimeZone", "UTC"]]);
  const server = { settings: told, identity: { parameters: told } } as unknown as ServerConnection;
  const counters = { logins: 0 };
  const session = {
    facts: { base: {}, mode, applicationName: null },
    destination: {
      greetings: { noticesOf: () => new Uint8Array(0), encoded: () => new Uint8Array(1) },
      greetingFor: () => known ? told : null,
      hasRoom: () => room,
      counters,
    },
    server,
    key: { pid: 7, secret: new Uint8Array(4) },
    takeBackendsPid: () => void did.push("pid"),
  } as unknown as GreetedSession;
  const parts = {
    told: { greet: (settings: Settings) => settings },
    out: { put() {}, flush: () => void did.push("greeted") },
    work: { asks: () => void did.push("asks"), rests: () => void did.push("rests") },
    loop: { watch: () => void did.push("watch") },
    side: {
      lease: { obtain: () => (did.push("obtain"), Promise.resolve()), error, held: error === null },
      endLease: (how: string) => void did.push(how),
    },
  } as unknown as GreetingParts;
  return { did, counters, greeting: () => greet(session, parts) };
}

Deno.test("greet needs a server connection where nobody knows what one reports, or the session is to have one of its own", async () => {
  const waited = ["obtain", "asks", "watch", "rests"];
  for (
    const [how, did] of [
      [{}, ["greeted"]],
      [{ known: false }, [...waited, "clean", "greeted"]],
      [{ mode: "session" }, [...waited, "pid", "greeted"]],
      [{ mode: "session", room: false }, ["greeted"]],
      [{ mode: "session", room: false, known: false }, [...waited, "pid", "greeted"]],
    ] as const
  ) {
    const { greeting, ...it } = newcomer(how);
    await greeting();
    deepEqual([it.did, it.counters.logins], [did, 1], JSON.stringify(how));
  }
});

Deno.test("greet throws why no server connection could be had", async () => {
  const error = new PgplexError("query_timeout", "canceling statement due to query_timeout");
  const { greeting, counters } = newcomer({ known: false, error });
  await rejects(greeting(), error);
  equal(counters.logins, 0);
});
