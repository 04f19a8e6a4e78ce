/** One line of PgBouncer's file that means something. */
export type IniLine =
  | { readonly kind: "section"; readonly name: string }
  | { readonly kind: "entry"; readonly key: string; readonly value: string }
  /** The rest of the line names another file, which stands in its place. */
  | { readonly kind: "include"; readonly file: string }
  /** PgBouncer refuses the whole file for such a line. */
  | { readonly kind: "broken"; readonly reason: string };

/** An {@link IniLine} with where it stands, from 1. */
export type PlacedLine = IniLine & { readonly line: number };

/** What a name without quotes is made of (libusual's cfparser). */
const BARE_KEY = /^[A-Za-z0-9_.*-]+/;

/**
 * The lines of PgBouncer's ini format: a comment is a line that begins with `;` or `#`, a value reaches to the end of its
 * line without the blanks around it, a key may stand in double quotes with a quote inside doubled.
 */
export function parseIni(text: string): PlacedLine[] {
  const lines: PlacedLine[] = [];
  for (const [index, raw] of text.replace(/^\uFEFF/, "").split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith(";") || line.startsWith("#")) continue;
    lines.push({ line: index + 1, ...parseLine(line) });
  }
  return lines;
}

function parseLine(line: string): IniLine {
  const include = /^%include\s+(.+)$/.exec(line);
  if (include !== null) return { kind: "include", file: include[1]! };
  if (line.startsWith("%")) return broken("a directive other than %include");
  const section = /^\[([^\]]*)\]$/.exec(line);
  if (section !== null) return { kind: "section", name: section[1]!.trim() };
  if (line.startsWith("[")) return broken("a section without its ]");
  const quoted = /^"((?:[^"]|"")*)"/.exec(line);
  const bare = BARE_KEY.exec(line);
  const end = (quoted ?? bare)?.[0].length ?? 0;
  const rest = line.slice(end).trimStart();
  const key = quoted === null ? bare?.[0] : quoted[1]!.replaceAll('""', '"');
  if (key === undefined || !rest.startsWith("=")) return broken("no key = value");
  return { kind: "entry", key, value: rest.slice(1).trim() };
}

function broken(reason: string): IniLine {
  return { kind: "broken", reason };
}
