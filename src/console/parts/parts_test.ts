import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts } from "./fake_parts_test.ts";
import { sessionsOf } from "./parts.ts";

Deno.test("sessionsOf gives the sessions there are at the moment, in the order in which they came", () => {
  const fake = new FakeParts();
  deepEqual(sessionsOf(fake.parts), []);
  const pool = fake.addPool();
  const views = [fake.addSession(7, pool), fake.addSession(3, pool)];
  deepEqual(sessionsOf(fake.parts), views);
  fake.sessions.delete([...fake.sessions][0]!);
  deepEqual(sessionsOf(fake.parts), [views[1]]);
});
