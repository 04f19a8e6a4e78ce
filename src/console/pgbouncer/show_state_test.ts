import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showState, STATE_COLUMNS } from "./show_state.ts";

const rows = (fake: FakeParts) => Object.fromEntries(showState(fake.parts).rows as [string, string][]);

Deno.test("showState says whether everything, or what by name, is held back", () => {
  const fake = new FakeParts();
  deepEqual(showState(fake.parts).columns, STATE_COLUMNS);
  deepEqual(rows(fake), {
    active: "yes",
    paused: "no",
    suspended: "no",
    paused_databases: "",
    disabled_databases: "",
    shutting_down: "no",
  });
  fake.control.mode = "suspended";
  fake.control.setPaused("a@main", true);
  fake.control.setPaused("b@main", true);
  fake.control.setDisabled("c@main", true);
  fake.stopping = true;
  deepEqual(rows(fake), {
    active: "no",
    paused: "no",
    suspended: "yes",
    paused_databases: "a@main, b@main",
    disabled_databases: "c@main",
    shutting_down: "yes",
  });
  fake.control.mode = "none";
  fake.control.mode = "paused";
  deepEqual(rows(fake)["paused"], "yes");
});
