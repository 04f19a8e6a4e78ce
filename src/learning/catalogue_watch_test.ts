import { strictEqual as equal } from "node:assert/strict";
import { sqlTraits } from "../protocol/mod.ts";
import { CatalogueWatch, CHECK_EVERY_MS } from "./catalogue_watch.ts";
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

Deno.test("CatalogueWatch checks behind a change and every minute, and looks only where the mark is another", () => {
  const watch = known();
  equal(watch.reachedBy(INSERT, CHECK_EVERY_MS - 1), false);
  equal(watch.reachedBy(INSERT, CHECK_EVERY_MS), true);
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
