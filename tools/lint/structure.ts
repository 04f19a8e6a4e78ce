/**
 * Rules about all files together, which a linter that sees one file at a time cannot check: circles of imports, length of
 * files, share of folders, tests beside pure files.
 *
 * `deno task structure` reads the tree and prints what breaks them. The checks are pure functions over {@link Sources}. They
 * read imports and exports by their form after `deno fmt`: each begins at the start of a line.
 *
 * @module
 */
import { isPure, resolvePath } from "./layers.ts";
import { KNOWN, UNTESTED } from "./structure_exceptions.ts";

/** Path from the repository's root, with slashes, to the file's text. */
export type Sources = ReadonlyMap<string, string>;

/** One broken rule. `key` names it in {@link KNOWN} and does not change while the file only grows or shrinks. */
export interface Problem {
  readonly key: string;
  readonly message: string;
}

/** Lines that a source file may have. */
export const FILE_LINES_MAX = 500;

/** The share of all source lines that one folder of `src/` may have. */
export const FOLDER_SHARE_MAX = 1 / 5;

/** All problems of a tree, without those in `known`, and those of the two tables themselves. */
export function structureProblems(
  sources: Sources,
  { known = KNOWN, untested = UNTESTED }: {
    known?: readonly string[];
    untested?: Readonly<Record<string, string>>;
  } = {},
): Problem[] {
  const all = [
    ...importCircles(sources),
    ...longFiles(sources),
    ...largeFolders(sources),
    ...untestedFiles(sources, untested),
  ];
  const found = new Set(all.map(({ key }) => key));
  return [
    ...all.filter(({ key }) => !known.includes(key)),
    ...known.filter((key) => !found.has(key)).map((key) => ({
      key: `stale ${key}`,
      message: `KNOWN of tools/lint/structure_exceptions.ts lists what is no problem any more: ${key}`,
    })),
  ];
}

/** Files that import each other, in whatever way, also of types alone: one problem for each circle, or knot of circles. */
export function importCircles(sources: Sources): Problem[] {
  const imports = new Map<string, readonly string[]>();
  for (const [path, source] of sources) {
    imports.set(path, importedFiles(path, source).filter((target) => sources.has(target)));
  }
  return components(imports)
    .filter((files) => files.length > 1 || imports.get(files[0]!)!.includes(files[0]!))
    .map((files) => files.toSorted())
    .map((files) => ({
      key: `circle ${files[0]}`,
      message: `${files.length} files import each other in a circle: ${files.join(", ")}`,
    }));
}

/** Source files of more than {@link FILE_LINES_MAX} lines; tests may be longer. */
export function longFiles(sources: Sources): Problem[] {
  return [...sources].flatMap(([path, source]) => {
    const lines = lineCount(source);
    if (isTest(path) || lines <= FILE_LINES_MAX) return [];
    return [{
      key: `long ${path}`,
      message: `A source file may have ${FILE_LINES_MAX} lines: received ${lines} of ${path}`,
    }];
  });
}

/** Folders directly in `src/` with more than {@link FOLDER_SHARE_MAX} of its lines, tests not counted. */
export function largeFolders(sources: Sources): Problem[] {
  const lines = new Map<string, number>();
  let sum = 0;
  for (const [path, source] of sources) {
    const [top, folder, ...rest] = path.split("/");
    if (top !== "src" || folder === undefined || isTest(path)) continue;
    const count = lineCount(source);
    sum += count;
    if (rest.length > 0) lines.set(folder, (lines.get(folder) ?? 0) + count);
  }
  return [...lines].filter(([, count]) => count > sum * FOLDER_SHARE_MAX).map(([folder, count]) => ({
    key: `large src/${folder}`,
    message: `A folder of src/ may have ${percent(FOLDER_SHARE_MAX)} of its lines: received ${
      percent(count / sum)
    } (${count} of ${sum}) in src/${folder}/`,
  }));
}

/**
 * Pure files without NAME_test.ts beside them. A `mod.ts`, and a file that exports types alone, needs none. An entry of
 * `untested` for a file that has a test, needs none or is not there is a problem as well.
 */
export function untestedFiles(sources: Sources, untested: Readonly<Record<string, string>>): Problem[] {
  const missing = [...sources]
    .filter(([path, source]) => needsTest(path, source) && !sources.has(path.replace(/\.ts$/, "_test.ts")))
    .map(([path]) => path);
  return [
    ...missing.filter((path) => !Object.hasOwn(untested, path)).map((path) => ({
      key: `untested ${path}`,
      message:
        `A pure file has a test beside it: ${path} has none, and no reason in tools/lint/structure_exceptions.ts`,
    })),
    ...Object.keys(untested).filter((path) => !missing.includes(path)).map((path) => ({
      key: `stale reason ${path}`,
      message: `UNTESTED of tools/lint/structure_exceptions.ts gives a reason for ${path}, which needs none`,
    })),
  ];
}

function needsTest(path: string, source: string): boolean {
  return isPure(path) && !path.endsWith("/mod.ts") && !exportsTypesOnly(source);
}

/** Whether a file exports something, and nothing but types and interfaces. */
export function exportsTypesOnly(source: string): boolean {
  const exports = [...source.matchAll(/^export\s+(.*)/gm)].map(([, rest]) => rest!);
  return exports.length > 0 && exports.every((rest) => /^(?:interface|type)\b/.test(rest));
}

/** The files that a source imports, in whatever way a relative import can be written, each once. */
export function importedFiles(path: string, source: string): string[] {
  const specifiers = [
    // import … from, export … from, and an import for its effect alone: no other statement has these characters only.
    ...source.matchAll(/^(?:import|export)\b(?:[\w\s{},*$]*?\bfrom)?\s*"(\.[^"]+)"/gm),
    // import("…") of a value or of a type.
    ...source.matchAll(/\bimport\(\s*"(\.[^"]+)"/g),
  ].map(([, specifier]) => specifier!);
  return [...new Set(specifiers.map((specifier) => resolvePath(path, specifier)))];
}

/** Strongly connected components by Tarjan's algorithm. */
function components(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const visit = (node: string): number => {
    let lowest = index.size;
    index.set(node, lowest);
    stack.push(node);
    onStack.add(node);
    const own = lowest;
    for (const next of edges.get(node)!) {
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (onStack.has(next)) lowest = Math.min(lowest, index.get(next)!);
    }
    if (lowest === own) {
      const component = stack.splice(stack.indexOf(node));
      for (const member of component) onStack.delete(member);
      found.push(component);
    }
    return lowest;
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return found;
}

function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

function lineCount(source: string): number {
  return source.split("\n").length - (source === "" || source.endsWith("\n") ? 1 : 0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

async function readTree(folder: string, into: Map<string, string>): Promise<void> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await readTree(path, into);
    else if (isFile && name.endsWith(".ts")) into.set(path, await Deno.readTextFile(path));
  }
}

if (import.meta.main) {
  const sources = new Map<string, string>();
  for (const folder of ["src", "tools"]) await readTree(folder, sources);
  const problems = structureProblems(new Map([...sources].sort(([a], [b]) => a < b ? -1 : 1)));
  for (const { key, message } of problems) console.error(`${message}\n  ${JSON.stringify(key)}`);
  if (problems.length > 0) Deno.exit(1);
  console.log(`Structure of ${sources.size} files is as it should be`);
}
