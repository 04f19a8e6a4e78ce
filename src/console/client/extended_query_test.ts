import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ClientMessage } from "../wire/mod.ts";
import { bind, describe, dialogue, execute, parse, SYNC } from "./dialogue_fake_test.ts";

Deno.test("Dialogue runs what has an effect at Execute only, once, with its parameters", async () => {
  const { say, log } = dialogue();
  equal(
    await say(parse("SET a = $1", "s"), describe("statement", "s"), bind(["v"], "s"), describe("portal")),
    "1tn2n",
  );
  deepEqual(log, []);
  equal(await say(execute(), SYNC), "CZ");
  equal(await say(bind(["w"], "s"), execute(), execute(), SYNC), "2CEZ");
  deepEqual(log, ["v", "w"]);
});

Deno.test("Dialogue gives as many rows as Execute asks for, then says that there are more", async () => {
  const { say } = dialogue();
  equal(
    await say(parse("SHOW TEN"), bind(), describe("portal"), execute(4), execute(6), execute(5), SYNC),
    "12TDDDDsDDDDDDCCZ",
  );
});

Deno.test("Dialogue keeps a bounded number of prepared statements", async () => {
  const { say, prepared } = dialogue();
  for (let i = 0; i < 1000; i++) await say(parse("SHOW TEN", `s${i}`));
  equal(await say(parse("SHOW TEN", "one more"), SYNC), "EZ");
  equal(prepared.statementCount, 1000);
});

Deno.test("Dialogue keeps a bounded amount of text and of rows for one client", async () => {
  const { say } = dialogue();
  const long = `SHOW TEN /*${"x".repeat(60_000)}*/`;
  for (let i = 0; i < 16; i++) equal(await say(parse(long, `s${i}`)), "1");
  equal(await say(parse(long, "one more"), SYNC), "EZ");
  equal(await say(parse("SHOW TEN", "short"), SYNC), "1Z");
  const { say: ask } = dialogue();
  const portal = (name: string): ClientMessage => ({
    ...bind() as ClientMessage & { kind: "bind" },
    portal: name,
  });
  const look = (name: string): ClientMessage => ({ kind: "describe", target: "portal", name });
  await ask(parse("SHOW MANY"));
  for (const name of ["a", "b", "c"]) equal(await ask(portal(name), look(name)), "2T");
  equal(await ask(portal("d"), look("d"), SYNC), "2EZ");
  // What was fetched to its end is not kept.
  const whole = (name: string): ClientMessage => ({ kind: "execute", portal: name, rowsMax: 0 });
  for (const name of ["a", "b", "c", "d", "e"]) equal((await ask(portal(name), whole(name))).at(-1), "C");
});
