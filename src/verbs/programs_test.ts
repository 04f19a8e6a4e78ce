import { strictEqual as equal } from "node:assert/strict";
import { exitCodeOf, feedStatement, literal, programStatement, shellWord } from "./programs.ts";

Deno.test("literal and shellWord keep quotes and backslashes", () => {
  equal(literal("it's \\ ü"), "E'it''s \\\\ \\U000000fc'");
  equal(shellWord("it's $HOME"), "'it'\\''s $HOME'");
});

Deno.test("feedStatement gives its text in base64 to standard input", () => {
  equal(feedStatement("a\\b\n", "cat"), "COPY (SELECT 'YVxiCg==') TO PROGRAM 'cat'");
  equal(programStatement("true"), "COPY (SELECT WHERE false) TO PROGRAM 'true'");
});

Deno.test("exitCodeOf reads what PostgreSQL says of a program", () => {
  equal(exitCodeOf('program "x" failed: child process exited with exit code 42 (38000)'), 42);
  equal(exitCodeOf('program "x" failed: command not found (38000)'), 127);
  equal(exitCodeOf('program "x" failed: command not executable (38000)'), 126);
  equal(exitCodeOf("child process was terminated by signal 9: Killed"), null);
});
