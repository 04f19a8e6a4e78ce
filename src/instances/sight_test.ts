import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { type Healths, Sight } from "./sight.ts";

const TTL_MS = 5_000;
const [ALL, TWO, ONE] = ["up up up", "up down up", "down suspect down"].map(view) as [View, View, View];

type View = ReadonlyMap<string, Healths>;

function view(healths: string): View {
  return new Map([["main", new Map(healths.split(" ").map((health, at) => [`n${at + 1}`, health]))]]);
}

/** What it would do at each time, where the same is seen all along. */
function at(times: readonly number[], own: View, others: readonly View[]): boolean[] {
  const sight = new Sight(TTL_MS);
  return times.map((nowMs) => {
    sight.compare(own, others, nowMs);
    return sight.yields(nowMs);
  });
}

Deno.test("who leads gives that up when most of the others see more for a while", () => {
  deepEqual(at([0, 1_499, 1_500], TWO, [ALL, ALL]), [false, false, true]);
  deepEqual(at([0, 1_500], ONE, [TWO]), [false, true]);
});

Deno.test("one of two others may be asleep and know nothing yet: who leads goes on", () => {
  deepEqual(at([0, 9_000], TWO, [ALL, TWO]), [false, false]);
  deepEqual(at([0, 9_000], TWO, [TWO, TWO]), [false, false]);
  deepEqual(at([0, 9_000], TWO, []), [false, false]);
});

Deno.test("a node that comes back in time ends it", () => {
  const sight = new Sight(TTL_MS);
  sight.compare(TWO, [ALL], 0);
  sight.compare(ALL, [ALL], 1_000);
  sight.compare(TWO, [ALL], 1_200);
  deepEqual(sight.yields(2_000), false);
});

Deno.test("a lead that nobody takes is taken again behind a lease, and kept", () => {
  const sight = new Sight(TTL_MS);
  sight.compare(ONE, [ALL], 0);
  sight.yielded(2_000);
  deepEqual([sight.refrains(6_999), sight.refrains(7_000), sight.yields(7_000)], [true, false, false]);
  sight.compare(ALL, [ALL], 8_000);
  sight.compare(ONE, [ALL], 9_000);
  deepEqual([sight.yields(10_500), sight.refrains(10_500)], [true, false]);
});

Deno.test("clusters that another instance does not have are no reason", () => {
  const more = new Map([...TWO, ["other", new Map([["o1", "up"], ["o2", "up"]])]]);
  deepEqual(at([0, 9_000], TWO, [more]), [false, false]);
});
