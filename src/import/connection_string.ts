/** The pairs of a connection string in their order; a key in it twice is here twice. */
export type Pairs = readonly (readonly [key: string, value: string])[];

/**
 * Reads what stands behind a name in `[databases]`, `[users]` and `[peers]`: `key=value` pairs between blanks, a value with
 * blanks in single quotes, in which a quote is doubled.
 *
 * @returns null for what PgBouncer refuses: a pair without `=`, or quotes that do not end
 */
export function parseConnectionString(text: string): Pairs | null {
  const pairs: [string, string][] = [];
  const pair = /\s*([^\s=']+)\s*=\s*(?:'((?:[^']|'')*)'(?=\s|$)|([^\s']\S*|(?=\s|$)))\s*/y;
  for (let at = text.search(/\S|$/); at < text.length; at = pair.lastIndex) {
    pair.lastIndex = at;
    const found = pair.exec(text);
    if (found === null) return null;
    pairs.push([found[1]!, found[2]?.replaceAll("''", "'") ?? found[3] ?? ""]);
  }
  return pairs;
}

/** The same pairs as text, secrets as `***`: for comments. */
export function formatPairs(pairs: Pairs): string {
  return pairs.map(([key, value]) => `${key}=${key === "password" ? "***" : value}`).join(" ");
}
