import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { ServerState } from "./server_state.ts";
import { Settings, SettingsTable } from "./settings.ts";

const opened = Settings.from([["TimeZone", "UTC"]]);
const leftOut: ReadonlySet<string> = new Set(["is_superuser"]);

Deno.test("ServerState takes what the server reports, and what a probe finds besides", () => {
  const state = new ServerState(opened);
  state.found(opened.with("work_mem", "1"), true);
  state.reports("TimeZone", "CET");
  deepEqual([...state.settings.values], [["TimeZone", "CET"], ["work_mem", "1"]]);
  deepEqual([...state.reported.values], [["TimeZone", "CET"]]);
  equal(state.nameIsSet, true);
  state.settingReset("work_mem");
  deepEqual([...state.settings.values], [["TimeZone", "CET"]]);
});

Deno.test("ServerState is the session's own settings after a restore, but for what the server reports otherwise", () => {
  const state = new ServerState(opened);
  const same = opened.with("work_mem", "1");
  state.restored(same, { nameIsSet: false, wereSet: new Set(), leftOut });
  equal(state.settings, same);
  const other = Settings.from([["TimeZone", "CET"], ["work_mem", "2"], ["is_superuser", "on"]]);
  state.restored(other, { nameIsSet: true, wereSet: new Set(), leftOut });
  deepEqual([[...state.settings.values], state.nameIsSet], [[["TimeZone", "UTC"], ["work_mem", "2"]], true]);
});

Deno.test("ServerState forgets all by DISCARD ALL but the temporary schema", () => {
  const state = new ServerState(opened);
  state.found(opened.with("role", "a"), true);
  state.tempSchemaMade();
  state.discarded();
  deepEqual([state.settings, state.nameIsSet, state.hasTempSchema], [opened, false, true]);
});

Deno.test("ServerState.share makes one object of settings that say the same", () => {
  const known = new SettingsTable();
  const first = known.one(opened.with("a", "1"));
  const state = new ServerState(Settings.from([["TimeZone", "UTC"], ["a", "1"]]));
  equal(state.share(known), first);
  equal(state.settings, first);
});

Deno.test("ServerState is mixed where anything may have been set, until everything is reset", () => {
  const state = new ServerState(opened);
  equal(state.mixed, false);
  for (const end of ["reset", "discarded"] as const) {
    state.found(opened.with("work_mem", "1"), true);
    state.mayHaveMore();
    equal(state.plansMixed, true);
    state.restored(opened.with("work_mem", "2"), { nameIsSet: true, wereSet: new Set(), leftOut });
    equal(state.mixed, true, "no restore knows of what it does not name");
    state[end]();
    deepEqual([state.mixed, state.settings, state.nameIsSet], [false, opened, false], end);
  }
});

Deno.test("ServerState is without what a restore left out", () => {
  const state = new ServerState(opened);
  const target = opened.with("work_mem", "1").with("role", "gone");
  state.restored(target, { nameIsSet: false, wereSet: new Set(), leftOut: new Set(["role"]) });
  deepEqual([...state.settings.values], [["TimeZone", "UTC"], ["work_mem", "1"]]);
  equal(state.base, opened);
});

Deno.test("ServerState knows what of the reported a restore has SET, until everything is reset", () => {
  const state = new ServerState(opened);
  const target = opened.marked(new Set(["TimeZone"]));
  state.restored(target, { nameIsSet: false, wereSet: target.wereSet, leftOut });
  equal(state.settings, target);
  state.reports("DateStyle", "SQL");
  deepEqual([...state.settings.wereSet], ["TimeZone"]);
  state.reset();
  deepEqual([...state.settings.wereSet], []);
});
