import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import type { Command } from "./command.ts";
import { Commands } from "./commands.ts";
import { lexStatements } from "./lexer.ts";

const command = (words: string): Command => ({ words: words.split(" "), access: "stats", run: () => ({}) });
const commands = new Commands(["SHOW", "SET", "SHOW POOLS", "SHOW TIME ZONE"].map(command));
const find = (text: string) => commands.find(lexStatements(text)[0]!);

Deno.test("Commands.find takes the command with the most words, without regard to case", () => {
  deepEqual(find("show time zone").command.words, ["SHOW", "TIME", "ZONE"]);
  deepEqual(find("SHOW pools.a").command.words, ["SHOW"]); // a path is not its first name
  deepEqual(find('SHOW "POOLS"').command.words, ["SHOW"]);
  deepEqual(find("SHOW time").command.words, ["SHOW"]);
});

Deno.test("Commands.find gives the command what stands behind its words, with its parameters", () => {
  const { args, statement } = find("SET a = $1");
  equal(args().count, 3);
  equal(args(["v"]).text(2), "v");
  equal(statement.text, "SET a = $1");
});

Deno.test("Commands.find refuses anything else in PgBouncer's words, and shows no value of it", () => {
  throws(() => find("INSERT INTO t VALUES ('secret')"), {
    code: "syntax_error",
    message: "invalid command 'INSERT INTO t VALUES', use SHOW HELP;",
  });
});

Deno.test("Commands.findShow finds the SHOW of what stands behind another word", () => {
  const [, ...rest] = lexStatements("SELECT pools x")[0]!.tokens;
  const { command, args } = commands.findShow(rest);
  deepEqual(command.words, ["SHOW", "POOLS"]);
  deepEqual([args().count, args().text(0)], [1, "x"]);
});

Deno.test("Commands.all is in the order of the words", () => {
  deepEqual(commands.all().map(({ words }) => words.join(" ")), [
    "SET",
    "SHOW",
    "SHOW POOLS",
    "SHOW TIME ZONE",
  ]);
});
