import { ok } from "node:assert/strict";
import { helpText } from "./help.ts";
import { USAGE_COMMANDS, USAGE_OPTIONS, USAGE_SIGNALS } from "./tables.ts";

Deno.test("helpText names every option, command and signal, in lines that a terminal of 120 columns holds", () => {
  const text = helpText("1.2.3");
  ok(text.startsWith("pgplex 1.2.3: "));
  for (const { flag, doc } of USAGE_OPTIONS) ok(text.includes(flag) && text.includes(doc), flag);
  for (const { synopsis } of USAGE_COMMANDS) ok(text.includes(`pgplex ${synopsis}\n`), synopsis);
  for (const [signal] of USAGE_SIGNALS) ok(text.includes(`  ${signal}`), signal);
  for (const line of text.split("\n")) ok(line.length <= 122, line);
});
