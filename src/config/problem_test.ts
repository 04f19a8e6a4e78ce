import { strictEqual as equal } from "node:assert/strict";
import { formatProblem, formatProblems, type Problem } from "./problem.ts";

const problem = (line: number, column: number): Problem => ({
  file: "a.yaml",
  line,
  column,
  path: "listen.port",
  message: "it is bad",
});

Deno.test("formatProblem says file, line and column as compilers do, and leaves out a place that there is not", () => {
  equal(formatProblem(problem(3, 7)), "a.yaml:3:7: it is bad");
  equal(formatProblem(problem(0, 0)), "a.yaml: it is bad");
});

Deno.test("formatProblems gives each a line, in the order in which they come", () => {
  equal(formatProblems([problem(2, 1), problem(1, 1)]), "a.yaml:2:1: it is bad\na.yaml:1:1: it is bad");
  equal(formatProblems([]), "");
});
