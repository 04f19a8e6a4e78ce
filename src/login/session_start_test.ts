import {
  deepStrictEqual as deepEqual,
  notStrictEqual,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { Settings } from "../backend/mod.ts";
import { FramedReader } from "../transport/mod.ts";
import type { Authenticated } from "./authentication.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { FakeWorker, PEER, TRUST } from "./fake_worker_test.ts";
import { startSession } from "./session_start.ts";

const ROUTE = { cluster: "main", database: "app", alias: null };
const OK = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0);

/** A worker with these pool settings, and sessions that begin with these startup parameters. */
function rig(pool = "") {
  const worker = new FakeWorker(`${TRUST}auth: { type: trust }\npool: { ${pool} }\n`);
  const start = (params: Record<string, string>, minor = 0) => {
    const client = new FakeClient();
    const authenticated: Authenticated = {
      reader: new FramedReader(client.stream, frontend.terminate()),
      tls: null,
      startup: {
        minor,
        params: new Map(Object.entries({ user: "alice", database: "app", ...params })),
        protocolOptions: [],
      },
      user: "alice",
      database: "app",
      credentials: NO_CREDENTIALS,
      admission: OK,
    };
    const serve = startSession(worker, authenticated, { route: ROUTE, peer: PEER });
    const session = [...worker.sessions].at(-1)!;
    return { client, session, facts: session.facts, serve };
  };
  return { worker, start };
}

Deno.test("startSession makes a session that counts at once, is served to its end, and counts no more", async () => {
  const { worker, start } = rig();
  const { client, serve, session } = start({});
  equal(worker.sessions.has(session), true);
  await serve();
  equal(worker.sessions.size, 0);
  deepEqual([client.heard(), client.stream.closed], ["RSSSSKZ", true]);
  await worker.end();
});

Deno.test("startSession knows whoever logged in", () => {
  const { facts, session } = rig().start({}, 9);
  deepEqual([facts.user, facts.database, facts.peer, facts.minor, facts.tls], [
    "alice",
    "app",
    PEER,
    2,
    null,
  ]);
  deepEqual(session.destination.key, { ...ROUTE, user: "alice", purpose: "clients" });
});

Deno.test("startSession: startup parameters are the base, whatever their order and case, but for pgplex's and the name", () => {
  const { start } = rig();
  const first = start({
    TimeZone: "CET",
    search_path: "a",
    application_name: "one",
    "pgplex.query_timeout": "5s",
  });
  const second = start({ SEARCH_PATH: "a", application_name: "two", timezone: "CET" });
  equal(first.facts.base.key, '[["search_path","a"],["timezone","CET"]]');
  equal(second.facts.base.key, first.facts.base.key);
  deepEqual([...first.facts.base.params], [["search_path", "a"], ["TimeZone", "CET"]]);
  deepEqual([first.facts.applicationName, second.facts.applicationName], ["one", "two"]);
  deepEqual([...first.facts.options], [["query_timeout", 5000]]);
  notStrictEqual(start({ TimeZone: "UTC" }).facts.base.key, first.facts.base.key);
});

Deno.test("startSession leaves application_name in the base of a session that keeps its server", () => {
  const { facts } = rig("pool_mode: session").start({ application_name: "one" });
  deepEqual([facts.mode, facts.base.key, facts.applicationName], [
    "session",
    '[["application_name","one"]]',
    null,
  ]);
});

Deno.test("startSession takes the mode of the connection string before that of the pool", () => {
  const { start } = rig();
  deepEqual([start({}).facts.mode, start({ "pgplex.pool_mode": "session" }).facts.mode], [
    "transaction",
    "session",
  ]);
});

Deno.test("startSession refuses an option that is none, and no session is left behind", () => {
  const { worker, start } = rig();
  throws(() => start({ "pgplex.pool_mod": "session" }), { code: "unknown_option" });
  equal(worker.sessions.size, 0);
});

Deno.test("startSession begins in the reign of defaults that holds", () => {
  const { worker, start } = rig();
  worker.pools.defaultsChanged("other");
  equal(start({}).facts.base.key, "[]");
  worker.pools.defaultsChanged("main");
  equal(start({}).facts.base.key, "[1]");
});

Deno.test("startSession gives sessions with a base that is known one object", () => {
  const { start } = rig();
  const { session, facts } = start({ TimeZone: "CET" });
  session.destination.greetings.learn(facts.base, Settings.none);
  equal(start({ TimeZone: "CET" }).facts.base, facts.base);
});
