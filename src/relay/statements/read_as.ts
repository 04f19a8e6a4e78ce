import {
  encodingIn,
  readIn,
  rereading,
  runInternalAs,
  type ServerConnection,
  type Statement,
} from "../../backend/mod.ts";
import { type BinaryString, HEAD_BYTES_MAX, isAscii } from "../../protocol/mod.ts";

/** The name of pgplex's own under which the settings are set by which a text is read. */
const READING: BinaryString = "pgplex:reading";

/** What servers analyze when they parse it. Of anything else they read the literals when it runs. */
const ANALYZED =
  /^(?:\s|--[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/|\()*(?:select|insert|update|delete|merge|with|values|table)\b/i;

/**
 * How the server is to read `statement`: by the settings that held when the client prepared it, where that makes a difference. What is sent
 * for it besides would put into a transaction what may stand in none.
 */
export function readingAt({ settings }: ServerConnection, statement: Statement): BinaryString {
  const now = settings.reading.literals;
  const then = statement.reading?.literals ?? "";
  if (!statement.hasLiterals || then === "" || then === now) return now;
  const { definition } = statement;
  if (ANALYZED.test(definition.slice(0, HEAD_BYTES_MAX))) return then;
  return isAscii(definition.slice(0, definition.indexOf("\0"))) ? now : readIn(now, encodingIn(then));
}

/** Has `put` send what the server is to read by the settings of `then`. They hold until the transaction ends, at most. */
export function readAs(server: ServerConnection, then: BinaryString, put: () => void): void {
  const now = server.settings.reading.literals;
  if (then === now) return put();
  const [begins, ends] = [rereading(now, then), rereading(then, now)];
  runInternalAs(server, READING, begins.sql, begins.values);
  put();
  runInternalAs(server, READING, ends.sql, ends.values);
}
