/** What stands in the written file as a value. */
export type Plain = string | number | boolean | null | readonly string[];

type Item =
  | { readonly kind: "comment"; readonly text: string }
  | { readonly kind: "value"; readonly key: string; value: Plain; readonly remark: string }
  | { readonly kind: "map"; readonly key: string; readonly map: YamlText }
  | {
    readonly kind: "entries";
    readonly key: string;
    readonly list: readonly Readonly<Record<string, Plain>>[];
  };

const COLUMNS_MAX = 110;

/**
 * A YAML mapping that is written line by line, with comments where they belong. The library's own documents put comments at
 * nodes; here one may stand in a mapping that has nothing else, which is printed as none.
 */
export class YamlText {
  readonly #items: Item[] = [];

  /** The mapping at `key`, made at its first use. */
  at(key: string): YamlText {
    for (const item of this.#items) if (item.kind === "map" && item.key === key) return item.map;
    const map = new YamlText();
    this.#items.push({ kind: "map", key, map });
    return map;
  }

  /** Gives `key` a value; a later one for the same key takes its place. */
  set(key: string, value: Plain, remark = ""): void {
    const known = this.#items.find((item) => item.kind === "value" && item.key === key);
    if (known?.kind === "value") known.value = value;
    else this.#items.push({ kind: "value", key, value, remark });
  }

  /** A list of mappings, one on a line. */
  entries(key: string, list: readonly Readonly<Record<string, Plain>>[]): void {
    this.#items.push({ kind: "entries", key, list });
  }

  comment(text: string): void {
    this.#items.push({ kind: "comment", text });
  }

  /** Whether a key is in it. */
  get hasKeys(): boolean {
    return this.#items.some((item) => item.kind === "map" ? item.map.hasKeys : item.kind !== "comment");
  }

  get isEmpty(): boolean {
    return this.#items.every((item) => item.kind === "map" && item.map.isEmpty);
  }

  /** The lines, `depth` steps of two blanks in. */
  lines(depth = 0): string[] {
    const indent = "  ".repeat(depth);
    return this.#items.flatMap((item) => {
      switch (item.kind) {
        case "comment":
          return wrapped(item.text, COLUMNS_MAX - indent.length - 2).map((line) => `${indent}# ${line}`);
        case "value": {
          const remark = item.remark === "" ? "" : ` # ${item.remark}`;
          return [`${indent}${scalar(item.key)}: ${plain(item.value)}${remark}`];
        }
        case "entries":
          return [
            `${indent}${item.key}:`,
            ...item.list.map((entry) => `${indent}  - ${flow(entry)}`),
          ];
        case "map":
          if (item.map.isEmpty) return [];
          if (!item.map.hasKeys) return item.map.lines(depth);
          return [`${indent}${scalar(item.key)}:`, ...item.map.lines(depth + 1)];
      }
    });
  }
}

function flow(entry: Readonly<Record<string, Plain>>): string {
  return `{ ${Object.entries(entry).map(([key, value]) => `${key}: ${plain(value)}`).join(", ")} }`;
}

function plain(value: Plain): string {
  if (typeof value === "string") return scalar(value);
  if (typeof value === "object" && value !== null) return `[${value.map(scalar).join(", ")}]`;
  return String(value);
}

/** Words that YAML reads as something else than text stand in quotes, as does whatever looks unusual. */
function scalar(text: string): string {
  const isWord = /^[A-Za-z_/][A-Za-z0-9_./@-]*$/.test(text) &&
    !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return isWord || /^\d+(?:ms|s|m|h|d|kB|MB)$/.test(text) ? text : JSON.stringify(text);
}

/** Lines of at most `columns` characters, broken at blanks where there are any. */
function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > columns) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}
