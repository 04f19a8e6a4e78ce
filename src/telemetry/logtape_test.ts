import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { type LogOptions, openLog } from "./logtape.ts";

/** A log of this level and format, and its lines. */
function open(level: LogOptions["level"], format: LogOptions["format"]) {
  const lines: string[] = [];
  return { log: openLog({ level, format, write: (line) => lines.push(line) }), lines };
}

Deno.test("openLog writes a line for people: time, level, message, fields that say something", () => {
  const { log, lines } = open("debug", "text");
  log.warning("server lost", { pid: 7, node: "main-1", user: null, error: undefined, up: false });
  log.debug("no fields");
  equal(lines.length, 2);
  match(
    lines[0]!,
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING server lost pid=7 node=main-1 up=false\n$/,
  );
  equal(lines[1]!.endsWith("Z DEBUG   no fields\n"), true);
});

Deno.test("openLog lets nothing that a peer sent begin a line, or pass for a field", () => {
  const { log, lines } = open("info", "text");
  log.info("failed", { error: "a\nb", user: 'x" y=1', name: "plain", empty: "\u0007" });
  match(lines[0]!, / failed error="a\\nb" user="x\\" y=1" name=plain empty="\\u0007"\n$/);
  equal(lines[0]!.indexOf("\n"), lines[0]!.length - 1);
});

Deno.test("openLog writes JSON lines", () => {
  const { log, lines } = open("info", "json");
  log.info("opened", { pid: 7, node: null });
  const record = JSON.parse(lines[0]!);
  deepEqual([record.level, record.message, record.properties], ["INFO", "opened", { pid: 7 }]);
  equal(lines[0]!.endsWith("\n"), true);
});

Deno.test("openLog leaves out what lies below its level, and the last one opened holds for all", () => {
  const first = open("error", "text");
  first.log.warning("not written");
  first.log.error("written");
  const second = open("debug", "text");
  first.log.debug("also written");
  deepEqual([first.lines.length, second.lines.length], [1, 1]);
});
