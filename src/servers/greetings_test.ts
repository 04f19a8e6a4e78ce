import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { messagesIn } from "./fake_cluster_test.ts";
import { Greetings } from "./greetings.ts";
import { type Base, NO_PARAMS } from "./server_wish.ts";

const baseOf = (key: string): Base => ({ key, params: new Map([["TimeZone", key]]) });
const settingsOf = (timeZone: string) => Settings.from([["TimeZone", timeZone]]);

Deno.test("Greetings.of is what the last login with the same startup parameters was told", () => {
  const greetings = new Greetings();
  equal(greetings.of(NO_PARAMS), null);
  greetings.learn(baseOf("a"), settingsOf("UTC"));
  greetings.learn(baseOf("a"), settingsOf("CET"));
  equal(greetings.of(baseOf("a"))?.values.get("TimeZone"), "CET");
  equal(greetings.of(baseOf("b")), null);
});

Deno.test("Greetings.intern gives one object for equal bases, once a server has taken them", () => {
  const greetings = new Greetings();
  const first = baseOf("a");
  const unknown = baseOf("b");
  greetings.learn(first, Settings.none);
  equal(greetings.intern(baseOf("a")), first);
  equal(greetings.intern(unknown), unknown);
});

Deno.test("Greetings.usualBase is that of the last login, and none before the first", () => {
  const greetings = new Greetings();
  equal(greetings.usualBase, NO_PARAMS);
  for (const key of ["a", "b", "a"]) greetings.learn(baseOf(key), Settings.none);
  equal(greetings.usualBase.key, "a");
});

Deno.test("Greetings.encoded tells every setting, in bytes that are made once", () => {
  const greetings = new Greetings();
  const settings = Settings.from([["TimeZone", "UTC"], ["server_version", "17.0"]]);
  const bytes = greetings.encoded(settings);
  deepEqual(messagesIn(bytes).map(({ parameter }) => parameter), [
    { name: "TimeZone", value: "UTC" },
    { name: "server_version", value: "17.0" },
  ]);
  equal(greetings.encoded(settings), bytes);
});

Deno.test("Greetings keep a thousand bases, and forget the one that no login used for longest", () => {
  const greetings = new Greetings();
  for (let i = 0; i < 1000; i++) greetings.learn(baseOf(String(i)), Settings.none);
  const kept = baseOf("0");
  greetings.learn(kept, Settings.none);
  greetings.learn(baseOf("one more"), Settings.none);
  deepEqual(["0", "1", "2", "one more"].map((key) => greetings.of(baseOf(key)) !== null), [
    true,
    false,
    true,
    true,
  ]);
  equal(greetings.intern(baseOf("0")), kept);
  const forgotten = baseOf("1");
  equal(greetings.intern(forgotten), forgotten);
});
