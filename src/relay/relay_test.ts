import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RecordingSink } from "../../tests/harness/rig.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed, StatementStore } from "../backend/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { Relay } from "./relay.ts";

function made() {
  const out = new RecordingSink();
  const store = new StatementStore();
  const relay = new Relay(out, store, { renames: true, preparedMax: 10, fingerprints: new Fingerprints() });
  const done: string[] = [];
  const effect = { done: () => done.push("done"), undo: () => done.push("undone"), reply: Uint8Array.of(7) };
  const taken = () => {
    out.flush();
    return [...out.taken()];
  };
  return { relay, store, done, effect, taken };
}

Deno.test("Relay.answer answers at once without a server, and behind what the server owes with one", () => {
  const { relay, done, effect, taken } = made();
  relay.answer(Owed.Close, effect);
  deepEqual([taken(), done], [[7], ["done"]]);
  const { server } = fakeServer();
  relay.leaseBegins(server, false);
  server.owed.sent(Owed.Parse);
  relay.answer(Owed.Close, effect);
  deepEqual([taken(), done], [[], ["done"]]);
  server.owed.reply(Owed.Parse);
  deepEqual([server.owed.nextLocal(), done], [effect.reply, ["done", "done"]]);
});

Deno.test("Relay.answer waits for the end of a message that passes to the client", () => {
  const { relay, effect, taken } = made();
  relay.progress.repliesTaken(true);
  relay.answer(Owed.Close, effect);
  deepEqual([taken(), relay.client.holding], [[], true]);
});

Deno.test("Relay.leaseBegins begins to watch anew, and leaseEnds leaves no server", () => {
  const { relay } = made();
  const { server } = fakeServer();
  relay.leaseBegins(server, false);
  relay.watch.runsOpaque();
  relay.watch.fails();
  relay.loginName.greeted("me");
  relay.loginName.wasReset();
  relay.leaseBegins(server, true);
  deepEqual([relay.server, relay.watch.ran.length, relay.watch.undone], [server, 0, false]);
  equal(relay.loginName.mayBeReset, false);
  const text = "SELECT lastval()";
  relay.preamble.runs(server, relay.watch.look(new TextEncoder().encode(text), 0, text.length), false);
  equal(server.owed.length, 3); // DISCARD SEQUENCES
  relay.leaseEnds();
  equal(relay.server, null);
});

Deno.test("Relay.forgetStatements forgets what the session and the server had, by every way", () => {
  const { relay, store } = made();
  const { server } = fakeServer({ statements: store });
  relay.leaseBegins(server, false);
  const statement = store.use("Q\0\0\0");
  relay.names.set("s", statement);
  server.prepared.add(statement);
  server.foreignNames.add("s");
  relay.sql.found(server, new Map([["t", "PREPARE t AS SELECT 1"]]));
  relay.forgetStatements(server);
  deepEqual(
    [relay.names.size, server.prepared.size, server.foreignNames.size, relay.sql.texts.size, store.size],
    [0, 0, 0, 0, 0],
  );
  equal(server.sqlStatements.size, 0);
});

Deno.test("Relay.plansDiscarded has the session's own statements read anew, and others' prepared again", () => {
  const { relay, store } = made();
  const { server } = fakeServer({ statements: store });
  relay.leaseBegins(server, false);
  const [own, others] = [store.use("SELECT 'a'\0\0\0"), store.use("SELECT 'b'\0\0\0")];
  relay.names.set("s", own);
  for (const statement of [own, others]) server.prepared.add(statement, "public");
  relay.sql.found(server, new Map([["t", "PREPARE t AS SELECT 'c'"]]));
  server.unnamed.parseSent(others, 1, 0);
  relay.plansDiscarded(server);
  deepEqual([own, others].map((statement) => server.prepared.isStale(statement, "public")), [true, true]);
  equal(server.unnamed.holds(others, 1), false);
  const t = relay.sql.texts.get("t")!;
  deepEqual([t.literals, server.sqlStatements.get("t") === t], [null, true]);
  relay.names.used("s", "as now");
  equal(relay.names.findName("s")?.reading?.literals, "as now");
  relay.names.used("s", "as later");
  equal(relay.names.findName("s")?.reading?.literals, "as now");
});
