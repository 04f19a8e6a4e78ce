import type { ServerConnection } from "../backend/mod.ts";
import { type Clock, toPgplexError } from "../kernel/mod.ts";
import { utf8FromBinary } from "../protocol/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { catalogueMark, lookAtCatalogue } from "./catalogue_look.ts";
import type { Fingerprints } from "./fingerprints.ts";
import type { HiddenCallers } from "./hidden_callers.ts";
import { readRoutines } from "./routine_texts.ts";

/** What a refresh needs besides the connection. */
export interface CatalogueRefreshParts {
  readonly clock: Clock;
  readonly log: Log;
  /** For the log. */
  readonly database: string;
}

/**
 * Looks again at what the database's routines may do to a session, where that may have changed. It rides on a connection that is
 * about to be probed, outside of any transaction.
 *
 * @throws PgplexError only when the connection is lost: where the catalogue cannot be read, statements are probed each time
 */
export async function refreshCatalogue(
  connection: ServerConnection,
  fingerprints: Fingerprints,
  { clock, log, database }: CatalogueRefreshParts,
): Promise<void> {
  const { catalogue } = fingerprints;
  const check = catalogue.beginCheck(clock.nowMs());
  if (check === null) return;
  try {
    const mark = await catalogueMark(connection);
    if (!catalogue.mustLook(check, mark, clock.nowMs())) return;
    for (const body of await readRoutines(connection)) {
      fingerprints.noteText(body);
      if (/\b(currval|lastval)\b/i.test(body)) fingerprints.readsSequences = true;
    }
    const hidden = await lookAtCatalogue(connection, check.named);
    if (catalogue.found(check, mark, hidden, clock.nowMs())) tell(log, database, hidden);
  } catch (thrown) {
    if (connection.closed) throw thrown;
    catalogue.failed(clock.nowMs());
    log.warning("cannot look at a database's routines: statements are probed each time", {
      database,
      error: toPgplexError(thrown).message,
    });
  }
}

function tell(log: Log, database: string, { reach, cause }: HiddenCallers): void {
  if (reach === null) return;
  log.info("statements are probed each time as a routine that they reach may change session state", {
    database,
    routine: cause === null ? "(not known)" : utf8FromBinary(cause),
    statements: reach === "any" ? "all" : "those that write",
  });
}
