import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import type { ClientMessage } from "../wire/mod.ts";
import { bind, describe, dialogue, execute, parse, query, SYNC } from "./dialogue_fake_test.ts";

Deno.test("Dialogue answers each statement of a Query, and stops at the first error", async () => {
  const { say, log } = dialogue();
  equal(await say(query("SHOW TEN; SET a = 1; SLOW")), `T${"D".repeat(10)}CCNCZ`);
  equal(await say(query("SET b; SHOW nothing; SET c")), "CEZ");
  equal(await say(query("SET d; bogus")), "CEZ");
  equal(await say(query("SET e; 'x")), "EZ"); // what cannot be read is not run in part
  equal(await say(query("-- nothing")), "IZ");
  deepEqual(log, ["1", "slow", "b", "d"]);
});

Deno.test("Dialogue says nothing between an error and Sync, and a defect is reported", async () => {
  const { say, defects } = dialogue();
  equal(await say(parse("bogus"), bind(), query("SHOW TEN"), execute(), SYNC), "EZ");
  equal(await say(query("BREAK")), "EZ");
  equal(defects.length, 1);
  equal(await say(parse("BREAK"), bind(), execute(), execute(), SYNC), "12EZ");
  equal(defects.length, 2);
});

Deno.test("Dialogue answers each Query and Sync with one ReadyForQuery, whatever comes in whatever order", async () => {
  const one = fc.constantFrom<ClientMessage>(
    query("SHOW TEN"),
    query("bogus; SET a = 1"),
    parse("SHOW TEN"),
    parse("SET a = $1", "s"),
    parse(""),
    bind(),
    bind(["v"], "s"),
    describe("portal"),
    describe("statement", "s"),
    execute(),
    execute(3),
    { kind: "close", target: "statement", name: "s" },
    { kind: "function_call" },
    { kind: "copy" },
    { kind: "flush" },
    SYNC,
  );
  await fc.assert(fc.asyncProperty(fc.array(one, { maxLength: 30 }), async (messages) => {
    const { say, defects } = dialogue();
    let skipping = false;
    for (const message of messages) {
      const said = await say(message);
      const answered: boolean = message.kind === "sync" ||
        (!skipping && (message.kind === "query" || message.kind === "function_call"));
      equal(said.split("Z").length - 1, answered ? 1 : 0, said);
      if (skipping && message.kind !== "sync") equal(said, "");
      if (message.kind === "sync") skipping = false;
      else if (!answered) skipping ||= said.includes("E");
    }
    equal(defects.length, 0);
  }));
});

Deno.test("Dialogue looks at the client's pace between statements and among rows, and stops when it says so", async () => {
  const { say, paces } = dialogue();
  await say(query("SHOW TEN; SHOW TEN"));
  equal(paces.count, 4);
  await say(query("SHOW MANY"));
  equal(paces.count > 500, true);
  paces.canceled = true;
  equal(await say(query("SHOW TEN; SHOW TEN")), "EZ");
  equal(await say(parse("SHOW TEN"), bind(), execute(), SYNC), "12EZ");
});

Deno.test("Dialogue takes a malformed Sync for a Sync, and waits for one behind any other malformed message", async () => {
  const { say, malformed } = dialogue();
  equal(await say(parse("bogus")) + malformed("S"), "EEZ");
  equal(await say(query("SHOW TEN")), `T${"D".repeat(10)}CZ`);
  equal(malformed("B") + await say(query("SHOW TEN"), SYNC), "EZ");
  equal(await say(parse("bogus")) + malformed("Q") + await say(SYNC), "EZ");
});

Deno.test("Dialogue.receive says when answers have to be written: at a Query, a Sync, a Flush and an error", async () => {
  const { receive } = dialogue();
  const written: boolean[] = [];
  for (
    const message of [
      query("SHOW TEN"),
      parse("SHOW TEN"),
      bind(),
      execute(),
      { kind: "flush" },
      SYNC,
      { kind: "function_call" },
      { kind: "copy" },
      parse("bogus"),
      bind(),
      SYNC,
    ] satisfies ClientMessage[]
  ) written.push(await receive(message));
  deepEqual(written, [true, false, false, false, true, true, true, false, true, false, true]);
});
