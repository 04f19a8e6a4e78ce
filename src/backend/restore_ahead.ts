import { concat } from "../kernel/mod.ts";
import { type BinaryString, encodeBind, encodeExecute, encodeParse } from "../protocol/mod.ts";
import type { ServerConnection } from "./connection.ts";
import type { Effect } from "./owed.ts";
import { Mark, Owed } from "./owed_entries.ts";

/** One setting, and the SET or RESET that makes it what it is to be. */
export interface ChangeAhead {
  readonly name: string;
  readonly sql: BinaryString;
}

/** A restore whose answers have not all come. */
export class RestoreAhead implements Effect {
  readonly #server: ServerConnection;
  readonly #changes: readonly ChangeAhead[];
  #answered = 0;

  constructor(server: ServerConnection, changes: readonly ChangeAhead[]) {
    this.#server = server;
    this.#changes = changes;
  }

  /** The setting whose statement is to be answered next; null: the BEGIN, or the COMMIT. */
  get next(): string | null {
    return this.#changes[this.#answered - 1]?.name ?? null;
  }

  /** One of its statements was done. */
  done(): void {
    this.#answered++;
    if (this.#answered === this.#changes.length + 2) this.#server.ahead = null;
  }

  /** Where one fails the connection is given up: nothing is left to be undone. */
  undo(): void {}
}

/**
 * Puts the restore of some settings in front of what is sent next, which goes along in one write. It is a transaction of its own, so
 * that what comes behind finds nothing of it open. No Sync is behind it: where anything in it fails the server skips what comes
 * behind, a simple query too (`ignore_till_sync` in postgres.c), and nothing of the client's runs with the wrong settings. So no Sync may
 * go before the client's message as long as {@link ServerConnection.ahead} is set, and whoever reads its failure gives the connection up.
 */
export function restoreAhead(server: ServerConnection, changes: readonly ChangeAhead[]): void {
  const { out, unnamed } = server;
  const ahead = new RestoreAhead(server, changes);
  server.ahead = ahead;
  unnamed.clear();
  out.put(BEGIN);
  owesStatement(server, ahead);
  for (const { sql } of changes) {
    out.put(encodeParse("", sql));
    out.put(BIND_EXECUTE);
    owesStatement(server, ahead);
  }
  out.put(COMMIT);
  owesStatement(server, ahead);
}

function owesStatement({ owed }: ServerConnection, ahead: RestoreAhead): void {
  owed.sent(Owed.Parse | Mark.Swallow);
  owed.sent(Owed.Bind | Mark.Swallow);
  owed.sent(Owed.Execute | Mark.Swallow | Mark.Effect, ahead);
}

const BIND_EXECUTE = concat(encodeBind("", []), encodeExecute());
/** SET takes no snapshot, so no default of the session's makes it wait. */
const BEGIN = concat(encodeParse("", "BEGIN"), BIND_EXECUTE);
const COMMIT = concat(encodeParse("", "COMMIT"), BIND_EXECUTE);
