import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { ModelServer } from "../../tests/harness/model_server.ts";
import { StatementStore } from "../backend/mod.ts";
import { Rig, RigServer } from "../../tests/harness/rig.ts";

const { concat } = frontend;

/** A session in transaction pooling on one server; `turn` says something and hears everything. */
function served() {
  const statements = new StatementStore();
  const server = new RigServer({ statements });
  const model = new ModelServer();
  const rig = new Rig({ statements, renames: true, acquire: () => server.holder === null ? server : null });
  const answer = async () => {
    for (let bytes = model.receive(server.stream.taken()); bytes.length > 0;) {
      await server.say(bytes);
      bytes = model.receive(server.stream.taken());
    }
  };
  const turn = async (...messages: Uint8Array[]) => {
    await rig.say(concat(messages));
    await answer();
    return heard(rig);
  };
  return { rig, server, model, answer, turn };
}

/** The types of what the client heard, with the SQLSTATE of errors. */
function heard(rig: Rig): string {
  const bytes = rig.out.taken();
  let types = "";
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + new DataView(bytes.buffer).getInt32(at + 1);
    const type = String.fromCharCode(bytes[at]!);
    const sqlstate = /\0C(\w{5})\0/.exec(new TextDecoder().decode(bytes.subarray(at + 5, end)))?.[1];
    types += type === "E" ? `E${sqlstate} ` : type;
    at = end;
  }
  return types;
}

const failing = frontend.bind({ statement: "nope" });
const bindSync = concat([frontend.bind(), frontend.sync()]);

Deno.test("a Bind of the unnamed statement waits while an earlier batch, which may fail, parses it on this server", async () => {
  const { rig, server, answer, turn } = served();
  equal(await turn(frontend.parse("rows 1 1"), frontend.sync()), "1Z");
  server.connection.unnamed.clear(); // another session was here
  const rest = await rig.say(concat([failing, frontend.bind(), frontend.sync(), bindSync]));
  deepEqual([rest.length, rig.waiting], [0, "replies"]);
  await answer();
  equal(heard(rig), "E26000 Z2Z");
  equal(rig.waiting, "bytes");
});

Deno.test("a Bind of a named statement waits while an earlier batch, which may fail, parses it on this server", async () => {
  const { rig, server, model, answer, turn } = served();
  equal(await turn(frontend.parse("rows 1 1", { name: "s" }), frontend.sync()), "1Z");
  server.connection.prepared.clear(); // as on a server that does not have it yet
  model.statements.clear();
  const bind = frontend.bind({ statement: "s" });
  await rig.say(concat([failing, bind, frontend.sync(), bind, frontend.sync()]));
  equal(rig.waiting, "replies");
  await answer();
  equal(heard(rig), "E26000 Z2Z");
});

Deno.test("a Parse of a name waits while an earlier batch, which may fail, closes it", async () => {
  const { rig, answer, turn } = served();
  const parse = frontend.parse("rows 1 1", { name: "s" });
  equal(await turn(parse, frontend.sync()), "1Z");
  await rig.say(concat([failing, frontend.close("S", "s"), frontend.sync(), parse, frontend.sync()]));
  equal(rig.waiting, "replies");
  await answer();
  equal(heard(rig), "E26000 ZE42P05 Z");
});

Deno.test("nothing waits on a batch of its own, or on replies that decide nothing", async () => {
  const { rig, answer } = served();
  const parse = frontend.parse("rows 1 1");
  await rig.say(concat([parse, bindSync, parse, bindSync, frontend.query("x"), parse, bindSync]));
  equal(rig.waiting, "bytes");
  await answer();
  equal(heard(rig), "12Z12ZE42601 Z12Z");
});

Deno.test("an unnamed statement that a later batch parsed outlives the failure of an earlier one", async () => {
  const { rig, server, model, turn } = served();
  // The later Parse went out before the earlier one's error came.
  await rig.say(
    concat([frontend.parse("bad"), frontend.bind(), frontend.sync(), frontend.parse("rows 1 1")]),
  );
  const answer = model.receive(server.stream.taken());
  await server.say(answer);
  equal(heard(rig), "E42601 Z1");
  equal(await turn(bindSync), "2Z");
});

Deno.test("Close of the unnamed statement ends it at once, and never the one that is parsed behind it", async () => {
  const { turn } = served();
  const parse = frontend.parse("rows 1 1");
  const close = frontend.close("S", "");
  equal(await turn(parse, close, bindSync), "13E26000 Z");
  equal(await turn(parse, close, parse, frontend.sync()), "131Z");
  equal(await turn(bindSync), "2Z");
});

Deno.test("an unnamed Parse that is skipped behind the refusal of a duplicate leaves what was there", async () => {
  const { turn } = served();
  const named = frontend.parse("rows 1 1", { name: "s" });
  equal(await turn(frontend.parse("rows 2 1"), named, frontend.sync()), "11Z");
  equal(await turn(named, frontend.describe("S"), frontend.parse("rows 1 1"), frontend.sync()), "E42P05 Z");
  equal(await turn(frontend.bind(), frontend.execute(), frontend.sync()), "2DDCZ");
});

Deno.test("a Close or Parse of the unnamed statement that is skipped leaves what was there, however much stands between", async () => {
  const { turn } = served();
  const one = frontend.parse("rows 1 1");
  const run = concat([frontend.bind(), frontend.execute()]);
  const close = frontend.close("S", "");
  equal(await turn(frontend.parse("rows 3 1"), frontend.sync()), "1Z");
  equal(await turn(failing, close, one, close, one, run, frontend.sync()), "E26000 Z");
  equal(await turn(run, frontend.sync()), "2DDDCZ");
  equal(
    await turn(one, failing, frontend.parse("rows 2 1"), frontend.sync(), run, frontend.sync()),
    "1E26000 Z2DCZ",
  );
  equal(await turn(run, close, failing, one, frontend.sync()), "2DC3E26000 Z");
  equal(await turn(run, frontend.sync()), "E26000 Z");
});

Deno.test("a Parse of the unnamed statement that fails leaves none, in the middle of a batch too", async () => {
  const { turn } = served();
  const one = frontend.parse("rows 1 1");
  equal(await turn(one, bindSync), "12Z");
  equal(await turn(bindSync.subarray(0, -5), frontend.parse("bad"), one, frontend.sync()), "2E42601 Z");
  equal(await turn(bindSync), "E26000 Z");
});

Deno.test("a simple query behind a batch that fails ends the unnamed statement, whatever the batch would have brought back", async () => {
  const { turn } = served();
  const one = frontend.parse("rows 1 1");
  equal(await turn(one, frontend.sync()), "1Z");
  const batch = concat([failing, one, frontend.sync()]);
  equal(await turn(batch, frontend.query("rows 1 1"), bindSync), "E26000 ZTDCZE26000 Z");
});

Deno.test("a simple query that is skipped leaves the unnamed statement, and another one behind it too", async () => {
  const { turn } = served();
  const one = frontend.parse("rows 1 1");
  const query = frontend.query("rows 2 1");
  equal(await turn(one, frontend.sync()), "1Z");
  equal(await turn(failing, query, query, frontend.sync()), "E26000 Z");
  equal(await turn(bindSync), "2Z");
  equal(
    await turn(failing, query, frontend.parse("rows 3 1"), query, frontend.sync(), bindSync),
    "E26000 Z2Z",
  );
  equal(await turn(frontend.bind(), frontend.execute(), query, bindSync), "2DCTDDCZE26000 Z");
});
