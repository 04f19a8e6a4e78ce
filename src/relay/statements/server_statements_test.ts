import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { Mark, Owed, StatementStore } from "../../backend/mod.ts";
import { RelayCounts } from "../counts.ts";
import { PreparedNames } from "./prepared_names.ts";
import { ServerStatements } from "./server_statements.ts";

function made(max = 10) {
  const store = new StatementStore();
  const names = new PreparedNames(store);
  const onServer = new ServerStatements(names, new RelayCounts(), max);
  const { server, stream } = fakeServer({ statements: store });
  const sent = async () => {
    await server.out.flush();
    return stream.taken();
  };
  const use = (text: string) => store.use(`${text}\0\0\0`);
  const parsed = () => server.owed.reply(Owed.Parse);
  return { names, onServer, server, sent, use, parsed };
}

const parse = (text: string, name: string) => frontend.parse(text, { name });

Deno.test("ServerStatements.ensure makes a statement where the server has none, or one of another search_path", async () => {
  const { onServer, server, sent, use, parsed } = made();
  const statement = use("a");
  onServer.ensure(server, statement, null);
  deepEqual([await sent(), parsed()], [parse("a", "pgplex:1"), Owed.Parse | Mark.Swallow | Mark.Effect]);
  onServer.ensure(server, statement, null);
  equal((await sent()).length, 0);
  server.state.reports("search_path", "other");
  onServer.ensure(server, statement, null);
  deepEqual(await sent(), frontend.concat([frontend.close("S", "pgplex:1"), parse("a", "pgplex:1")]));
});

Deno.test("ServerStatements makes a statement with literals under the settings that it was prepared under", async () => {
  const { onServer, server, sent } = made();
  const store = new StatementStore();
  server.state.reports("DateStyle", "German");
  const { reading } = server.settings;
  server.state.reports("DateStyle", "ISO, MDY");
  onServer.make(server, store.use("SELECT $1\0\0\0", reading), null);
  deepEqual(await sent(), parse("SELECT $1", "pgplex:1"));
  onServer.make(server, store.use("SELECT 'a'\0\0\0", reading), null);
  const bytes = new TextDecoder().decode(await sent());
  const order = ["German", "SELECT 'a'", "ISO, MDY"].map((text) => bytes.indexOf(text));
  deepEqual(order, [...order].sort((a, b) => a - b));
  equal(order.includes(-1), false);
  onServer.make(server, store.use("SELECT 'b'\0\0\0", null), null);
  deepEqual(await sent(), parse("SELECT 'b'", "pgplex:3"));
});

Deno.test("ServerStatements: what the server failed to make it has not, what it skipped to close it has still", () => {
  const { onServer, server, use, parsed } = made();
  const [a, b] = [use("a"), use("b")];
  onServer.make(server, a, null);
  server.owed.error("42601", () => {});
  equal(server.prepared.touch(a), false);
  server.owed.sent(Owed.Sync);
  server.owed.ready();
  onServer.make(server, b, null);
  parsed();
  server.owed.sent(Owed.Bind);
  onServer.closeIfHeld(server, b);
  equal(server.prepared.touch(b), false);
  server.owed.error("26000", () => {});
  deepEqual([server.prepared.touch(b), server.prepared.inFlight.size], [true, 0]);
});

Deno.test("ServerStatements keeps so many on a server, as many as the last limit says, and can close all", async () => {
  const { onServer, server, sent, use, parsed } = made(2);
  for (const text of ["a", "b", "c"]) {
    onServer.make(server, use(text), null);
    parsed();
  }
  equal(server.prepared.size, 2);
  onServer.limitTo(1);
  await sent();
  onServer.evict(server);
  deepEqual(await sent(), frontend.close("S", "pgplex:2"));
  onServer.closeAll(server);
  deepEqual([await sent(), server.prepared.size], [frontend.close("S", "pgplex:3"), 0]);
});

Deno.test("ServerStatements.parse leaves the reply to the client", async () => {
  const { onServer, server, sent, use } = made();
  const statement = use("a");
  const effect = onServer.parse(server, statement);
  deepEqual([await sent(), server.owed.length], [parse("a", "pgplex:1"), 0]);
  deepEqual([server.prepared.touch(statement), server.prepared.inFlight.has(statement)], [true, true]);
  effect.done();
  equal(server.prepared.inFlight.has(statement), false);
});

Deno.test("ServerStatements.ensureUnnamed sends the session's unnamed statement where the server's is another's", async () => {
  const { names, onServer, server, sent } = made();
  equal(onServer.ensureUnnamed(server), false);
  const body = frontend.parse("a").subarray(5);
  names.unnamed.begin(body.length);
  names.unnamed.record(body, 0, body.length);
  equal(onServer.hasUnnamed(server), false);
  deepEqual([onServer.ensureUnnamed(server), await sent()], [true, frontend.parse("a")]);
  deepEqual([onServer.ensureUnnamed(server), (await sent()).length], [true, 0]);
  server.owed.error("42601", () => {});
  equal(onServer.hasUnnamed(server), false);
});
