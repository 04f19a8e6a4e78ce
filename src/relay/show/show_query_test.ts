import { strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { RelayPlay } from "../../../tests/harness/relay_play.ts";

const { query } = frontend;

Deno.test("ShowQuery answers SHOW of an option without a server, and ends the unnamed statement", async () => {
  const play = new RelayPlay();
  await play.say(frontend.parse("SELECT 1"), frontend.sync());
  play.sent();
  equal(await play.say(query("SHOW pgplex.tag")), "TDCZ");
  equal(play.sent(), "");
  equal(await play.say(frontend.bind(), frontend.sync()), "E26000 Z");
});

Deno.test("ShowQuery answers what is wrong without a server, and leaves everything else to one", async () => {
  const play = new RelayPlay();
  equal(await play.say(query("SHOW pgplex.nothing")), "E42704 Z");
  equal(play.sent(), "");
  equal(await play.say(query("SHOW server_version")), "E42601 Z");
  equal(play.sent(), "Q SHOW server_version");
});

Deno.test("ShowQuery asks the server inside a transaction, whose row is the client's and whose tag is pgplex's", async () => {
  const play = new RelayPlay();
  await play.say(query("begin"));
  play.sent();
  await play.tell(query("SHOW pgplex.tag"));
  await play.server.connection.out.flush();
  const asked = play.sent();
  equal(asked.replace(/SELECT.*?;/, "SELECT;").replace(/ 'pgplex[^;]*/, ""), "P SELECT; B; D P; E; S");
  equal(/current_setting\('pgplex.tag'/.test(asked), true);
  await play.server.say(
    frontend.concat([
      frontend.message("1"),
      frontend.message("2"),
      frontend.message("T", frontend.int16(0)),
      frontend.message("D", frontend.int16(0)),
      frontend.message("C", frontend.cstring("SELECT 1")),
      frontend.message("Z", frontend.text("T")),
    ]),
  );
  const heard = new TextDecoder().decode(play.rig.out.taken());
  equal([heard[0], heard.includes("SHOW\0"), heard.includes("SELECT")].join(), "T,true,false");
});
