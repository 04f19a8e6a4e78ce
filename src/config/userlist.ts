import { Secret } from "./secret.ts";
import { PASSWORD_BYTES_MAX, USER_BYTES_MAX } from "./value.ts";

/** The mark of a user that stands in `users_file`: a symbol, as it is no setting. */
export const LISTED: unique symbol = Symbol("listed");

/** One line that cannot be used. It never says what stands there. */
export interface UserlistProblem {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly message: string;
}

/** What a userlist says: each user's secret, null for an empty one, which no password matches. */
export interface Userlist {
  readonly users: ReadonlyMap<string, Secret | null>;
}

/**
 * Reads PgBouncer's userlist.txt: a line is `"user" "secret"`, a quote inside is doubled, what follows the second text is
 * ignored (PostgreSQL's old pg_auth file had more columns), a line that begins with `;` is a comment, empty lines are
 * skipped (load_auth_file in PgBouncer's loader.c).
 *
 * Stricter than PgBouncer, which stops without a word at the first bad line and takes the last of two lines for one user:
 * here all bad lines are reported, and a user named twice is one of them.
 */
export function parseUserlist(text: string): Userlist | { readonly problems: readonly UserlistProblem[] } {
  const users = new Map<string, Secret | null>();
  const firstLines = new Map<string, number>();
  const problems: UserlistProblem[] = [];
  for (const [index, line] of text.replace(/^\uFEFF/, "").split("\n").entries()) {
    const start = line.search(/\S/);
    if (start < 0 || line[start] === ";") continue;
    const refuse = (column: number, message: string) =>
      problems.push({ line: index + 1, column: column + 1, message });
    const user = quotedAt(line, start);
    if (user === undefined) {
      refuse(
        start,
        'Cannot read the user as it must stand in "double quotes" on one line: received no pair of quotes',
      );
      continue;
    }
    const second = user.end + line.slice(user.end).search(/\S|$/);
    const secret = quotedAt(line, second);
    if (secret === undefined) {
      refuse(
        second,
        'Cannot read the secret as it must stand in "double quotes" after the user: received no pair of quotes',
      );
      continue;
    }
    if (user.bytes === 0 || user.bytes > USER_BYTES_MAX) {
      refuse(
        start,
        `Cannot read the user as it must have 1 to ${USER_BYTES_MAX} bytes: received ${user.bytes}`,
      );
      continue;
    }
    if (secret.bytes > PASSWORD_BYTES_MAX) {
      refuse(
        second,
        `Cannot read the secret as it must have at most ${PASSWORD_BYTES_MAX} bytes: received more`,
      );
      continue;
    }
    const first = firstLines.get(user.text);
    if (first !== undefined) {
      refuse(start, `Cannot read the user as each must stand here once: received one that line ${first} has`);
      continue;
    }
    firstLines.set(user.text, index + 1);
    users.set(user.text, secret.text === "" ? null : new Secret(secret.text));
  }
  return problems.length > 0 ? { problems } : { users };
}

/** The text in quotes that begins at `start`, and the place behind it; undefined when there is none. */
function quotedAt(line: string, start: number): { text: string; bytes: number; end: number } | undefined {
  const quoted = /^"((?:[^"]|"")*)"/.exec(line.slice(start));
  if (quoted === null) return undefined;
  const text = quoted[1]!.replaceAll('""', '"');
  return { text, bytes: new TextEncoder().encode(text).length, end: start + quoted[0].length };
}
