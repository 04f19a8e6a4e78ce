import { ok } from "node:assert/strict";
import { manPage } from "./man_page.ts";
import { USAGE_COMMANDS, USAGE_OPTIONS, USAGE_SIGNALS } from "./tables.ts";

Deno.test("manPage has every option, command and signal, and no line that troff takes for its own", () => {
  const page = manPage({ version: "1.2.3", date: "2026-11-29" });
  ok(page.startsWith('.TH PGPLEX 1 "2026-11-29" "pgplex 1.2.3"'));
  for (const { flag } of USAGE_OPTIONS) ok(page.includes(flag.replaceAll("-", "\\-")), flag);
  for (const { name } of USAGE_COMMANDS) ok(name === null || page.includes(`.B ${name}\n`), String(name));
  for (const [signal] of USAGE_SIGNALS) ok(page.includes(`.B ${signal}\n`), signal);
  for (const line of page.split("\n")) {
    ok(!/^[.']/.test(line) || /^\.(TH|SH|TP|B|BI|BR|br)( |$)/.test(line), line);
  }
});
