import { PgplexError } from "../../kernel/mod.ts";
import type { NamePart } from "../lexer.ts";
import { nothingAt, type TreeNode } from "./node.ts";

/** Where a path leads. */
export interface Found {
  readonly node: TreeNode;
  /** The names on the way as they are spelled where they stand. */
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
  for (const { text, quoted } of parts.flatMap(withoutIndex)) {
    const name = spelled(node, text, quoted);
    const next = name === undefined ? undefined : await node.child(name);
    if (next === undefined) {
      const parent = path.length === 0 ? "The console" : formatPlace(path);
      throw nothingAt(formatPlace([...path, text]), { parent, asked: text, names: node.names() });
    }
    path.push(name!);
    node = next;
  }
  return { node, path };
}

/** A path as SHOW and SET read it: a name that is not plain is in double quotes, a quote in it doubled. */
export function formatPlace(path: readonly string[]): string {
  return path.map((name) => isPlain(name) ? name : `"${name.replaceAll('"', '""')}"`).join(".");
}

/** Two hyphens would begin a comment. */
function isPlain(name: string): boolean {
  return /^[\p{L}\p{N}_-]+$/u.test(name) && !name.includes("--");
}

function spelled(node: TreeNode, text: string, quoted: boolean): string | undefined {
  const names = [...node.names()];
  if (names.includes(text)) return text;
  // Places in a list are not among its names.
  if (/^\d+$/.test(text)) return text;
  const folded = text.toLowerCase();
  return quoted ? undefined : names.find((name) => name.toLowerCase() === folded);
}

function withoutIndex(part: NamePart): NamePart[] {
  const match = part.quoted ? null : /^([^[\]]+)((?:\[\d+\])+)$/.exec(part.text);
  if (match === null) return [part];
  const indexes = [...match[2]!.matchAll(/\d+/g)].map(([text]) => ({ text, quoted: false }));
  return [{ text: match[1]!, quoted: false }, ...indexes];
}

/** @throws PgplexError `syntax_error` where a path should stand and does not */
export function noPath(): PgplexError {
  return new PgplexError("syntax_error", "syntax error: a path must stand here, such as clusters.main.pool");
}
