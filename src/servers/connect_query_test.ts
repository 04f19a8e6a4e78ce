import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { ConnectSettings } from "./connect_query.ts";

const SQL = "SET work_mem = '7MB'";
const SET = new Map([["work_mem", "7MB"]]);

Deno.test("ConnectSettings has connections opened with what the query set, once it is known", () => {
  const settings = new ConnectSettings();
  equal(settings.of(SQL).size, 0);
  equal(settings.learn(SQL, SET), true, "the first connection was opened without");
  deepEqual([...settings.of(SQL)], [...SET]);
  equal(settings.learn(SQL, new Map(SET)), false, "the next one with it");
  equal(settings.of("SET work_mem = '8MB'").size, 0, "another query");
  equal(settings.learn(SQL, new Map([["work_mem", "9MB"]])), true);
});

Deno.test("ConnectSettings opens none again for a query that sets nothing, or whose settings a server refuses", () => {
  const settings = new ConnectSettings();
  equal(settings.learn("SELECT 1", new Map()), false);
  settings.learn(SQL, SET);
  settings.refuse();
  equal(settings.of(SQL).size, 0);
  equal(settings.learn(SQL, new Map(SET)), false, "it is known, and refused");
});
