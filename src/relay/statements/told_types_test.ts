import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../../tests/harness/frontend.ts";
import { StatementStore } from "../../backend/mod.ts";
import { Rig, RigServer } from "../../../tests/harness/rig.ts";

const { bind, concat, cstring, describe, execute, int16, int32, message, parse, sync, text } = frontend;

const parameters = (...types: number[]) => message("t", int16(types.length), ...types.map(int32));
const row = (type: number) =>
  message("T", int16(1), cstring("a"), int32(0), int16(0), int32(type), int16(4), int32(-1), int16(0));
const [parsed, bound, closed, noData] = ["1", "2", "3", "n"].map((type) => message(type)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const complete = message("C", cstring("SELECT 1"));
const ready = message("Z", text("I"));
const missing = message("E", cstring("SERROR"), cstring("C26000"), cstring("Mno"), text("\0"));

/** A client of two servers: each of its leases is of the one that `use` named last. */
function pooled() {
  const statements = new StatementStore();
  const servers = [new RigServer({ statements, id: 1 }), new RigServer({ statements, id: 2 })] as const;
  let next = servers[0];
  const rig = new Rig({ statements, renames: true, acquire: () => next });
  /** The client says this; the types of the messages that the server gets. */
  const says = async (...messages: Uint8Array[]) => {
    await rig.say(concat(messages));
    return typesOf(next.stream.taken());
  };
  /** The server says this; what it gets then, and what the client hears. */
  const answers = async (...messages: Uint8Array[]) => {
    await next.say(concat(messages));
    return [typesOf(next.stream.taken()), typesOf(rig.out.taken())];
  };
  return { rig, says, answers, use: (index: 0 | 1) => void (next = servers[index]), servers };
}

function typesOf(bytes: Uint8Array): string {
  let types = "";
  for (let at = 0; at < bytes.length;) {
    types += String.fromCharCode(bytes[at]!);
    at += 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
  }
  return types;
}

const run = [bind({ statement: "s" }), execute(), sync()];

Deno.test("A statement that was never described is made anew without a question", async () => {
  const { says, answers, use } = pooled();
  equal(await says(parse("SELECT 1", { name: "s" }), ...run), "PBES");
  deepEqual(await answers(parsed, bound, complete, ready), ["", "12CZ"]);
  use(1);
  equal(await says(...run), "PBES");
});

Deno.test("A statement whose portals the client describes each time is made anew without a question", async () => {
  const { says, answers, use } = pooled();
  const asks = [bind({ statement: "s" }), describe("P"), execute(), sync()];
  equal(await says(parse("SELECT 1", { name: "s" }), ...asks), "PBDES");
  deepEqual(await answers(parsed, bound, row(23), complete, ready), ["", "12TCZ"]);
  use(1);
  equal(await says(...asks), "PBDES");
  deepEqual(await answers(parsed, bound, row(20), complete, ready), ["", "2TCZ"]);
  equal(await says(...run), "BES"); // it holds on to what it heard last
});

Deno.test("A described statement is made anew with its types of parameters, and described before it runs", async () => {
  const { rig, says, answers, use } = pooled();
  equal(await says(parse("SELECT $1", { name: "s" }), describe("S", "s"), sync()), "PDS");
  deepEqual(await answers(parsed, parameters(23), row(23), ready), ["", "1tTZ"]);
  equal(await says(...run), "BES");
  deepEqual(await answers(bound, complete, ready), ["", "2CZ"]);
  use(1);
  equal(await says(...run), "PDH");
  equal(rig.waiting, "replies");
  deepEqual(await answers(parsed, parameters(23)), ["", ""]);
  deepEqual(await answers(row(23)), ["BES", ""]);
  deepEqual(await answers(bound, complete, ready), ["", "2CZ"]);
  equal(await says(...run), "BES"); // known from here on
});

Deno.test("A described statement that returns something else elsewhere fails each time, and is asked for each time", async () => {
  const { says, answers, use } = pooled();
  await says(parse("SELECT 1", { name: "s" }), describe("S", "s"), sync());
  await answers(parsed, parameters(), row(23), ready);
  use(1);
  equal(await says(...run), "PDH");
  deepEqual(await answers(parsed, parameters(), row(20)), ["BES", ""]);
  deepEqual(await answers(missing, ready), ["", "EZ"]);
  equal(await says(...run), "CPDH");
  deepEqual(await answers(closed, parsed, parameters(), row(23)), ["BES", ""]);
  deepEqual(await answers(bound, complete, ready), ["", "2CZ"]);
});

Deno.test("A described statement without rows is made anew with its types of parameters, without a question", async () => {
  const { says, answers, use, servers } = pooled();
  await says(parse("INSERT INTO t VALUES ($1)", { name: "s" }), describe("S", "s"), sync());
  await answers(parsed, parameters(20), noData, ready);
  use(1);
  await says(bind({ statement: "s", values: ["1"] }), execute());
  equal(await says(sync()), "S");
  const held = servers[1].connection.prepared.all().map((statement) =>
    servers[1].connection.prepared.descriptionOf(statement)!.parameters
  );
  deepEqual(held, ["\0\x01\0\0\0\x14"]);
});

Deno.test("What cannot be made anew fails with the server's error", async () => {
  const { says, answers, use } = pooled();
  await says(parse("SELECT 1", { name: "s" }), describe("S", "s"), sync());
  await answers(parsed, parameters(), row(23), ready);
  use(1);
  equal(await says(...run), "PDH");
  deepEqual(await answers(missing), ["BES", "E"]); // which it skips
  deepEqual(await answers(ready), ["", "Z"]);
  equal(await says(...run), "PDH");
});

Deno.test("The unnamed statement is made anew as the client was told, too", async () => {
  const { says, answers, use, servers } = pooled();
  const runs = [bind(), execute(), sync()];
  await says(parse("SELECT $1"), describe("S"), sync());
  await answers(parsed, parameters(23), row(23), ready);
  use(1);
  equal(await says(...runs), "PDH");
  deepEqual(await answers(parsed, parameters(23), row(23)), ["BES", ""]);
  deepEqual(await answers(bound, complete, ready), ["", "2CZ"]);
  equal(await says(...runs), "BES");
  await answers(bound, complete, ready);
  servers[1].connection.unnamed.clear(); // another session was here
  equal(await says(...runs), "PDH");
  deepEqual(await answers(parsed, parameters(23), row(20)), ["BES", ""]);
  deepEqual(await answers(missing, ready), ["", "EZ"]);
  equal(await says(...runs), "PDH");
});
