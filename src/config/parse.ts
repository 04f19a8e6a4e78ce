import { checkConfig } from "./check.ts";
import { unusedBeside } from "./check_coordination.ts";
import { formatPath, type Segments } from "./path.ts";
import type { Position, Problem } from "./problem.ts";
import { habitsIn } from "./habits.ts";
import { Reader } from "./read.ts";
import type { Config } from "./schema.ts";
import { SETTING_TREE } from "./settings.ts";
import { CONFIG_CHARS_MAX, type IncludedText, YamlText } from "./yaml.ts";

/** How the text is called in problems. */
export interface ParseOptions {
  /** The file's name, as people know it. */
  readonly file: string;
  /** The texts that this one includes. */
  readonly included?: readonly IncludedText[];
}

/** A configuration that is good as a whole. */
export interface ParsedConfig {
  readonly config: Config;
  /** Where each value that the text gives stands, by its path (`clusters.main.nodes[0].port`); others are defaults. */
  readonly positions: ReadonlyMap<string, Position>;
  /** What is good, and may mean something else than was meant; in the order of the text. */
  readonly warnings: readonly Problem[];
}

/** Everything that is wrong, in the order of the text; at least one. */
export interface RefusedConfig {
  readonly problems: readonly Problem[];
  /** What could be read all the same, with stand-ins for what could not; absent where that would be guessing. */
  readonly rest?: ParsedConfig & {
    /** Whether the value at a path, such as `listen.tls.key_file`, is a stand-in. */
    readonly isBroken: (path: string) => boolean;
  };
}

/**
 * The configuration that a YAML text says, with defaults for what it does not say, or every reason to refuse it.
 *
 * Reads no other file: passwords and certificates that the text names by file or environment variable are still missing;
 * `loadConfig` adds them. Never throws for any text.
 *
 * @example
 * ```ts
 * import { formatProblems, parseConfig } from "./mod.ts";
 *
 * const parsed = parseConfig("clusters: { main: { nodes: [{ name: a, host: db1 }] } }", { file: "pgplex.yaml" });
 * if ("problems" in parsed) throw new Error(formatProblems(parsed.problems));
 * parsed.config.pool.query_wait_timeout; // 120000
 * ```
 */
export function parseConfig(
  text: string,
  { file, included = [] }: ParseOptions,
): ParsedConfig | RefusedConfig {
  if ([text, ...included.map(({ text }) => text)].some(({ length }) => length > CONFIG_CHARS_MAX)) {
    const message =
      `Cannot read the file as it must have at most ${CONFIG_CHARS_MAX} characters: received more`;
    return { problems: [{ file, line: 0, column: 0, path: "", message }] };
  }
  const yaml = YamlText.parse(text, included);
  const syntax = yaml.problems;
  const reader = new Reader(yaml, file);
  for (const { message, readable: _, ...position } of syntax) {
    reader.report([], `Cannot read the YAML: ${message}`, position);
  }
  // What a broken document seems to say would only add misleading problems.
  if (syntax.some(({ readable }) => !readable)) return { problems: inOrder(reader.problems, file) };

  const config = reader.read(SETTING_TREE, yaml.root, []) as Config;
  checkConfig(config, (at, message, because = []) => {
    if ([at, ...because].some((path) => isBroken(reader.broken, path))) return;
    reader.report(at, message);
  });
  for (const [at, message] of [...habitsIn(config), ...unusedBeside(config)]) reader.warn(at, message);
  const { problems, positions, broken } = reader;
  const warnings = inOrder(reader.warnings, file);
  if (problems.length === 0) return { config, positions, warnings };
  const isStandIn = (path: string) => broken.has(path) || broken.has("");
  return { problems: inOrder(problems, file), rest: { config, positions, warnings, isBroken: isStandIn } };
}

/** Whether the value at `path`, or one around it, is a stand-in. */
function isBroken(broken: ReadonlySet<string>, path: Segments): boolean {
  return path.some((_, index) => broken.has(formatPath(path.slice(0, index + 1)))) || broken.has("");
}

/** In the order of `file`'s text; those of the files that it names behind them. */
export function inOrder(problems: readonly Problem[], file: string): Problem[] {
  const place = (problem: Problem) => problem.file === file ? 0 : 1;
  return problems.toSorted((a, b) =>
    place(a) - place(b) || (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line ||
    a.column - b.column
  );
}
