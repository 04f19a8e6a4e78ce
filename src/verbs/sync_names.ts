/** What `synchronous_standby_names` asks for: `k` of `names`, the first of them by order, or any. */
export interface SyncNames {
  readonly method: "any" | "first";
  readonly k: number;
  /** Without quotes, in order; `*` stands for every standby. */
  readonly names: readonly string[];
}

/**
 * `synchronous_standby_names` as {@link SyncNames}; null where it is empty, and no commit waits for anybody.
 *
 * @throws Error of a text that PostgreSQL would not take
 * Source: src/backend/replication/syncrep_gram.y and syncrep_scanner.l.
 */
export function parseSyncNames(text: string): SyncNames | null {
  const tokens = tokensOf(text);
  if (tokens.length === 0) return null;
  const [first, second, third] = tokens;
  if (isNumber(first) && second?.text === "(") return of("first", first!.text, tokens.slice(1));
  if (first?.kind === "word" && isNumber(second) && third?.text === "(") {
    const method = first.text.toLowerCase();
    if (method === "any" || method === "first") return of(method, second!.text, tokens.slice(2));
  }
  return { method: "first", k: 1, names: namesOf(tokens) };
}

interface Token {
  readonly kind: "word" | "quoted" | "mark";
  readonly text: string;
}

function isNumber(token: Token | undefined): boolean {
  return token?.kind === "word" && /^\d+$/.test(token.text);
}

function of(method: SyncNames["method"], k: string, rest: readonly Token[]): SyncNames {
  if (rest.at(-1)?.text !== ")" || Number(k) < 1) throw malformed();
  return { method, k: Number(k), names: namesOf(rest.slice(1, -1)) };
}

function namesOf(tokens: readonly Token[]): string[] {
  return tokens.flatMap(({ kind, text }, index) => {
    const isComma = kind === "mark" && text === ",";
    if (
      isComma !== (index % 2 === 1) || (kind === "mark" && !isComma) || index === tokens.length - 1 && isComma
    ) {
      throw malformed();
    }
    return isComma ? [] : [text];
  });
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const token = /\s*(?:"((?:[^"]|"")*)"|([A-Za-z_0-9\u0080-\uffff][A-Za-z_0-9$\u0080-\uffff]*|\*)|([(),]))/y;
  while (text.slice(token.lastIndex).trim() !== "") {
    const match = token.exec(text);
    if (match === null) throw malformed();
    const [, quoted, word, mark] = match;
    if (quoted !== undefined) tokens.push({ kind: "quoted", text: quoted.replaceAll('""', '"') });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else tokens.push({ kind: "mark", text: mark! });
  }
  return tokens;
}

function malformed(): Error {
  return new Error("Cannot read synchronous_standby_names: it is malformed");
}

/** {@link SyncNames} as PostgreSQL reads it; every name is quoted but `*`. */
export function formatSyncNames(names: SyncNames | null): string {
  if (names === null) return "";
  const list = names.names.map((name) => name === "*" ? "*" : `"${name.replaceAll('"', '""')}"`).join(", ");
  return `${names.method.toUpperCase()} ${names.k} (${list})`;
}
