import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";

const { parse, bind, execute, describe, close, sync, flush, concat } = frontend;

Deno.test("UnnamedStatement records the Parse as it passes, in whatever pieces", async () => {
  const play = new RelayPlay();
  const message = parse(`SELECT ${"x".repeat(30_000)}`);
  const bytes = concat([message, flush()]);
  for (let at = 0; at < bytes.length; at += 999) await play.rig.say(bytes.subarray(at, at + 999));
  await play.answer();
  deepEqual(play.rig.relay.names.unnamed.body, message.subarray(5));
  equal(play.rig.relay.onServer.hasUnnamed(play.server.connection), true);
});

Deno.test("UnnamedStatement asks for the whole text where that is looked at", async () => {
  const play = new RelayPlay();
  const bytes = concat([parse("SELECT 1"), flush()]);
  await play.rig.say(bytes.subarray(0, 12));
  equal(play.rig.clientScan.wanted > 12, true);
  await play.rig.say(bytes.subarray(12));
  await play.answer();
  equal(play.rig.relay.names.unnamed.fingerprint.traits.text, "SELECT ?");
});

Deno.test("UnnamedStatement.close ends it at once, and the client hears of it behind what is owed", async () => {
  const play = new RelayPlay();
  equal(await play.say(parse("SELECT 1"), close("S", ""), describe("S"), sync()), "13E26000 Z");
});

Deno.test("UnnamedStatement is sent again for another lease, with the types that the client was told", async () => {
  const play = new RelayPlay();
  await play.say(parse("SELECT 1", { types: [23] }), sync());
  play.rig.relay.names.unnamed.describe().parameters = "\0\x01\0\0\0A";
  play.server.connection.unnamed.clear();
  play.sent();
  await play.tell(bind(), execute(), sync());
  await play.server.connection.out.flush();
  equal(play.sent(), "P SELECT 1 A; B; E; S");
});
