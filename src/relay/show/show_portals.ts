import { Mark, Owed } from "../../backend/mod.ts";
import {
  type BinaryString,
  binaryString,
  encodeCommandComplete,
  findNul,
  Front,
  int32At,
  peekBindStatement,
} from "../../protocol/mod.ts";
import type { ClientCursor } from "../client_cursor.ts";
import type { Relay } from "../relay.ts";
import { NAMES_BYTES_MAX } from "../statements/statement_messages.ts";

/** The tag of SHOW. */
export const SHOW_COMPLETE: Readonly<Uint8Array> = encodeCommandComplete("SHOW");

/** Portals that are known: of more the oldest are forgotten. */
const PORTALS_MAX = 1000;

/**
 * Portals that run SHOW of an option on a server connection. The server runs a SELECT for it, as it knows what a SET in the
 * transaction has left; its row is the client's, its tag is not. As it reads messages about portals, it also tells what became of
 * those of DEALLOCATE ALL and DISCARD ALL. Pure.
 */
export class ShowPortals {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  /**
   * By name, whether its row has been asked for already, and no tag behind it. One that has ended with its transaction stays until
   * its name is bound again: to run it is an error. Made with the first.
   */
  #portals: Map<BinaryString, boolean> | null = null;

  constructor(relay: Relay, cursor: ClientCursor) {
    this.#relay = relay;
    this.#cursor = cursor;
  }

  /** Whether any message may be about such a portal. */
  get watches(): boolean {
    const { names, changes } = this.#relay;
    return (this.#portals !== null && this.#portals.size > 0) || names.hasShows || changes.drops.bound;
  }

  /**
   * Looks at the message at hand, which goes to the server.
   *
   * @returns 0 when it goes there as any other, -1 when more of it must come first, else the place behind its header.
   */
  take(): number {
    const cursor = this.#cursor;
    const { type } = cursor;
    if (type !== Front.Bind && type !== Front.Execute && type !== Front.Close) return 0;
    if (type === Front.Bind) return this.#bind();
    if (!cursor.whole) return 1 + cursor.length > NAMES_BYTES_MAX ? 0 : cursor.wantWhole();
    return type === Front.Execute ? this.#execute() : this.#close();
  }

  #bind(): number {
    const { bytes, at, bodyStart, seenEnd, messageEnd } = this.#cursor;
    const nameStart = peekBindStatement(bytes, bodyStart, seenEnd);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seenEnd);
    if (nameEnd < 0) { // malformed where all of it is there: the server says so
      return seenEnd < messageEnd && seenEnd - at < NAMES_BYTES_MAX ? this.#cursor.wantMore() : 0;
    }
    const portal = binaryString(bytes, bodyStart, nameStart - 1);
    const order = this.#relay.names.orderOf(this.#relay.encoding.statementName(bytes, nameStart, nameEnd));
    this.#ends(portal);
    if (order !== null && order.show !== null) {
      const portals = this.#portals ??= new Map();
      for (const oldest of portals.keys()) {
        if (portals.size < PORTALS_MAX) break;
        portals.delete(oldest);
      }
      portals.set(portal, false);
    }
    return 0;
  }

  #execute(): number {
    const { server: { owed }, bytes, bodyStart, messageEnd } = this.#cursor;
    const nameEnd = findNul(bytes, bodyStart, messageEnd);
    if (nameEnd < 0 || messageEnd !== nameEnd + 5) return 0;
    const portal = binaryString(bytes, bodyStart, nameEnd);
    this.#relay.changes.drops.executes(portal, owed);
    const asked = this.#portals?.get(portal);
    if (asked === undefined) return 0;
    if (!asked && int32At(bytes, nameEnd + 1) === 1) {
      // One row and no more: the portal is suspended, and no tag comes.
      this.#portals!.set(portal, true);
      return 0;
    }
    this.#relay.progress.batchGoesOn();
    owed.sent(Owed.Execute | Mark.Swallow);
    owed.local(Owed.Execute, { done() {}, undo() {}, reply: SHOW_COMPLETE as Uint8Array });
    return this.#cursor.pass();
  }

  #close(): number {
    const { bytes, bodyStart, messageEnd } = this.#cursor;
    const nameStart = bodyStart + 1;
    const isPortal = bytes[bodyStart] === 0x50 && findNul(bytes, nameStart, messageEnd) === messageEnd - 1;
    if (isPortal) this.#ends(binaryString(bytes, nameStart, messageEnd - 1));
    return 0;
  }

  /** The portal is closed, or bound to something else. */
  #ends(portal: BinaryString): void {
    this.#portals?.delete(portal);
    this.#relay.changes.drops.unbinds(portal);
  }
}
