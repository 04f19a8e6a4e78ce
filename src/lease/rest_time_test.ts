import { strictEqual as equal } from "node:assert/strict";
import { REST_MAX_MS, RestTime } from "./rest_time.ts";
import { UNREAD_MS } from "./unread_leases.ts";

/** The session rests for so long behind a transaction, and is read where that is due: the time for the next. */
function rests(rest: RestTime, forMs: number): number {
  if (forMs >= rest.ms) rest.read(1000);
  rest.back(1000 + forMs);
  return rest.ms;
}

Deno.test("RestTime grows for a session that comes back soon, until it need not be read, and no further", () => {
  const rest = new RestTime();
  equal(rests(rest, UNREAD_MS - 1), UNREAD_MS);
  equal(rests(rest, 50), 2 * UNREAD_MS);
  equal(rests(rest, 50), 4 * UNREAD_MS);
  equal(rests(rest, 50), 8 * UNREAD_MS);
  equal(rests(rest, 50), 8 * UNREAD_MS);
  for (let i = 0; i < 10; i++) rests(rest, REST_MAX_MS - 1);
  equal(rest.ms, REST_MAX_MS);
});

Deno.test("RestTime is short again for a session that rested for long, or whose connection somebody wanted", () => {
  const rest = new RestTime();
  for (let i = 0; i < 3; i++) rests(rest, 100);
  equal(rests(rest, REST_MAX_MS), UNREAD_MS);
  for (let i = 0; i < 3; i++) rests(rest, 100);
  rest.wanted();
  equal(rest.ms, UNREAD_MS);
});
