import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { FakeAsker } from "../command/fake_context_test.ts";
import { Args, lexStatements } from "../command/mod.ts";
import {
  driverValue,
  isDriverSetting,
  resetDriverSetting,
  setDriverSetting,
  showDriverSetting,
  transactionWords,
} from "./driver_settings.ts";

const args = (text: string) => new Args(lexStatements(text)[0]?.tokens ?? []);
const shown = (name: string, asker: FakeAsker) => {
  const answer = showDriverSetting(name, asker);
  return "columns" in answer ? [answer.columns[0]!.name, answer.rows[0]![0]] : null;
};

Deno.test("isDriverSetting knows names without regard to case, and no setting of pgplex", () => {
  equal(isDriverSetting("datestyle"), true);
  equal(isDriverSetting("STATEMENT_TIMEOUT"), true);
  equal(isDriverSetting("pool_mode"), false);
});

Deno.test("setDriverSetting remembers a value for SHOW, and reports what PostgreSQL reports", () => {
  const asker = new FakeAsker();
  deepEqual(shown("statement_timeout", asker), ["statement_timeout", "0"]);
  deepEqual(setDriverSetting("Statement_Timeout", "5s", asker), {});
  deepEqual(shown("statement_timeout", asker), ["statement_timeout", "5s"]);
  deepEqual(asker.told, []);
  setDriverSetting("application_name", "tool", asker);
  deepEqual(asker.told, ["application_name=tool"]);
});

Deno.test("setDriverSetting warns where the console always answers in another value", () => {
  const asker = new FakeAsker();
  const warned = (name: string, value: string) => {
    const { notices = [] } = setDriverSetting(name, value, asker);
    return notices.map(({ severity, message }) => `${severity} ${message}`);
  };
  deepEqual(warned("client_encoding", "LATIN1"), ["WARNING the console's client_encoding is always UTF8"]);
  for (const same of ["UTF8", "utf-8", "unicode", "DEFAULT"]) deepEqual(warned("client_encoding", same), []);
  deepEqual(warned("DateStyle", "iso"), []);
  deepEqual(shown("client_encoding", asker), ["client_encoding", "UTF8"]);
  for (const name of ["IntervalStyle", "TimeZone", "server_version", "standard_conforming_strings"]) {
    equal(warned(name, "x").length, 1, name);
  }
});

Deno.test("resetDriverSetting goes back to the default, and application_name to the connection string's", () => {
  const asker = new FakeAsker();
  for (const name of ["jit", "lock_timeout", "application_name"]) setDriverSetting(name, "x", asker);
  asker.told.length = 0;
  resetDriverSetting("JIT", asker);
  deepEqual([shown("jit", asker), shown("lock_timeout", asker)], [["jit", "off"], ["lock_timeout", "x"]]);
  deepEqual(asker.told, []);
  resetDriverSetting(null, asker);
  deepEqual(shown("lock_timeout", asker), ["lock_timeout", "0"]);
  deepEqual(shown("application_name", asker), ["application_name", "psql"]);
  deepEqual(asker.told, ["application_name=psql"]);
});

Deno.test("driverValue joins the parts of a list", () => {
  equal(driverValue(args("ISO, MDY")), "ISO, MDY");
  equal(driverValue(args("'a b'")), "a b");
});

Deno.test("transactionWords takes words and commas, and no values", () => {
  transactionWords(args("ISOLATION LEVEL SERIALIZABLE, READ ONLY"));
  throws(() => transactionWords(args("'x'")), { code: "syntax_error" });
});
