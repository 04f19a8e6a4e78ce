import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  strictEqual as equal,
} from "node:assert/strict";
import fc from "fast-check";
import { Settings, SettingsTable } from "./settings.ts";

Deno.test("Settings.none has no setting, and equals an empty set", () => {
  equal(Settings.none.values.size, 0);
  equal(Settings.none.equals(Settings.from([])), true);
});

Deno.test("Settings.without leaves one name out", () => {
  const settings = Settings.from([["a", "1"], ["b", "2"]]).without("a");
  deepEqual([...settings.values], [["b", "2"]]);
  equal(settings.equals(Settings.from([["b", "2"]])), true);
});

Deno.test("Settings.reading tells apart who reads literals otherwise, and createsInTemp who makes tables in pg_temp", () => {
  const settings = Settings.from([["TimeZone", "UTC"], ["search_path", "pg_temp, public"]]);
  equal(settings.reading.literals === settings.with("TimeZone", "CET").reading.literals, false);
  deepEqual(settings.reading, settings.with("work_mem", "1MB").reading);
  deepEqual(
    ["pg_temp, public", '"pg_temp"', "public, pg_temp"].map((path) =>
      settings.with("search_path", path).createsInTemp
    ),
    [true, true, false],
  );
  deepEqual(
    [settings, settings.with("search_path", "public"), settings.without("search_path")].map((of) =>
      of.mayCreateInTemp
    ),
    [true, false, true],
  );
});

Deno.test("Settings.with leaves the old set as it is", () => {
  const old = Settings.from([["TimeZone", "UTC"]]);
  const changed = old.with("TimeZone", "CET").with("a", "1");
  deepEqual([...old.values], [["TimeZone", "UTC"]]);
  deepEqual([...changed.values], [["TimeZone", "CET"], ["a", "1"]]);
});

Deno.test("Settings.with is the very same object when nothing changes, or when the same change comes again", () => {
  const settings = Settings.from([["TimeZone", "UTC"]]);
  equal(settings.with("TimeZone", "UTC"), settings);
  const changed = settings.with("TimeZone", "CET");
  equal(settings.with("TimeZone", "CET"), changed);
  notEqual(settings.with("TimeZone", "EST"), changed);
  equal(settings.with("TimeZone", "CET").equals(changed), true);
});

Deno.test("Settings.equals tells a name from a value, and one pair from two", () => {
  const of = (...pairs: [string, string][]) => Settings.from(pairs);
  equal(of(["a", "b"]).equals(of(["b", "a"])), false);
  equal(of(["ab", "c"]).equals(of(["a", "bc"])), false);
  equal(of(["a", "1"]).equals(of(["a", "1"], ["b", "2"])), false);
  equal(of(["a", "1"], ["b", "2"]).equals(of(["a", "2"], ["b", "1"])), false);
});

Deno.test("Settings.from keeps the last value of a name given twice", () => {
  const settings = Settings.from([["a", "1"], ["a", "2"]]);
  equal(settings.equals(Settings.from([["a", "2"]])), true);
});

Deno.test("Settings.namesThatDiffer lists what has another value and what only one has", () => {
  const left = Settings.from([["same", "1"], ["changed", "1"], ["left", "1"]]);
  const right = Settings.from([["right", "1"], ["same", "1"], ["changed", "2"]]);
  deepEqual(left.namesThatDiffer(right), ["changed", "left", "right"]);
  deepEqual(left.namesThatDiffer(left), []);
});

const name = fc.constantFrom("a", "b", "c", "TimeZone", "__proto__");
const value = fc.constantFrom("", "1", "2", "\xff");

Deno.test("Settings behaves as a Map does, whatever is set in whatever order", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.array(fc.tuple(name, value)), (first, changes) => {
      let settings = Settings.from(first);
      const model = new Map(first);
      for (const [name, value] of changes) {
        const again = settings;
        settings = settings.with(name, value);
        equal(again.with(name, value), settings);
        model.set(name, value);
        deepEqual(new Map(settings.values), model);
      }
      // The same set, made at once and in another order: equal, as the hash does not depend on order.
      equal(settings.equals(Settings.from([...model].reverse())), true);
      equal(Settings.from([...model].reverse()).equals(settings), true);
      const other = new Map<string, string>(model).set("a", "other");
      equal(settings.equals(Settings.from(other)), false);
    }),
  );
});

Deno.test("Settings.equals says of any two sets what comparing them pair by pair says", () => {
  const pairs = fc.array(fc.tuple(name, value), { maxLength: 3 });
  fc.assert(fc.property(pairs, pairs, (left, right) => {
    const [a, b] = [Settings.from(left), Settings.from(right)];
    const same = a.namesThatDiffer(b).length === 0;
    equal(a.equals(b), same);
    equal(b.equals(a), same);
  }));
});

Deno.test("SettingsTable makes one object of settings that say the same, and keeps a bounded number of them", () => {
  const table = new SettingsTable();
  const first = Settings.from([["a", "1"], ["b", "2"]]);
  const same = Settings.from([["b", "2"], ["a", "1"]]);
  const other = Settings.from([["a", "1"], ["b", "3"]]);
  equal(table.one(first), first);
  equal(table.one(same), first);
  equal(table.one(other), other);
  for (let i = 0; i < 63; i++) table.one(Settings.from([["c", String(i)]]));
  equal(table.one(same), same, "the oldest was forgotten");
  equal(table.one(first), same);
});

Deno.test("Settings: in_hot_standby is a fact of the node, and makes no two settings different", () => {
  const on = Settings.from([["a", "1"], ["in_hot_standby", "on"]]);
  const off = Settings.from([["in_hot_standby", "off"], ["a", "1"]]);
  const old = Settings.from([["a", "1"]]);
  for (const [left, right] of [[on, off], [on, old], [old, on]] as const) {
    equal(left.equals(right), true);
    equal(left.hash, right.hash);
    deepEqual(left.namesThatDiffer(right), []);
  }
  const promoted = on.with("in_hot_standby", "off");
  deepEqual([promoted.hotStandby, on.hotStandby, old.hotStandby], ["off", "on", undefined]);
  equal(promoted.equals(off), true);
  equal(on.equals(Settings.from([["a", "2"], ["in_hot_standby", "on"]])), false);
  equal(on.equals(Settings.from([["b", "1"], ["in_hot_standby", "on"]])), false);
});

Deno.test("Settings that were SET to their defaults are others than those that nobody SET", () => {
  const opened = Settings.from([["TimeZone", "UTC"], ["DateStyle", "ISO"]]);
  const set = opened.marked(new Set(["TimeZone"]));
  equal(opened.marked(new Set()), opened);
  equal(set.marked(new Set(["TimeZone"])), set);
  deepEqual([set.equals(opened), opened.equals(set)], [false, false]);
  equal(set.equals(Settings.from(opened.values, new Set(["TimeZone"]))), true);
  equal(set.equals(opened.marked(new Set(["DateStyle"]))), false);
  deepEqual([set.namesThatDiffer(opened), opened.namesThatDiffer(set)], [["TimeZone"], ["TimeZone"]]);
  const later = set.with("DateStyle", "SQL");
  deepEqual([...later.wereSet], ["TimeZone"], "a change of another one leaves it SET");
  equal(later.with("DateStyle", "ISO").equals(set), true);
  deepEqual([...later.without("TimeZone").wereSet], []);
  equal(set.marked(new Set()).equals(opened), true);
});
