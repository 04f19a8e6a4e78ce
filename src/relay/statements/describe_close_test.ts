import { strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";

const { parse, bind, execute, describe, close, sync } = frontend;

async function prepared(): Promise<RelayPlay> {
  const play = new RelayPlay();
  await play.say(parse("SELECT 1", { name: "s" }), sync());
  play.sent();
  return play;
}

Deno.test("DescribeClose describes a statement by its name on servers, and remembers what the client is told", async () => {
  const play = await prepared();
  equal(await play.say(describe("S", "s"), sync()), "tTZ");
  equal(play.sent(), "D Spgplex:1; S");
  equal(play.rig.relay.names.toldOf("s")?.row !== null, true);
});

Deno.test("DescribeClose fails a Describe of what there is not, and passes one of a portal", async () => {
  const play = await prepared();
  equal(await play.say(describe("S", "t"), sync()), "E26000 Z");
  play.sent();
  equal(await play.say(bind({ statement: "s" }), describe("P"), sync()), "2TZ");
  equal(play.sent(), "B pgplex:1; D P; S");
});

Deno.test("DescribeClose describes the unnamed statement, which is sent again where it is missing", async () => {
  const play = new RelayPlay();
  equal(await play.say(describe("S"), sync()), "E26000 Z");
  await play.say(parse("SELECT 1"), sync());
  play.server.connection.unnamed.clear();
  play.sent();
  equal(await play.say(describe("S"), sync()), "tTZ");
  equal(play.sent(), "P SELECT 1; D S; S");
});

Deno.test("DescribeClose: a Close takes the name, and the server hears nothing of it", async () => {
  const play = await prepared();
  equal(await play.say(bind({ statement: "s" }), close("S", "s"), execute(), sync()), "23DCZ");
  equal(play.sent(), "B pgplex:1; E; S");
  equal(await play.say(describe("S", "s"), sync()), "E26000 Z");
});

Deno.test("DescribeClose: a Close that the server would skip leaves the name", async () => {
  const play = await prepared();
  equal(await play.say(bind({ statement: "none" }), close("S", "s"), sync()), "E26000 Z");
  equal(await play.say(describe("S", "s"), sync()), "tTZ");
});

Deno.test("DescribeClose: a Close goes to the server where that answers for the name, and one of a portal always", async () => {
  const play = await prepared();
  await play.say(bind({ statement: "s" }), close("P"), sync());
  equal(play.sent(), "B pgplex:1; C P; S");
  await play.say(frontend.query("begin"));
  play.server.connection.foreignNames.add("s");
  play.sent();
  equal(await play.say(close("S", "s"), sync()), "3Z");
  equal(play.sent(), "C Ss; S");
  equal(play.rig.relay.names.size, 0);
});
