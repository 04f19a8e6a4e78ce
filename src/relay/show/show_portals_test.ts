import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";

const { parse, bind, execute, close, sync, query, concat, message, cstring, text } = frontend;

/** A session inside a transaction. */
async function begun(): Promise<RelayPlay> {
  const play = new RelayPlay();
  await play.say(query("begin"));
  return play;
}

/** The tags that the client heard. */
function tags(play: RelayPlay): string[] {
  const heard = new TextDecoder().decode(play.rig.out.taken());
  return [...heard.matchAll(/C\0\0\0[^]([A-Z]+)[^\0]*\0/g)].map((match) => match[1]!);
}

Deno.test("ShowPortals gives a portal of SHOW the tag SHOW, and others their own", async () => {
  const play = await begun();
  await play.tell(
    ...[
      parse("SHOW pgplex.tag", { name: "s" }),
      bind({ statement: "s", portal: "p" }),
      execute({ portal: "p" }),
    ],
    ...[parse("SELECT 1"), bind(), execute(), sync()],
  );
  await play.answer();
  deepEqual(tags(play), ["SHOW", "SELECT"]);
});

Deno.test("ShowPortals forgets a portal that is closed, or bound to something else", async () => {
  const play = await begun();
  await play.tell(
    ...[parse("SHOW pgplex.tag", { name: "s" }), bind({ statement: "s", portal: "p" }), close("P", "p")],
    ...[parse("SELECT 1"), bind({ portal: "p" }), execute({ portal: "p" }), sync()],
  );
  await play.answer();
  deepEqual(tags(play), ["SELECT"]);
});

Deno.test("ShowPortals: a portal of which one row was asked has no tag before it is asked again", async () => {
  const play = await begun();
  await play.tell(parse("SHOW pgplex.tag"), bind(), execute({ rowsMax: 1 }));
  await play.server.say(concat(["1", "2", "s"].map((type) => message(type))));
  deepEqual([play.heard(), play.server.connection.owed.settled], ["12s", true]);
  await play.tell(execute(), sync());
  await play.server.say(concat([message("C", cstring("SELECT 0")), message("Z", text("T"))]));
  deepEqual(tags(play), ["SHOW"]);
});

Deno.test("ShowPortals costs nothing where no SHOW was prepared", async () => {
  const play = await begun();
  await play.say(parse("SELECT 1"), bind(), execute(), sync());
  equal(play.rig.relay.attention.on, false);
  await play.say(parse("SHOW pgplex.tag"), sync());
  equal(play.rig.relay.attention.on, true);
  await play.say(query("SELECT 1"), query("SELECT 1"));
});

Deno.test("ShowPortals looks no more once the last portal of SHOW is closed", async () => {
  const play = await begun();
  await play.say(parse("SHOW pgplex.tag"), bind({ portal: "p" }), parse("SELECT 1"), frontend.flush());
  equal(play.rig.relay.attention.on, true);
  await play.say(close("P", "p"), sync());
  equal(play.rig.relay.attention.on, false);
});

Deno.test("ShowPortals looks for the Execute of DEALLOCATE ALL, and no more behind it", async () => {
  const play = await begun();
  const { attention, changes } = play.rig.relay;
  await play.tell(parse("DEALLOCATE ALL"), bind());
  equal(attention.on, true);
  equal(changes.drops.pending, false);
  await play.tell(execute());
  equal(changes.drops.pending, true);
  await play.tell(sync());
  await play.answer();
  await play.say(parse("SELECT 1"), bind(), execute(), sync());
  equal(attention.on, false);
});
