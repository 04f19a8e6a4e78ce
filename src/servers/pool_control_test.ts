import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { PoolControl } from "./pool_control.ts";

Deno.test("PoolControl holds a database while all are paused, or itself is by name", () => {
  const control = new PoolControl();
  equal(control.holds("a"), false);
  control.setPaused("a", true);
  deepEqual([control.holds("a"), control.holds("b"), control.pausedNames], [true, false, ["a"]]);
  control.mode = "paused";
  deepEqual([control.holds("b"), control.isPaused("b")], [true, false]);
  control.mode = "none";
  deepEqual([control.holds("a"), control.holds("b")], [true, false]);
  control.setPaused("a", false);
  equal(control.holds("a"), false);
});

Deno.test("PoolControl.mode goes through none, and a suspension holds back no lease", () => {
  const control = new PoolControl();
  control.mode = "suspended";
  equal(control.holds("a"), false);
  throws(() => control.mode = "paused", /a pause ends before another begins/);
  control.mode = "none";
  control.mode = "paused";
});

Deno.test("PoolControl tells those who listen when sessions go on and when a connection is gone", () => {
  const control = new PoolControl();
  const told: string[] = [];
  const stop = control.onResumed(() => told.push("resumed"));
  control.onReceded(() => told.push("receded"));
  control.mode = "suspended";
  deepEqual(told, []);
  control.mode = "none";
  deepEqual(told.splice(0).sort(), ["receded", "resumed"]);
  stop();
  control.setPaused("a", true);
  control.receded();
  deepEqual(told, ["receded", "receded"]);
});

Deno.test("PoolControl.forget drops what a reload took away", () => {
  const control = new PoolControl();
  for (const name of ["stays", "goes"]) {
    control.setPaused(name, true);
    control.setDisabled(name, true);
  }
  control.forget((name) => name === "stays");
  deepEqual([control.pausedNames, control.disabledNames], [["stays"], ["stays"]]);
});
