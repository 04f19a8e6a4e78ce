import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type LogFields, NO_LOG } from "./log.ts";
import { RareWarnings } from "./rare_warnings.ts";

function listening() {
  const heard: { message: string; fields: LogFields }[] = [];
  const clock = { nowMs: 0 };
  const log = {
    ...NO_LOG,
    warning: (message: string, fields: LogFields = {}) => void heard.push({ message, fields }),
  };
  return { heard, clock, warnings: new RareWarnings(log, () => clock.nowMs) };
}

Deno.test("RareWarnings says five of a kind in a minute, and the next one how many were left out", () => {
  const { heard, clock, warnings } = listening();
  for (let id = 0; id < 100; id++) warnings.say("a", "pinned", { id });
  deepEqual(heard.map(({ fields }) => fields), [0, 1, 2, 3, 4].map((id) => ({ id })));
  clock.nowMs = 59_999;
  warnings.say("a", "pinned", { id: 100 });
  equal(heard.length, 5);
  clock.nowMs = 60_000;
  for (let id = 101; id < 108; id++) warnings.say("a", "pinned", { id });
  deepEqual(heard.slice(5).map(({ fields }) => fields), [
    { id: 101, left_out: 96 },
    ...[102, 103, 104, 105].map((id) => ({ id })),
  ]);
});

Deno.test("RareWarnings counts each kind by itself", () => {
  const { heard, warnings } = listening();
  for (let i = 0; i < 20; i++) for (const kind of ["a", "b"]) warnings.say(kind, kind, {});
  deepEqual(["a", "b"].map((kind) => heard.filter(({ message }) => message === kind).length), [5, 5]);
});

Deno.test("RareWarnings says little and keeps little, however many kinds there are", () => {
  const { heard, clock, warnings } = listening();
  for (let i = 0; i < 10_000; i++) warnings.say(`kind ${i}`, "pinned", {});
  equal(heard.length, 1000 + 5);
  clock.nowMs = 60_000;
  warnings.say("kind 9999", "pinned", {});
  equal(heard.length, 1000 + 6, "what is over makes room");
});
