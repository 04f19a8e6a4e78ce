import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";

const { parse, bind, describe, execute, close, flush, sync } = frontend;
const show = parse("SHOW pgplex.tag");

Deno.test("ShowBatch answers a batch about SHOW alone without a server, in the order of its messages", async () => {
  const play = new RelayPlay();
  equal(
    await play.say(show, describe("S"), bind(), describe("P"), execute(), close("P"), sync()),
    "1tT2TDC3Z",
  );
  equal(play.sent(), "");
});

Deno.test("ShowBatch suspends a portal of which one row was asked, and knows a named statement in the next batch", async () => {
  const play = new RelayPlay();
  equal(await play.say(parse("SHOW pgplex.tag", { name: "s" }), sync()), "1Z");
  equal(await play.say(bind({ statement: "s" }), execute({ rowsMax: 1 }), execute(), sync()), "2DsCZ");
  equal(await play.say(close("S", "s"), sync()), "3Z");
  equal(play.sent(), "");
  equal(await play.say(bind({ statement: "s" }), sync()), "E26000 Z");
});

Deno.test("ShowBatch waits for the whole of a batch, and answers nothing of it before", async () => {
  const play = new RelayPlay();
  equal(await play.say(show, bind()), "");
  equal(await play.say(execute(), sync()), "12DCZ");
});

Deno.test("ShowBatch skips what stands behind an error in its batch", async () => {
  const play = new RelayPlay();
  equal(await play.say(parse("SHOW pgplex.nothing"), bind(), execute(), sync()), "E42704 Z");
  equal(play.sent(), "");
});

Deno.test("ShowBatch leaves a batch alone that is about something else too, in whatever order", async () => {
  const other = [
    parse("SELECT 1", { name: "o" }),
    bind({ statement: "o", portal: "o" }),
    execute({ portal: "o" }),
  ];
  for (const batch of [[show, bind(), execute(), ...other, sync()], [show, bind(), flush()]]) {
    const play = new RelayPlay();
    await play.tell(...batch);
    deepEqual([play.heard(), play.rig.server !== null], ["", true]);
  }
});

Deno.test("ShowBatch leaves all to the server in session pooling", async () => {
  const play = new RelayPlay({ renames: false });
  await play.tell(show, bind(), execute(), sync());
  equal(play.rig.server !== null, true);
});
