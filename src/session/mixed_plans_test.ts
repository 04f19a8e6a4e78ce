import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { Fingerprints, StateWatch } from "../learning/mod.ts";
import { mayMixPlans, type PlanningServer } from "./mixed_plans.ts";

const BASE = Settings.from(new Map([["TimeZone", "UTC"]]));

/** Whether it may be so behind these texts, on a connection with these settings. */
function mixes(settings: Settings, resets: boolean, ...texts: string[]): boolean {
  const watch = new StateWatch(new Fingerprints());
  for (const text of texts) watch.runs(watch.look(new TextEncoder().encode(text), 0, text.length));
  if (resets) watch.resets();
  return mayMixPlans(watch, { state: { base: BASE }, settings } as PlanningServer);
}

Deno.test("mayMixPlans behind a text that names what is in plans", () => {
  deepEqual(
    [["SELECT 1"], ["SET LOCAL DateStyle = ISO"], ["SELECT set_config('a' || 'b', 'c', true)"]].map((texts) =>
      mixes(BASE, false, ...texts)
    ),
    [false, true, true],
  );
});

Deno.test("mayMixPlans behind RESET ALL where the session has set what is in plans", () => {
  const tokyo = BASE.with("TimeZone", "Asia/Tokyo");
  deepEqual([mixes(BASE, true), mixes(BASE.with("work_mem", "5MB"), true), mixes(tokyo, false)], [
    ...[false, false, false],
  ]);
  deepEqual([mixes(tokyo, true), mixes(BASE.with("extra_float_digits", "0"), true)], [true, true]);
});
