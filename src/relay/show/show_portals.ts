import { Mark, Owed, type ServerConnection } from "../../backend/mod.ts";
import {
  type BinaryString,
  binaryString,
  encodeCommandComplete,
  findNul,
  Front,
  int32At,
  peekBindStatement,
  statementName,
} from "../../protocol/mod.ts";
import { type ClientCursor, Rest } from "../client_cursor.ts";
import type { Relay } from "../relay.ts";
import { NAMES_BYTES_MAX } from "../statements/statement_messages.ts";

/** The tag of SHOW. */
export const SHOW_COMPLETE: Readonly<Uint8Array> = encodeCommandComplete("SHOW");

/** Portals that are known: of more the oldest are forgotten. */
const PORTALS_MAX = 1000;

/**
 * Portals that run SHOW of an option on a server connection. The server runs a SELECT for it, as it knows what a SET in the
 * transaction has left; its row is the client's, its tag is not. Pure.
 */
export class ShowPortals {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  /**
   * By name, whether its row has been asked for already, and no tag behind it. One that has ended with its transaction stays until
   * its name is bound again: to run it is an error.
   */
  readonly #portals = new Map<BinaryString, boolean>();

  constructor(relay: Relay, cursor: ClientCursor) {
    this.#relay = relay;
    this.#cursor = cursor;
  }

  /** Whether any message may be about a SHOW. */
  get watches(): boolean {
    return this.#portals.size > 0 || this.#relay.names.hasShows;
  }

  /**
   * Looks at the message at `at`, which goes to the server.
   *
   * @returns 0 when it goes there as any other, -1 when more of it must come first, else the place behind its header.
   */
  take(
    server: ServerConnection,
    type: number,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    if (type !== Front.Bind && type !== Front.Execute && type !== Front.Close) return 0;
    const messageEnd = at + 1 + length;
    if (type === Front.Bind) return this.#bind(bytes, at, messageEnd, end);
    if (messageEnd > end) return 1 + length > NAMES_BYTES_MAX ? 0 : this.#cursor.want(1 + length);
    return type === Front.Execute
      ? this.#execute(server, length, bytes, at)
      : this.#close(bytes, at, messageEnd - 1);
  }

  #bind(bytes: Uint8Array, at: number, messageEnd: number, end: number): number {
    const seen = Math.min(end, messageEnd);
    const nameStart = peekBindStatement(bytes, at + 5, seen);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seen);
    if (nameEnd < 0) { // malformed where all of it is there: the server says so
      return seen < messageEnd && seen - at < NAMES_BYTES_MAX ? this.#cursor.want(seen - at + 1) : 0;
    }
    const portal = binaryString(bytes, at + 5, nameStart - 1);
    const order = this.#relay.names.orderOf(statementName(bytes, nameStart, nameEnd));
    this.#portals.delete(portal);
    if (order !== null && order.show !== null) {
      for (const oldest of this.#portals.keys()) {
        if (this.#portals.size < PORTALS_MAX) break;
        this.#portals.delete(oldest);
      }
      this.#portals.set(portal, false);
    }
    return 0;
  }

  #execute(server: ServerConnection, length: number, bytes: Uint8Array, at: number): number {
    const nameEnd = findNul(bytes, at + 5, at + 1 + length);
    if (nameEnd < 0 || length !== nameEnd - at + 4) return 0;
    const portal = binaryString(bytes, at + 5, nameEnd);
    const asked = this.#portals.get(portal);
    if (asked === undefined) return 0;
    if (!asked && int32At(bytes, nameEnd + 1) === 1) {
      // One row and no more: the portal is suspended, and no tag comes.
      this.#portals.set(portal, true);
      return 0;
    }
    this.#relay.openBatch = this.#relay.batchSent = true;
    server.owed.sent(Owed.Execute | Mark.Swallow);
    server.owed.local(Owed.Execute, { done() {}, undo() {}, reply: SHOW_COMPLETE as Uint8Array });
    return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
  }

  #close(bytes: Uint8Array, at: number, nameEnd: number): number {
    const isPortal = bytes[at + 5] === 0x50 && findNul(bytes, at + 6, nameEnd + 1) === nameEnd;
    if (isPortal) this.#portals.delete(binaryString(bytes, at + 6, nameEnd));
    return 0;
  }
}
