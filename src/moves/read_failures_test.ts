import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { ReadFailures } from "./read_failures.ts";

Deno.test("ReadFailures says a reason once, until it is another one or a read succeeds", () => {
  const said: string[] = [];
  const failures = new ReadFailures((error) => said.push(error));
  for (const thrown of [new Error("late"), new Error("late"), "away", "away"]) failures.failed(thrown);
  failures.over();
  failures.failed(new Error("away"));
  deepEqual(said, ["late", "away", "away"]);
});
