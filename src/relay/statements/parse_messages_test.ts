import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";
import { STATEMENT_BYTES_MAX } from "./parse_messages.ts";

const { parse, bind, execute, describe, close, sync, query } = frontend;
const named = (text: string) => parse(text, { name: "s" });

Deno.test("ParseMessages gives servers a name of pgplex's, one for a text whoever prepares it", async () => {
  const play = new RelayPlay();
  equal(await play.say(named("SELECT 1"), parse("SELECT 1", { name: "t" }), sync()), "11Z");
  equal(play.sent(), "P pgplex:1 SELECT 1; C Spgplex:1; P pgplex:1 SELECT 1; S");
});

Deno.test("ParseMessages refuses a name that is taken, behind what the definition fails by itself", async () => {
  const play = new RelayPlay();
  await play.say(named("SELECT 1"), sync());
  equal(await play.say(named("SELECT 2"), sync()), "E42P05 Z");
  equal(await play.say(named("SELECT bad"), sync()), "E42601 Z");
  equal(await play.say(bind({ statement: "s" }), execute(), sync()), "2DCZ");
});

Deno.test("ParseMessages: a name whose Parse failed is free, and one that DEALLOCATE ALL ends in the same batch", async () => {
  const play = new RelayPlay();
  equal(await play.say(named("SELECT bad"), sync()), "E42601 Z");
  equal(await play.say(named("SELECT 1"), sync()), "1Z");
  equal(await play.say(parse("deallocate all"), bind(), execute(), named("SELECT 2"), sync()), "12C1Z");
  equal(await play.say(describe("S", "s"), sync()), "tTZ");
});

Deno.test("ParseMessages puts the text that steering makes in place of the client's, and its notice first", async () => {
  const play = new RelayPlay({ directives: "warn" });
  await play.say(query("begin"));
  play.sent();
  await play.tell(named("SHOW pgplex.tag"), sync());
  await play.server.connection.out.flush();
  const sent = play.sent();
  deepEqual([sent.startsWith("P pgplex:1 SELECT coalesce("), sent.includes("SHOW")], [true, false]);
});

Deno.test("ParseMessages fails a statement whose directive is wrong, in the strict mode", async () => {
  const play = new RelayPlay({ directives: "strict" });
  await play.say(query("begin"));
  equal(await play.say(named("--!pgplex nonsense\nSELECT 1"), sync()), "E42601 Z");
});

Deno.test("ParseMessages refuses a text that is too long to be made again elsewhere", async () => {
  const play = new RelayPlay();
  const long = named("x".repeat(STATEMENT_BYTES_MAX));
  await play.rig.say(long.subarray(0, 1000));
  await play.answer();
  const heard = new TextDecoder().decode(play.rig.out.taken());
  equal(heard.includes("the prepared statement is too large for transaction pooling"), true);
});

Deno.test("ParseMessages leaves names as they are in session pooling", async () => {
  const play = new RelayPlay({ renames: false });
  await play.say(named("SELECT 1"), close("S", "s"), sync());
  equal(play.sent(), "P s SELECT 1; C Ss; S");
});
