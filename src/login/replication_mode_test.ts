import { strictEqual as equal, throws } from "node:assert/strict";
import { replicationMode } from "./replication_mode.ts";

Deno.test("replicationMode reads a boolean in every spelling that PostgreSQL takes, or database", () => {
  const spellings: [string, "physical" | "logical" | null][] = [
    ["database", "logical"],
    ...["t", "tr", "true", "TRUE", "y", "ye", "yes", "on", "ON", "1"].map((text) =>
      [text, "physical"] as [string, "physical"]
    ),
    ...["f", "false", "False", "n", "no", "of", "off", "OFF", "0"].map((text) =>
      [text, null] as [string, null]
    ),
  ];
  for (const [text, mode] of spellings) equal(replicationMode(text), mode, text);
  equal(replicationMode(undefined), null);
});

Deno.test("replicationMode refuses what is neither, with the value as it was given and PostgreSQL's SQLSTATE", () => {
  for (const text of ["", "o", "DATABASE", "truee", "2", "tru e"]) {
    throws(() => replicationMode(text), {
      code: "invalid_authorization",
      sqlstate: "22023",
      message: `invalid value for parameter "replication": "${text}"`,
    });
  }
  throws(() => replicationMode("\xc3\xa4"), { message: 'invalid value for parameter "replication": "ä"' });
});
