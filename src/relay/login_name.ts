import { runInternalAmid, type ServerConnection, syncInternal } from "../backend/mod.ts";
import { type BinaryString, TxStatus } from "../protocol/mod.ts";
import type { Progress } from "./progress.ts";
import type { TransactionControl } from "./transaction_control.ts";

/** A name that was SET is left alone. Returns no row, which would reach the client. */
const RESTORE_NAME: BinaryString = "SELECT FROM pg_catalog.pg_settings s WHERE CASE WHEN " +
  "s.name OPERATOR(pg_catalog.=) 'application_name' AND s.source OPERATOR(pg_catalog.<>) 'session' " +
  "THEN pg_catalog.set_config('application_name', $1, false) IS NULL ELSE false END";

/** The same where the name is known to have been reset. */
const SET_NAME: BinaryString = "SELECT WHERE pg_catalog.set_config('application_name', $1, false) IS NULL";

/**
 * The application_name of the client's startup packet, with which the server connection was not opened: RESET goes back to it. Where
 * the server went back to what the connection was opened with, and nothing was SET since, that is put right in the client's own
 * transaction. Pure.
 */
export class LoginName {
  #name: BinaryString | null = null;
  #mayBeReset = false;
  #restored = false;
  #owed: BinaryString | null = null;

  /** As servers take it; null where the client gave none, or is not greeted yet. */
  get name(): BinaryString | null {
    return this.#name;
  }

  /** The server connection's application_name may be what RESET makes of it there. */
  get mayBeReset(): boolean {
    return this.#mayBeReset;
  }

  /** It was made the client's again, which the server is about to report. */
  get restored(): boolean {
    return this.#restored;
  }

  /** The client is greeted with this name. */
  greeted(name: BinaryString): void {
    this.#name = name;
  }

  leaseBegins(): void {
    this.#mayBeReset = this.#restored = false;
    this.#owed = null;
  }

  /** A statement that may reset it goes to the server, or the server reported that it was reset. */
  wasReset(): void {
    if (this.#name !== null) this.#mayBeReset = true;
  }

  /**
   * A boundary was reached, and the lease goes on: where the server went back to what the connection was opened with, it is to be made
   * `wanted` again, which the client has, before anything else goes there. Whether it is.
   */
  rests(server: ServerConnection, wanted: BinaryString | undefined): boolean {
    this.#mayBeReset = this.#restored = false;
    const differs = this.#name !== null && wanted !== undefined && server.reported.applicationName !== wanted;
    this.#owed = differs ? wanted : null;
    return differs;
  }

  /** Whether {@link pay} has something to do. */
  get owes(): boolean {
    return this.#owed !== null;
  }

  /** Behind {@link rests}, and before the first message that goes to the server. */
  pay(server: ServerConnection): void {
    const name = this.#owed;
    if (name === null) return;
    this.#owed = null;
    this.#restored = true;
    // A utility statement needs no plan; but in it a backslash is read by standard_conforming_strings.
    if (name.includes("\\")) runInternalAmid(server, SET_NAME, { values: [name] });
    else runInternalAmid(server, `SET application_name TO '${name.replaceAll("'", "''")}'`);
    syncInternal(server);
  }

  /** It may be reset, and a statement goes to the server next: makes it the client's again, where that can be done. */
  restore(
    server: ServerConnection,
    { control, progress, simple }: { control: TransactionControl; progress: Progress; simple: boolean },
  ): void {
    this.#mayBeReset = false;
    if (control.refuses(server)) return;
    // Where no transaction was begun, what stands next may be a CALL that commits, which must stand first.
    if (!simple && server.txStatus === TxStatus.Idle && !control.standsIn(server.owed)) return;
    this.#restored = true;
    runInternalAmid(server, RESTORE_NAME, { values: [this.#name] });
    progress.syncAhead(server, simple);
  }
}
