import {
  encodingIn,
  hasLiterals,
  type ReadBy,
  readIn,
  rereading,
  runInternalAs,
  type ServerConnection,
  type Statement,
} from "../../backend/mod.ts";
import type { StateWatch } from "../../learning/mod.ts";
import { type BinaryString, binaryString, HEAD_BYTES_MAX, isAscii } from "../../protocol/mod.ts";
import type { Progress } from "../progress.ts";

/** The name of pgplex's own under which the settings are set by which a text is read. */
const READING: BinaryString = "pgplex:reading";

/** What servers analyze when they parse it. Of anything else they read the literals when it runs. */
const ANALYZED =
  /^(?:\s|--[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/|\()*(?:select|insert|update|delete|merge|with|values|table)\b/i;

/** Whether the text of this definition is analyzed when it is parsed, or one of which nothing is read before it runs. */
export function isAnalyzed(definition: BinaryString): boolean {
  return ANALYZED.test(definition.slice(0, HEAD_BYTES_MAX));
}

/**
 * How the server is to read `statement`: by the settings that held when the client prepared it, where that makes a difference. What is sent
 * for it besides would put into a transaction what may stand in none.
 */
export function readingAt({ settings }: ServerConnection, statement: Statement): BinaryString {
  const now = settings.reading.literals;
  const then = statement.reading?.literals ?? "";
  if (!statement.hasLiterals || then === "" || then === now) return now;
  return literalsOf(statement.definition, { then, now });
}

/** The same of the unnamed statement, of whose Parse this is the body. */
export function unnamedReadingAt(
  { settings }: ServerConnection,
  { body, reading: then }: { readonly body: Uint8Array; readonly reading: BinaryString },
): BinaryString {
  const now = settings.reading.literals;
  if (then === "" || then === now) return now;
  const definition = binaryString(body, 1, body.length);
  return hasLiterals(definition) ? literalsOf(definition, { then, now }) : now;
}

function literalsOf(
  definition: BinaryString,
  { then, now }: { readonly then: BinaryString; readonly now: BinaryString },
): BinaryString {
  if (isAnalyzed(definition)) return then;
  return isAscii(definition.slice(0, definition.indexOf("\0"))) ? now : readIn(now, encodingIn(then));
}

/** By what the server reads texts now, as far as that is known. */
export function readNow({ settings }: ServerConnection): ReadBy {
  return { literals: settings.reading.literals, path: settings.searchPath };
}

/** Whether it is certain by which search_path: nothing ran that may have set it, or the server has reported it (PostgreSQL 18). */
export function knowsPath(
  { owed, reported }: ServerConnection,
  { watch, progress }: { readonly watch: StateWatch; readonly progress: Progress },
): boolean {
  return watch.ranNothing || (owed.settled && !progress.batchSent && reported.values.has("search_path"));
}

/** Has `put` send what the server is to read by the settings of `then`. They hold until the transaction ends, at most. */
export function readAs(server: ServerConnection, then: ReadBy, put: () => void): void {
  const now = readNow(server);
  if (then.literals === now.literals && then.path === now.path) return put();
  const [begins, ends] = [rereading(now, then), rereading(then, now)];
  runInternalAs(server, READING, begins.sql, begins.values);
  put();
  runInternalAs(server, READING, ends.sql, ends.values);
}
