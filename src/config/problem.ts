/** A place in a text. */
export interface Position {
  /** From 1; 0 when the problem is with the file itself. */
  readonly line: number;
  /** From 1; 0 when the problem is with the file itself. */
  readonly column: number;
  /** Of a place in another file that the first one includes. */
  readonly file?: string;
}

/** One reason to refuse a configuration, or to look at it again. No secret is ever in it. */
export interface Problem extends Position {
  /** The file as the caller named it. */
  readonly file: string;
  /** The key, such as `clusters.main.nodes[0].port`; empty when no single key is meant. */
  readonly path: string;
  /** What was found and what was expected, with the nearest known key where there is one. */
  readonly message: string;
}

/** `file:line:column: message`, the form that editors and compilers agree on; without a position, `file: message`. */
export function formatProblem(problem: Problem): string {
  const at = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  return `${at}: ${problem.message}`;
}

/** In the order of the file, one line each, for a terminal. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join("\n");
}
