import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type Command, Commands } from "../command/mod.ts";
import { CONNECTION_COMMANDS } from "../drivers/mod.ts";
import { help } from "./help.ts";

const command = (words: string, usage?: string): Command => ({
  words: words.split(" "),
  access: "stats",
  ...(usage !== undefined && { usage }),
  run: () => ({}),
});

Deno.test("help lists tables first, then what takes arguments, and nothing that only drivers send", () => {
  const commands = new Commands([
    ...CONNECTION_COMMANDS,
    command("SHOW", "<path>"),
    command("SHOW POOLS"),
    command("SHOW LISTS"),
    command("SHOW STATE", "[<client id>]"),
    command("PAUSE", "[<db>]"),
    command("SUSPEND"),
  ]);
  const { tag, notices } = help({ commands });
  deepEqual([tag, notices!.length, notices![0]!.severity], ["SHOW", 1, "NOTICE"]);
  equal(
    notices![0]!.detail,
    "\n\tSHOW LISTS|POOLS\n\tSHOW STATE [<client id>]\n\tPAUSE [<db>]\n\tSHOW <path>\n\tSUSPEND",
  );
});

Deno.test("help begins a new line before one gets too long", () => {
  const commands = new Commands(Array.from({ length: 20 }, (_, n) => command(`SHOW TABLE_${n + 10}`)));
  const lines = help({ commands }).notices![0]!.detail!.trim().split("\n\t");
  equal(lines.length > 1, true);
  for (const line of lines) equal(/^SHOW [\w|]{1,75}$/.test(line), true, line);
  equal(lines.join("").match(/TABLE_/g)!.length, 20);
});
