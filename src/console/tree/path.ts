import { PgplexError } from "../../kernel/mod.ts";
import type { NamePart } from "../command/mod.ts";
import { nothingAt, type TreeNode } from "./node.ts";
import { formatPlace } from "./place.ts";

/** Where a path leads. */
export interface Found {
  readonly node: TreeNode;
  /** The names along the path, spelled as in the tree. */
  readonly path: readonly string[];
}

/**
 * Walks a path from `root`. A name is taken as it is written; one without quotes that is not found so is looked for without
 * regard to case. `nodes[0]` is `nodes`, then `0`.
 *
 * @throws PgplexError `undefined_object` with what there is
 */
export async function walk(root: TreeNode, parts: readonly NamePart[]): Promise<Found> {
  let node = root;
  const path: string[] = [];
  const steps = parts.flatMap(withoutIndex);
  for (const [index, { text, quoted }] of steps.entries()) {
    const name = spelled(node, text, quoted, path);
    const next = name === undefined ? undefined : await node.child(name);
    if (next === undefined) {
      const parent = path.length === 0 ? "The console" : formatPlace(path);
      const names = [...node.names()];
      const begun = withDots(names, steps.slice(index));
      throw nothingAt(formatPlace([...path, text]), { parent, asked: text, names, begun });
    }
    path.push(name!);
    node = next;
  }
  return { node, path };
}

/** @throws PgplexError `undefined_object` where several names match without regard to case and none matches exactly */
function spelled(
  node: TreeNode,
  text: string,
  quoted: boolean,
  path: readonly string[],
): string | undefined {
  const names = [...node.names()];
  if (names.includes(text)) return text;
  // Indexes of a list are not among its names.
  if (/^\d+$/.test(text)) return text;
  if (quoted) return undefined;
  const folded = text.toLowerCase();
  const alike = names.filter((name) => name.toLowerCase() === folded);
  if (alike.length <= 1) return alike[0];
  throw ambiguous([...path, text], alike.map((name) => [...path, name]));
}

/** The error for a name that matches several. */
export function ambiguous(
  asked: readonly string[],
  paths: readonly (readonly string[])[],
): PgplexError {
  return new PgplexError("undefined_object", `"${formatPlace(asked)}" is ambiguous`, {
    detail: `It may be ${paths.map(formatPlace).join(" or ")}.`,
  });
}

/** A name with dots in it that was written without quotes: the steps from here on spell it, or begin with it. */
function withDots(names: readonly string[], steps: readonly NamePart[]): string | undefined {
  const written = `${steps.map(({ text }) => text).join(".").toLowerCase()}.`;
  return names.find((name) => name.includes(".") && written.startsWith(`${name.toLowerCase()}.`));
}

function withoutIndex(part: NamePart): NamePart[] {
  const match = part.quoted ? null : /^([^[\]]+)((?:\[\d+\])+)$/.exec(part.text);
  if (match === null) return [part];
  const indexes = [...match[2]!.matchAll(/\d+/g)].map(([text]) => ({ text, quoted: false }));
  return [{ text: match[1]!, quoted: false }, ...indexes];
}

/** @throws PgplexError `syntax_error` where a path is missing */
export function noPath(): PgplexError {
  return new PgplexError("syntax_error", "syntax error: a path must stand here, such as clusters.main.pool");
}
