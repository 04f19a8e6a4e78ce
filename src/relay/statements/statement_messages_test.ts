import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RecordingSink, Rig } from "../../../tests/harness/rig.ts";
import { typesOf } from "../../../tests/harness/relay_play.ts";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { Owed, StatementStore } from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { ClientCursor, Need } from "../client_cursor.ts";
import { StatementMessages } from "./statement_messages.ts";
import { UNNAMED_BYTES_MAX } from "./unnamed_memory.ts";

/** The message is at hand, of a session that has statement `s`. */
function at(message: Uint8Array) {
  const store = new StatementStore();
  const { relay, steering } = new Rig({ statements: store, renames: true, acquire: () => null });
  const { server, stream } = fakeServer({ statements: store });
  relay.leaseBegins(server, false);
  const statement = store.use("SELECT 1\0\0\0");
  relay.names.set("s", statement);
  const cursor = new ClientCursor(relay);
  const messages = new StatementMessages(relay, cursor, steering);
  cursor.start(message, 0, message.length);
  cursor.beginMessage(0);
  cursor.readLength();
  const sent = async () => {
    await server.out.flush();
    return stream.taken();
  };
  const out = new RecordingSink();
  const fails = () => {
    server.owed.error("26000", (reply) => out.put(reply));
    out.flush();
    return new TextDecoder().decode(out.taken());
  };
  return { relay, store, server, statement, cursor, messages, sent, fails };
}

const bind = frontend.bind({ statement: "s", portal: "p" });
/** Where its statement's name lies. */
const [nameStart, nameEnd] = [7, 8];

Deno.test("StatementMessages.putRenamed gives a Bind the statement's name on servers, and the length that goes with it", async () => {
  const { cursor, statement, messages, sent } = at(bind.slice());
  messages.putRenamed(statement, null, nameStart, nameEnd);
  cursor.finish(cursor.passWhole());
  const parse = frontend.parse("SELECT 1", { name: "pgplex:1" });
  deepEqual(await sent(), frontend.concat([parse, frontend.bind({ statement: "pgplex:1", portal: "p" })]));
});

Deno.test("StatementMessages.refuse makes the server fail, and names what is missing, or was too large", async () => {
  const missing = at(bind);
  missing.cursor.finish(missing.cursor.takeRest(missing.messages.refuse(nameStart, nameEnd)));
  equal(typesOf(await missing.sent()), "B");
  equal(missing.fails().includes('prepared statement "s" does not exist'), true);
  const large = at(frontend.bind());
  large.relay.names.unnamed.begin(UNNAMED_BYTES_MAX + 1);
  large.messages.refuse(6, 6);
  equal(large.fails().includes("too large to be kept"), true);
});

Deno.test("StatementMessages.fail leaves the message out", async () => {
  const { cursor, messages, sent, fails } = at(bind);
  cursor.finish(cursor.takeRest(messages.fail(new PgplexError("statement_missing", "so it is"))));
  deepEqual(await sent(), frontend.bind({ statement: "pgplex:poison" }));
  equal(fails().includes("so it is"), true);
});

Deno.test("StatementMessages.doubtful waits for an earlier batch that decides on the name or the statement", () => {
  const { relay, server, statement, cursor, messages } = at(bind);
  equal(messages.doubtful(statement, nameStart, nameEnd), false);
  relay.changes.repeat("s", 7, { done() {}, undo() {} });
  deepEqual([messages.doubtful(null, nameStart, nameEnd), cursor.need], [true, Need.Replies]);
  server.prepared.inFlight.begin(statement, 7);
  equal(messages.statementDoubtful(statement), true);
  server.prepared.inFlight.settle(statement);
  equal(messages.statementDoubtful(statement), false);
});

Deno.test("StatementMessages.dropped knows a DEALLOCATE ALL that stands before in the batch", () => {
  const { relay, server, messages } = at(bind);
  equal(messages.dropped(nameStart, nameEnd), false);
  relay.changes.drops.begin(server.owed, false);
  server.owed.sent(Owed.Execute);
  equal(messages.dropped(nameStart, nameEnd), true);
});

Deno.test("StatementMessages.runs puts what a statement needs in front of it", async () => {
  const { relay, messages, sent } = at(bind);
  const text = "EXECUTE s";
  const fingerprint = relay.watch.look(new TextEncoder().encode(text), 0, text.length);
  equal(messages.runs(fingerprint), true);
  deepEqual(await sent(), frontend.parse("SELECT 1", { name: "s" }));
  deepEqual([relay.watch.ran.length, messages.parses(fingerprint)], [1, true]);
});
