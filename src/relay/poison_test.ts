import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { fakeServer } from "../backend/fake_server_test.ts";
import { Owed } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { poison, refuse, refuseDuplicate } from "./poison.ts";

const error = new PgplexError("statement_missing", "no such thing");
const bind = frontend.bind({ statement: "pgplex:poison" });
const close = frontend.close("S", "pgplex:tried");

/** What the client hears when the server fails the message at the head with this SQLSTATE; null: the server's words. */
function heard(server: ReturnType<typeof fakeServer>["server"], sqlstate: string): string | null {
  let text: string | null = null;
  server.owed.error(sqlstate, (reply) => text = new TextDecoder().decode(reply));
  return text;
}

Deno.test("poison makes the server fail, and tells the client another error for it, but for that one only", async () => {
  const { server, stream } = fakeServer();
  poison(server, error);
  await server.out.flush();
  deepEqual(stream.taken(), bind);
  equal(heard(server, "26000")?.includes("no such thing"), true);
  const other = fakeServer().server;
  poison(other, error);
  equal(heard(other, "25P02"), null);
});

Deno.test("refuse lets an aborted transaction tell of itself first", async () => {
  const { server, stream } = fakeServer();
  server.unnamed.parseSent(server, 1, 0);
  refuse(server, error);
  await server.out.flush();
  const parse = frontend.parse("SELECT", { name: "pgplex:tried" });
  deepEqual(stream.taken(), frontend.concat([close, parse, close, bind]));
  equal(server.unnamed.holds(server, 1), true);
  server.owed.reply(Owed.Close);
  equal(heard(server, "25P02"), null);
});

Deno.test("refuseDuplicate lets the definition fail by itself first, with whatever error", async () => {
  const { server, stream } = fakeServer();
  refuseDuplicate(server, "s", "SELECT 1\0\0\0");
  await server.out.flush();
  const parse = frontend.parse("SELECT 1", { name: "pgplex:tried" });
  deepEqual(stream.taken(), frontend.concat([close, parse, close, bind]));
  server.owed.reply(Owed.Close);
  server.owed.reply(Owed.Parse);
  server.owed.reply(Owed.Close);
  equal(heard(server, "26000")?.includes('prepared statement "s" already exists'), true);
  const failing = fakeServer().server;
  refuseDuplicate(failing, "s", "EXECUTE nosuch\0\0\0");
  failing.owed.reply(Owed.Close);
  equal(heard(failing, "26000"), null);
});
