import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { fakeServer } from "./fake_server_test.ts";
import {
  bindInternal,
  executeInternal,
  runInternal,
  runInternalAmid,
  runInternalAs,
  syncInternal,
} from "./internal_statement.ts";
import { Mark, Owed } from "./owed_entries.ts";

const { parse, bind, execute, sync, close, concat } = frontend;

const amid = (bound: Parameters<typeof bind>[0]) => {
  const portal = "pgplex:internal";
  return [bind({ ...bound, portal }), execute({ portal }), close("P", portal)];
};

Deno.test("runInternal sends a statement whose replies are nobody's, by the unnamed statement", async () => {
  const { server, stream } = fakeServer();
  server.unnamed.parseSent(server, 1, 0);
  const seen: string[] = [];
  runInternal(server, "SELECT $1", {
    values: ["a"],
    effect: { done: () => seen.push("done"), undo: () => seen.push("undone") },
  });
  syncInternal(server);
  await server.out.flush();
  deepEqual(stream.taken(), concat([parse("SELECT $1"), bind({ values: ["a"] }), execute(), sync()]));
  equal(server.unnamed.holds(server, 1), false);
  const { owed } = server;
  deepEqual([owed.reply(Owed.Parse), owed.reply(Owed.Bind)], [
    Owed.Parse | Mark.Swallow,
    Owed.Bind | Mark.Swallow,
  ]);
  deepEqual(seen, []);
  equal((owed.reply(Owed.Execute) & Mark.Swallow) > 0, true);
  deepEqual([seen, owed.ready()], [["done"], Owed.Sync | Mark.Swallow]);
});

Deno.test("runInternal undoes its effect where the server skips the statement", () => {
  const { server } = fakeServer();
  let undone = 0;
  runInternal(server, "x", { effect: { done() {}, undo: () => undone++ } });
  server.owed.error("42601", () => {});
  equal(undone, 1);
});

Deno.test("bindInternal and executeInternal are runInternal in two parts", async () => {
  const { server, stream } = fakeServer();
  runInternal(server, "x");
  bindInternal(server, "x");
  executeInternal(server);
  await server.out.flush();
  const one = concat([parse("x"), bind(), execute()]);
  deepEqual(stream.taken(), concat([one, one]));
  equal(server.owed.length, 6);
});

Deno.test("runInternalAmid leaves the unnamed portal alone, and nothing of its own", async () => {
  const { server, stream } = fakeServer();
  const seen: string[] = [];
  const effect = { done: () => seen.push("done"), undo: () => seen.push("undone") };
  runInternalAmid(server, "x", { values: ["a"], effect });
  await server.out.flush();
  deepEqual(stream.taken(), concat([parse("x"), ...amid({ values: ["a"] })]));
  for (const kind of [Owed.Parse, Owed.Bind]) equal(server.owed.reply(kind), kind | Mark.Swallow);
  equal((server.owed.reply(Owed.Execute) & Mark.Swallow) > 0, true);
  deepEqual([seen, server.owed.reply(Owed.Close)], [["done"], Owed.Close | Mark.Swallow]);
});

Deno.test("runInternalAs leaves the unnamed statement alone, and nothing behind", async () => {
  const { server, stream } = fakeServer();
  server.unnamed.parseSent(server, 1, 0);
  runInternalAs(server, "n", "x");
  await server.out.flush();
  const ends = close("S", "n");
  deepEqual(
    stream.taken(),
    concat([ends, parse("x", { name: "n" }), ...amid({ statement: "n" }), ends]),
  );
  equal(server.unnamed.holds(server, 1), true);
  for (const kind of [Owed.Close, Owed.Parse, Owed.Bind, Owed.Execute, Owed.Close, Owed.Close]) {
    equal(server.owed.reply(kind), kind | Mark.Swallow);
  }
});
