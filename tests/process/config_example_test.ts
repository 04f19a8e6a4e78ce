import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import {
  type Config,
  formatProblems,
  parseConfig,
  type Position,
  SETTINGS,
  shownSettings,
} from "../../src/config/mod.ts";

const FILE = "config.example.yaml";
const TEXT = Deno.readTextFileSync(new URL(`../../${FILE}`, import.meta.url));

function parse(text: string): { config: Config; positions: ReadonlyMap<string, Position> } {
  const parsed = parseConfig(text, { file: FILE });
  ok(!("problems" in parsed), "problems" in parsed ? formatProblems(parsed.problems) : "");
  return parsed;
}

/**
 * The example with its disabled keys switched on (`#key`, or `#` and a multiple of two blanks), each in place of the
 * default on the line that it follows. One source of a password is left out, as a user has only one.
 */
function withEverything(): string {
  const lines: string[] = [];
  for (const line of TEXT.split("\n")) {
    const disabled = /^(\s*)#((?: {2})*(?:[A-Za-z_]+:.*|# .*))$/.exec(line);
    if (disabled === null) {
      lines.push(line);
      continue;
    }
    const enabled = disabled[1]! + disabled[2]!;
    const key = /^\s*\w+:/.exec(enabled)?.[0];
    if (key !== undefined && lines.at(-1)!.startsWith(key)) lines.pop();
    lines.push(enabled);
  }
  return lines.join("\n")
    .replace("      password_env: BOB_PASSWORD", "      password_env: null");
}

Deno.test("the example gives every key its default", () => {
  const minimal = "clusters: { main: { nodes: [{ name: main-1, host: 127.0.0.1 }] } }";
  deepEqual(parse(TEXT).config, parse(minimal).config);
});

Deno.test("the example sets every key that has a value by default", () => {
  const { config, positions } = parse(TEXT);
  for (const { path } of shownSettings(config)) {
    ok(positions.has(path), `${path} is missing in ${FILE}`);
  }
});

Deno.test("the example with its disabled keys is a good configuration and has every key of the table", () => {
  const { positions } = parse(withEverything());
  const patterns = new Set([...positions.keys()].map((path) =>
    path.replace(/\[\d+\]/g, "[]")
      .replace(/^(auth\.users|users|routing\.databases|clusters)\.[^.]+/, "$1.*")
  ));
  const isOverride = (path: string) => /^(routing\.databases\.\*|users\.\*|clusters\.\*\.pool)\./.test(path);
  for (const { path, default: { kind } } of SETTINGS) {
    if (kind === "inherited" && isOverride(path)) continue;
    ok(patterns.has(path), `${path} is missing in ${FILE}`);
  }
  // Pool keys of aliases and clusters stand there once each, for the rest the pool section speaks.
  ok(patterns.has("routing.databases.*.pool_mode"));
  ok(patterns.has("clusters.*.pool.default_pool_size"));
});

Deno.test("the example explains every key on the line above it", () => {
  const lines = TEXT.split("\n");
  for (const [path, { line }] of parse(TEXT).positions) {
    if (/^clusters\.main$|\]/.test(path)) continue;
    ok(/^\s*# \S/.test(lines[line - 2]!), `${FILE}:${line}: ${path} has no comment above it`);
  }
});

Deno.test("the example marks exactly the keys that need a restart", () => {
  const lines = TEXT.split("\n");
  const { positions } = parse(TEXT);
  for (const { path, reload } of SETTINGS) {
    const position = positions.get(path);
    if (position === undefined) continue;
    equal(lines[position.line - 2]!.endsWith("(restart)"), reload === "restart", path);
  }
});
