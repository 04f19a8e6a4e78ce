import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { InFlight } from "./in_flight.ts";

Deno.test("InFlight doubts a change that was sent in another batch, not one of the same", () => {
  const changes = new InFlight<string>();
  equal(changes.doubtful("a", 0), false);
  changes.begin("a", 0);
  deepEqual([changes.doubtful("a", 0), changes.doubtful("a", 1), changes.doubtful("b", 1)], [
    false,
    true,
    false,
  ]);
  changes.settle("a");
  deepEqual([changes.has("a"), changes.doubtful("a", 1), changes.size], [false, false, 0]);
});

Deno.test("InFlight holds a thing with several changes until the last of them is settled", () => {
  const changes = new InFlight<string>();
  changes.begin("a", 3);
  changes.begin("a", 3);
  changes.begin("b", 3);
  changes.settle("a");
  deepEqual([changes.has("a"), changes.doubtful("a", 4), changes.size], [true, true, 2]);
  deepEqual([changes.anyDoubtful(3), changes.anyDoubtful(4)], [false, true]);
  changes.settle("a");
  deepEqual([changes.has("a"), changes.size], [false, 1]);
});

Deno.test("InFlight.settle does nothing for what is not in flight", () => {
  const changes = new InFlight<string>();
  changes.settle("a");
  equal(changes.size, 0);
});
