import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { StatementStore } from "../../backend/mod.ts";
import { readAs, readingAt } from "./read_as.ts";

Deno.test("readingAt is that of the settings which held when the client prepared it, where they matter", () => {
  const { server } = fakeServer();
  const store = new StatementStore();
  const then = { literals: "then", constants: "" };
  const now = server.settings.reading.literals;
  equal(readingAt(server, store.use("SELECT 'a'", then)), "then");
  equal(readingAt(server, store.use("/* a */ (WITH a AS (SELECT 'a') TABLE a)", then)), "then");
  equal(readingAt(server, store.use("SELECT 1", then)), now);
  equal(readingAt(server, store.use("CREATE INDEX CONCURRENTLY i ON t (a) WHERE b = 'c'", then)), now);
  equal(readingAt(server, store.use("SELECT 'a'", null)), now);
  equal(readingAt(server, store.use("SELECT 'a'")), now);
});

Deno.test("readAs sets what differs in front of what it puts, and puts it back behind", async () => {
  const { server, stream } = fakeServer();
  server.state.reports("DateStyle", "German");
  const then = server.settings.reading.literals;
  server.state.reports("DateStyle", "ISO");
  const sent = async () => {
    await server.out.flush();
    return new TextDecoder().decode(stream.taken());
  };
  const put = () => server.out.put(new TextEncoder().encode("(put)"));
  readAs(server, server.settings.reading.literals, put);
  equal(await sent(), "(put)");
  readAs(server, then, put);
  const text = await sent();
  const order = ["German", "(put)", "ISO"].map((what) => text.indexOf(what));
  deepEqual(order, [...order].sort((a, b) => a - b));
  equal(order.includes(-1), false);
});
