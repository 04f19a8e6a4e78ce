import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { StatementStore } from "../../backend/mod.ts";
import { readAs, readingAt, readNow, unnamedReadingAt } from "./read_as.ts";

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
  const then = readNow(server);
  server.state.reports("DateStyle", "ISO");
  const sent = async () => {
    await server.out.flush();
    return new TextDecoder().decode(stream.taken());
  };
  const put = () => server.out.put(new TextEncoder().encode("(put)"));
  readAs(server, readNow(server), put);
  equal(await sent(), "(put)");
  readAs(server, then, put);
  const text = await sent();
  const order = ["German", "(put)", "ISO"].map((what) => text.indexOf(what));
  deepEqual(order, [...order].sort((a, b) => a - b));
  equal(order.includes(-1), false);
});

Deno.test("readAs sets the search_path too, and puts it back", async () => {
  const { server, stream } = fakeServer();
  server.state.reports("search_path", "now");
  readAs(
    server,
    { ...readNow(server), path: "then" },
    () => server.out.put(new TextEncoder().encode("(put)")),
  );
  await server.out.flush();
  const text = new TextDecoder().decode(stream.taken());
  const order = ["then", "(put)", "now"].map((what) => text.indexOf(what));
  deepEqual(order, [...order].sort((a, b) => a - b));
  equal(order.includes(-1), false);
});

Deno.test("unnamedReadingAt is that of the settings which held at its Parse, where they matter", () => {
  const { server } = fakeServer();
  const now = server.settings.reading.literals;
  const at = (text: string, reading = "then") =>
    unnamedReadingAt(server, { body: new TextEncoder().encode(`\0${text}\0\0\0`), reading });
  equal(at("SELECT 'a'"), "then");
  equal(at("SELECT 'a'", ""), now);
  equal(at("SELECT 1"), now);
  equal(at("DISCARD ALL /* 'a' */"), now);
});
