import process from "node:process";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { Position } from "./problem.ts";

/** A file of a megabyte is not a configuration; the limit keeps a wrong file name from filling memory. */
export const CONFIG_CHARS_MAX = 1_048_576;

/** What is wrong with the YAML itself. */
export interface SyntaxProblem extends Position {
  readonly message: string;
  /** Whether the values are readable all the same. */
  readonly readable: boolean;
}

/** A text that the first one includes, and its file's name. */
export interface IncludedText {
  readonly file: string;
  readonly text: string;
}

/** One document of {@link YamlText}; its nodes' offsets begin at `base`. */
interface Part {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly base: number;
  /** null: the first one. */
  readonly file: string | null;
}

/** A YAML document whose nodes know their place, together with those that it includes. */
export class YamlText {
  readonly #parts: Part[];
  readonly #clashes: SyntaxProblem[] = [];

  private constructor(parts: Part[]) {
    this.#parts = parts;
  }

  /** `included` are merged into `text`: each mapping gets the keys that it has there. */
  static parse(text: string, included: readonly IncludedText[] = []): YamlText {
    const parts = [parsePart(text, 0, null)];
    let base = text.length + 1;
    for (const { file, text } of included) {
      parts.push(parsePart(text, base, file));
      base += text.length + 1;
    }
    const yaml = new YamlText(parts);
    for (const { document } of parts.slice(1)) yaml.#include(document.contents);
    return yaml;
  }

  /** The files that a text includes, as far as it can be read: its key `include`. */
  static includesOf(text: string): string[] {
    const { contents } = parsePart(text, 0, null).document;
    const found = isMap(contents) ? contents.get("include", true) : null;
    const items: unknown[] = isSeq(found) ? found.items : [found];
    return items.flatMap((item) => isScalar(item) && typeof item.value === "string" ? [item.value] : []);
  }

  /** The outermost node; null for an empty file. */
  get root(): Node | null {
    return this.#parts[0]!.document.contents;
  }

  get problems(): SyntaxProblem[] {
    const syntax = this.#parts.flatMap(({ document, base }) =>
      [...document.errors, ...document.warnings].map((error) => ({
        ...this.positionOf(error.pos[0] + base),
        message: SYNTAX_MESSAGES[error.code] ??
          "the text here is not YAML: a quote, bracket, colon or indent is wrong",
        readable: error.code === "DUPLICATE_KEY" || error.code === "TAG_RESOLVE_FAILED",
      }))
    );
    return [...syntax, ...this.#clashes];
  }

  /** The node that an alias (`*name`) stands for, or `node` itself; undefined for an alias of nothing. */
  resolve(node: Node): Node | undefined {
    return isAlias(node) ? node.resolve(this.#partAt(node.range?.[0] ?? 0).document) : node;
  }

  positionOf(offset: number): Position {
    const { lines, base, file } = this.#partAt(offset);
    const { line, col } = lines.linePos(offset - base);
    return { line, column: col, ...(file !== null && { file }) };
  }

  #partAt(offset: number): Part {
    return this.#parts.findLast(({ base }) => base <= offset)!;
  }

  #include(contents: Node | null): void {
    const first = this.#parts[0]!.document;
    if (isMap(contents) && isMap(first.contents)) this.#merge(first.contents, contents);
    else if (contents !== null) this.#clash(contents, "an included file must be a mapping of keys to values");
  }

  #merge(into: YAMLMap, from: YAMLMap): void {
    for (const pair of from.items as Pair<Node, Node | null>[]) {
      const same = (into.items as Pair<Node, Node | null>[]).find(({ key }) => sameKey(key, pair.key));
      if (same === undefined) into.items.push(pair);
      else if (isMap(same.value) && isMap(pair.value)) this.#merge(same.value, pair.value);
      else this.#clash(pair.key, "this key stands in another file too; expected each key once");
    }
  }

  #clash(node: Node, message: string): void {
    this.#clashes.push({ ...this.positionOf(node.range?.[0] ?? 0), message, readable: true });
  }
}

function parsePart(text: string, base: number, file: string | null): Part {
  const lines = new LineCounter();
  // prettyErrors would put lines of the file, and the passwords in them, into messages.
  const options = { lineCounter: lines, prettyErrors: false, version: "1.2", uniqueKeys: sameKey } as const;
  const document = withoutEnvironment(() => parseDocument(text, options));
  if (base > 0) {
    visit(document, (_, node) => {
      if (!isNode(node) || !node.range) return;
      const [start, value, end] = node.range;
      node.range = [start + base, value + base, end + base];
    });
  }
  return { document, lines, base, file };
}

/** Our own sentences: the library's quote what it found, which may be a password without its quotes. */
const SYNTAX_MESSAGES: { readonly [Code in YAMLError["code"]]?: string } = {
  BAD_ALIAS: "an alias (*name) leads nowhere; text that begins with * must be in quotes",
  BAD_DQ_ESCAPE: "text in \"double quotes\" holds an unknown escape; use 'single quotes' to take \\ as it is",
  BAD_INDENT: "the indent does not fit the lines before",
  BAD_SCALAR_START: "text that begins with @ or ` must be in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping cannot begin on the line of another key; text that holds ": " must be in quotes',
  DUPLICATE_KEY: "this key stands here for the second time; expected each key once",
  KEY_OVER_1024_CHARS: "a key is too long; is a quote or colon missing?",
  MISSING_CHAR: "a character is missing here: a quote, a comma, a colon, or the space after one",
  MULTILINE_IMPLICIT_KEY: "a key is not on one line; is a colon missing?",
  MULTIPLE_DOCS: "a second document begins here; expected one",
  TAB_AS_INDENT: "a tab is used as indent; expected spaces",
  TAG_RESOLVE_FAILED: "a tag (!name) is not known; text that begins with ! must be in quotes",
};

/** Keys are compared as written: 1 and "1" name the same user. */
function sameKey(a: Node, b: Node): boolean {
  return isScalar(a) && isScalar(b) && String(a.source ?? a.value) === String(b.source ?? b.value);
}

/**
 * Runs `parse` with an empty `process.env`. The library reads its own debug switches (LOG_TOKENS, LOG_STREAM) from there
 * at each token, which Deno refuses without --allow-env; configurations must be readable without any permission. Nothing
 * else can run meanwhile, because `parse` does not await. (npm:yaml's browser build does without, but is not exported to
 * Deno.)
 */
function withoutEnvironment<T>(parse: () => T): T {
  const environment = process.env;
  process.env = {};
  try {
    return parse();
  } finally {
    process.env = environment;
  }
}
