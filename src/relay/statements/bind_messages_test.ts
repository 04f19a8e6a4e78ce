import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";

const { parse, bind, execute, sync, query, concat } = frontend;
const run = [bind({ statement: "s" }), execute(), sync()];

Deno.test("BindMessages gives the statement its name on servers, and makes it where it is missing", async () => {
  const play = new RelayPlay();
  await play.say(parse("SELECT 1", { name: "s" }), sync());
  play.server.connection.prepared.clear();
  play.model.statements.clear();
  play.sent();
  equal(await play.say(...run), "2DCZ");
  equal(play.sent(), "P pgplex:1 SELECT 1; B pgplex:1; E; S");
});

Deno.test("BindMessages fails a Bind of what there is not, where it stands", async () => {
  const play = new RelayPlay();
  equal(await play.say(parse("SELECT 1"), ...run), "1E26000 Z");
  equal(await play.say(bind(), sync()), "2Z");
  await play.say(query("SELECT 1"));
  equal(await play.say(bind(), sync()), "E26000 Z");
});

Deno.test("BindMessages notes which name it was that failed, of several for one text", async () => {
  const play = new RelayPlay();
  const { names } = play.rig.relay;
  await play.say(parse("SELECT 1", { name: "s" }), parse("SELECT 1", { name: "t" }), sync());
  equal(await play.say(bind({ statement: "s" }), bind({ statement: "t" }), sync()), "22Z");
  equal(names.failed, null);
  play.model.statements.clear();
  const [s, t] = [bind({ statement: "s" }), bind({ statement: "t" })];
  equal(await play.say(t, s, sync()), "E26000 Z");
  equal(names.failed, "t");
  equal(await play.say(s, t, sync()), "E26000 Z");
  equal(names.failed, "s");
  equal(await play.say(bind({ statement: "nosuch" }), sync()), "E26000 Z");
  equal(names.failed, null);
});

Deno.test("BindMessages passes the values as they come, however long", async () => {
  const play = new RelayPlay();
  await play.say(parse("SELECT 1", { name: "s" }), sync());
  play.sent();
  const bytes = concat([bind({ statement: "s", values: ["v".repeat(50_000)] }), execute(), sync()]);
  for (let at = 0; at < bytes.length; at += 700) {
    equal((await play.rig.say(bytes.subarray(at, at + 700))).length, 0);
  }
  await play.answer();
  const [bound] = play.sent().split("; ");
  equal(bound!.match(/^B pgplex:1 .*?(v+)$/)?.[1]?.length, 50_000);
});

Deno.test("BindMessages sends the unnamed statement again where another session's is there", async () => {
  const play = new RelayPlay();
  await play.say(parse("SELECT 1"), sync());
  play.server.connection.unnamed.clear();
  play.sent();
  equal(await play.say(bind(), execute(), sync()), "2DCZ");
  equal(play.sent(), "P SELECT 1; B; E; S");
});

Deno.test("BindMessages lets the server answer for a statement that SQL names in this lease", async () => {
  const play = new RelayPlay();
  await play.say(query("begin"), parse("SELECT 1", { name: "s" }), sync());
  play.server.connection.foreignNames.add("s");
  play.sent();
  equal(await play.say(...run), "E26000 Z");
  equal(play.sent(), "B s; E; S");
});

Deno.test("BindMessages: a directive of the statement holds while it runs", async () => {
  const play = new RelayPlay({ directives: "warn" });
  await play.say(parse("--!pgplex query_timeout=5s\nSELECT 1", { name: "s" }), sync());
  await play.tell(...run);
  deepEqual([play.rig.steering.timed, play.rig.host.options.forStatement], [true, true]);
  await play.answer();
  deepEqual([play.heard(), play.rig.steering.timed], ["2DCZ", false]);
});

Deno.test("BindMessages ends a session whose names never end", async () => {
  const play = new RelayPlay();
  const bytes = bind({ statement: "n".repeat(10_000) });
  await rejects(play.rig.say(bytes.subarray(0, 9000)), /invalid string in message/);
});
