import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { sqlTraits } from "../protocol/mod.ts";
import { CatalogueWatch, CHECK_EVERY_MS, KNOWN_MAX_MS } from "./catalogue_watch.ts";
import { HiddenCallers } from "./hidden_callers.ts";

const NONE = new HiddenCallers(null, null, new Set());
const TRIGGER = new HiddenCallers("writing", "t", new Set());
const INSERT = sqlTraits("INSERT INTO t VALUES (1)").reach;

/** One that a look found this in, at 0 ms. */
function known(hidden = NONE): CatalogueWatch {
  const watch = new CatalogueWatch();
  watch.found(watch.beginCheck(0)!, "a", hidden, 0);
  return watch;
}

Deno.test("CatalogueWatch: before the first look anything may be reached, then what was found", () => {
  const watch = new CatalogueWatch();
  equal(watch.reachedBy(INSERT, 0), true);
  const check = watch.beginCheck(0)!;
  equal(watch.mustLook(check, "a", 0), true);
  equal(watch.reachedBy(INSERT, 0), true);
  equal(watch.found(check, "a", NONE, 0), true);
  equal(watch.reachedBy(INSERT, 0), false);
  equal(watch.beginCheck(0), null);
  equal(known(TRIGGER).reachedBy(INSERT, 0), true);
});

Deno.test("CatalogueWatch: what began before a look that found another catalogue may have met the one before", () => {
  const watch = known(new HiddenCallers("writing", "t", new Set(), new Map(), { stains: "writing" }));
  const stained = (sinceMs: number) => watch.stainedBy({ reach: INSERT, calls: [] }, sinceMs);
  equal(stained(1), true);
  watch.found(watch.beginCheck(CHECK_EVERY_MS)!, "b", NONE, CHECK_EVERY_MS);
  const times = [CHECK_EVERY_MS - 1, CHECK_EVERY_MS];
  deepEqual(times.map((ms) => watch.reachedBy(INSERT, ms)), [true, false]);
  deepEqual(times.map((ms) => watch.mayChange(["f"], ms)), [true, true], "nobody has looked at f");
  deepEqual(times.map(stained), [true, false]);
  watch.found(watch.beginCheck(2 * CHECK_EVERY_MS)!, "b", NONE, 2 * CHECK_EVERY_MS);
  equal(watch.reachedBy(INSERT, CHECK_EVERY_MS), false, "the catalogue was the same");
});

Deno.test("CatalogueWatch has one look before anybody is served, where nobody has looked yet", () => {
  const watch = new CatalogueWatch();
  deepEqual([watch.claimFirst(), watch.claimFirst(), known().claimFirst()], [true, false, false]);
  watch.failed(0);
  equal(watch.claimFirst(), false, "it is tried once");
});

Deno.test("CatalogueWatch has somebody check every ten seconds, and relies on nothing that is a minute old", () => {
  const watch = known();
  deepEqual([CHECK_EVERY_MS - 1, CHECK_EVERY_MS, CHECK_EVERY_MS + 1].map((ms) => watch.claim(ms)), [
    false,
    true,
    false, // somebody else does
  ]);
  equal(watch.claim(CHECK_EVERY_MS + 1000), true, "where nothing came of it");
  deepEqual([KNOWN_MAX_MS - 1, KNOWN_MAX_MS].map((ms) => watch.reachedBy(INSERT, ms)), [false, true]);
  watch.changes();
  equal(watch.claim(CHECK_EVERY_MS + 2000), true);
  equal(new CatalogueWatch().claim(0), false, "what nobody knows is found out by whoever is looked at");
});

Deno.test("CatalogueWatch checks behind a change and after ten seconds, and looks only where the mark is another", () => {
  const watch = known();
  equal(watch.beginCheck(CHECK_EVERY_MS - 1), null);
  equal(watch.mustLook(watch.beginCheck(CHECK_EVERY_MS)!, "a", CHECK_EVERY_MS), false);
  equal(watch.reachedBy(INSERT, CHECK_EVERY_MS), false);
  watch.changes();
  equal(watch.reachedBy(INSERT, CHECK_EVERY_MS), true);
  const check = watch.beginCheck(CHECK_EVERY_MS)!;
  equal(watch.mustLook(check, "b", CHECK_EVERY_MS), true);
  equal(watch.found(check, "b", TRIGGER, CHECK_EVERY_MS), true);
  equal(watch.reachedBy(INSERT, CHECK_EVERY_MS), true);
});

Deno.test("CatalogueWatch: a change during a check is not in what it finds", () => {
  const watch = known();
  watch.changes();
  const check = watch.beginCheck(0)!;
  watch.changes();
  equal(watch.mustLook(check, "a", 0), false);
  equal(watch.reachedBy(INSERT, 0), true);
});

Deno.test("CatalogueWatch: a catalogue that goes on changing is looked at once a second, and not trusted meanwhile", () => {
  const watch = known();
  watch.changes();
  equal(watch.mustLook(watch.beginCheck(999)!, "b", 999), false);
  equal(watch.reachedBy(INSERT, 999), true);
  equal(watch.mustLook(watch.beginCheck(1000)!, "b", 1000), true);
});

Deno.test("CatalogueWatch: where the catalogue cannot be read anything may be reached, and it is tried again in a minute", () => {
  const watch = known();
  watch.failed(5);
  equal(watch.reachedBy(INSERT, 6), true);
  equal(watch.beginCheck(6), null);
  const check = watch.beginCheck(CHECK_EVERY_MS + 5)!;
  equal(watch.mustLook(check, "a", CHECK_EVERY_MS + 5), true);
});

const QUIET = { harmless: true, sticky: [] };
/** One that a look found these in. */
const calling = (...harmless: string[]) =>
  new HiddenCallers(null, null, new Set(), new Map(harmless.map((name) => [name, QUIET])));

Deno.test("CatalogueWatch.mayChange: what is called may change anything until a look finds it harmless, and when that is old", () => {
  const watch = new CatalogueWatch();
  deepEqual([watch.mayChange(["f"], 0), watch.mayChange([], 0)], [true, false]);
  watch.calls(["f", "g"]);
  const check = watch.beginCheck(0)!;
  deepEqual(check.named, ["f", "g"]);
  watch.found(check, "a", calling("f"), 0);
  deepEqual([["f"], ["g"], ["f", "g"], []].map((names) => watch.mayChange(names, 1)), [
    false,
    true,
    true,
    false,
  ]);
  equal(watch.mayChange(["f"], KNOWN_MAX_MS), true);
  deepEqual([watch.mayChange([], KNOWN_MAX_MS), watch.mayChange(["f"], 1)], [false, false]);
  watch.changes();
  equal(watch.mayChange(["f"], 1), true);
});

Deno.test("CatalogueWatch.calls has a name looked at that nobody has looked at, at once, though the mark is the same", () => {
  const watch = new CatalogueWatch();
  watch.calls(["f"]);
  watch.found(watch.beginCheck(0)!, "a", calling("f"), 0);
  watch.calls(["f"]);
  equal(watch.beginCheck(5000), null, "it is known");
  watch.calls(["g"]);
  const check = watch.beginCheck(1000)!;
  deepEqual(check.named, ["f", "g"]);
  equal(watch.mustLook(check, "a", 1000), true);
  watch.found(check, "a", calling("f", "g"), 1000);
  deepEqual([watch.mayChange(["f", "g"], 1000), watch.beginCheck(5000)], [false, null]);
});

Deno.test("CatalogueWatch: a name that comes while a look is under way is wanted by the next", () => {
  const watch = new CatalogueWatch();
  watch.calls(["f"]);
  const check = watch.beginCheck(0)!;
  watch.calls(["g"]);
  watch.found(check, "a", calling("f"), 0);
  equal(watch.mayChange(["g"], 0), true);
  deepEqual(watch.beginCheck(1000)!.named, ["f", "g"]);
});

Deno.test("CatalogueWatch.calls keeps two thousand names, and those of others may change anything", () => {
  const watch = new CatalogueWatch();
  watch.calls(Array.from({ length: 3000 }, (_, i) => `f${i}`));
  const check = watch.beginCheck(0)!;
  equal(check.named.length, 2000);
  watch.found(check, "a", calling(...check.named), 0);
  deepEqual([watch.mayChange(["f1999"], 0), watch.mayChange(["f2000"], 0)], [false, true]);
  watch.calls(["one more"]);
  equal(watch.beginCheck(1000), null, "it is not looked for in vain");
});
