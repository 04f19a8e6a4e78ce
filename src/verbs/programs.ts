import { Buffer } from "node:buffer";
import { sqlLiteral } from "../protocol/mod.ts";

/** `text` as a literal of any server, whatever its encoding. */
export function literal(text: string): string {
  return sqlLiteral(text, { unicode: true });
}

/** `text` as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A statement that runs `command` with a shell on the server's host, as the server's user; an exit code other than 0 is an ERROR. */
export function programStatement(command: string): string {
  return `COPY (SELECT WHERE false) TO PROGRAM ${literal(command)}`;
}

/**
 * A statement that runs `command` as {@link programStatement} does, with `text` in base64 on its standard input: the text form of
 * COPY would double backslashes. `text` is in no command line, so `ps` does not show it.
 */
export function feedStatement(text: string, command: string): string {
  return encodedFeedStatement(Buffer.from(text, "utf8").toString("base64"), command);
}

/** {@link feedStatement} of what is in base64 already, in one line. */
export function encodedFeedStatement(encoded: string, command: string): string {
  return `COPY (SELECT '${encoded}') TO PROGRAM ${literal(command)}`;
}

/** The exit code in the text of the ERROR of a program that failed; null where it says none. */
export function exitCodeOf(reason: string): number | null {
  const match = /exit code (\d+)/.exec(reason);
  if (match !== null) return Number(match[1]);
  // Of a shell: wait_result_to_str in src/common/wait_error.c.
  if (/command not found/.test(reason)) return 127;
  return /command not executable/.test(reason) ? 126 : null;
}
