import process from "node:process";
import {
  type Document,
  isAlias,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
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

/** A YAML document whose nodes know their place. */
export class YamlText {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  private constructor(document: Document.Parsed, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  static parse(text: string): YamlText {
    const lines = new LineCounter();
    // prettyErrors would put lines of the file, and the passwords in them, into messages.
    const options = { lineCounter: lines, prettyErrors: false, version: "1.2", uniqueKeys: sameKey } as const;
    return new YamlText(withoutEnvironment(() => parseDocument(text, options)), lines);
  }

  /** The outermost node; null for an empty file. */
  get root(): Node | null {
    return this.#document.contents;
  }

  get problems(): SyntaxProblem[] {
    return [...this.#document.errors, ...this.#document.warnings].map((error) => ({
      ...this.positionOf(error.pos[0]),
      message: SYNTAX_MESSAGES[error.code] ??
        "the text here is not YAML: a quote, bracket, colon or indent is wrong",
      readable: error.code === "DUPLICATE_KEY" || error.code === "TAG_RESOLVE_FAILED",
    }));
  }

  /** The node that an alias (`*name`) stands for, or `node` itself; undefined for an alias of nothing. */
  resolve(node: Node): Node | undefined {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  positionOf(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }
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
