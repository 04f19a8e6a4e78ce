import { rereading, runInternalAs, type ServerConnection, type Statement } from "../../backend/mod.ts";
import type { BinaryString } from "../../protocol/mod.ts";

/** The name of pgplex's own under which the settings are set by which a text is read. */
const READING: BinaryString = "pgplex:reading";

/** How the server is to read `statement`: by the settings that held when the client prepared it, where it has literals. */
export function readingAt({ settings }: ServerConnection, { hasLiterals, reading }: Statement): BinaryString {
  const then = reading?.literals ?? "";
  return hasLiterals && then !== "" ? then : settings.reading.literals;
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
