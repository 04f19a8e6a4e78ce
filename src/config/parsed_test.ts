import { ok, strictEqual as equal } from "node:assert/strict";
import { parseConfig, type ParsedConfig } from "./parse.ts";
import { formatProblem, type Problem } from "./problem.ts";

/** One cluster of one node: what is left out has its default. */
export const MAIN = "clusters: { main: { nodes: [{ name: a, host: db1 }] } }\n";

/** A text that is good. */
export function good(text: string): ParsedConfig {
  const parsed = parseConfig(text, { file: "f.yaml" });
  ok(!("problems" in parsed), "problems" in parsed ? parsed.problems.map(formatProblem).join("\n") : "");
  return parsed;
}

/** What is wrong with a text. */
export function bad(text: string): readonly Problem[] {
  const parsed = parseConfig(text, { file: "f.yaml" });
  ok("problems" in parsed, `${text} was accepted`);
  return parsed.problems;
}

/** Exactly one problem, at this path, whose text matches. */
export function refuses(text: string, path: string, message: RegExp): void {
  const problems = bad(text);
  const shown = problems.map(formatProblem).join("\n");
  equal(problems.length, 1, `${text}\n${shown}`);
  equal(problems[0]!.path, path, shown);
  ok(message.test(problems[0]!.message), shown);
}
