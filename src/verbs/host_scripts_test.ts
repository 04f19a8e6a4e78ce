import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import {
  type HostPlace,
  parseResult,
  scratchFolders,
  scriptLookCommand,
  scriptText,
  startCommand,
} from "./host_scripts.ts";

const PLACE: HostPlace = {
  dataDirectory: "/var/lib/it's/main",
  binDirectory: "/usr/bin",
  configFile: "/etc/pg.conf",
  port: 5432,
  system: "7",
  collectsLog: false,
};

Deno.test("scratchFolders lie outside of the data directory", () => {
  deepEqual(scratchFolders(PLACE), ["/var/lib/it's/pgplex.main", "/tmp/pgplex.5432.7"]);
  deepEqual(scratchFolders({ ...PLACE, dataDirectory: "/data/" })[0], "/pgplex.data");
});

Deno.test("startCommand has no text of the script in it, and quotes its folders", () => {
  match(startCommand(PLACE), /for W in '\/var\/lib\/it'\\''s\/pgplex\.main' /);
});

Deno.test("scriptLookCommand quotes its folder", () => {
  match(scriptLookCommand("/it's"), /^W='\/it'\\''s'; /);
});

Deno.test("scriptText has the password in the environment only, and removes itself", () => {
  const source = { conninfo: "host=a user=b", password: "ge'heim" };
  const text = scriptText(PLACE, { token: "t1", work: "rewind", supervised: true, source });
  match(text, /export PGPASSWORD='ge'\\''heim'/);
  match(text, /^SRC='host=a user=b'; SUPERVISED=1/m);
  match(text, /rm -f "\$0"/);
  equal(scriptText(PLACE, { token: "t1", work: "restart", supervised: false }).includes("PGPASSWORD"), false);
});

Deno.test("parseResult tells another script's result from its own", () => {
  deepEqual(parseResult("t1 running\n", "t1"), { state: "running", reason: "" });
  deepEqual(parseResult("t1 failed: a: b\n", "t1"), { state: "failed", reason: "a: b" });
  deepEqual(parseResult("t1 done", ""), { state: "done", reason: "" });
  deepEqual([parseResult("t0 done", "t1"), parseResult("", "t1"), parseResult("t1 maybe", "t1")], [
    null,
    null,
    null,
  ]);
});
