import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { LoginDeadlines } from "./login_deadlines.ts";

Deno.test("a login that is late is told once, and one that has ended is not", () => {
  const late: string[] = [];
  const login = (name: string, untilMs: number) => ({ untilMs, late: () => late.push(name) });
  const deadlines = new LoginDeadlines();
  const [first, second, third] = [login("first", 10), login("second", 20), login("third", 10)];
  for (const each of [first, second, third]) deadlines.begin(each);
  deadlines.tick(9);
  deepEqual(late, []);
  deadlines.end(third);
  deadlines.tick(10);
  deadlines.tick(11);
  deepEqual(late, ["first"]);
  deadlines.tick(1000);
  deepEqual(late, ["first", "second"]);
});
