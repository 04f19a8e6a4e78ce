import { type Effect, Mark, Owed, type ServerConnection } from "../backend/mod.ts";
import { findNul } from "../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX, Rest } from "./client_cursor.ts";
import { OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import type { Relay } from "./relay.ts";
import type { StatementMessages } from "./statement_messages.ts";
import { orderOf, type Steered } from "./steering.ts";

/**
 * The session's unnamed statement on its way to the server, which has one for whoever holds it: its Parse is recorded as it
 * passes, and sent again where the server's is another's. Pure.
 */
export class UnnamedStatement {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #messages: StatementMessages;
  /** The client's own Parses that were not answered yet. */
  #parses = 0;

  constructor(relay: Relay, cursor: ClientCursor, messages: StatementMessages) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#messages = messages;
  }

  /** Takes its Parse; see {@link "./extended_query.ts"}. */
  parse(
    server: ServerConnection,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    steered: Steered | null,
  ): number {
    const { names, watch } = this.#relay;
    const messageEnd = at + 1 + length;
    if (messageEnd > end && 1 + length <= LOOK_BYTES_MAX) return this.#cursor.want(1 + length);
    // One that does not lie in the buffer as a whole is too long to be looked at.
    const nul = messageEnd > end ? -1 : findNul(bytes, at + 6, messageEnd);
    const fingerprint = nul < 0 ? OPAQUE_FINGERPRINT : watch.look(bytes, at + 6, nul);
    if (!this.#messages.parses(server, fingerprint, bytes, at)) return -1;
    names.unnamedFingerprint = fingerprint;
    if (steered !== null) this.#messages.steer(server, steered, bytes, at);
    names.unnamedOrder = orderOf(steered);
    names.beginUnnamed(length - 4);
    this.#relay.ownUnnamed(server);
    this.#parses++;
    server.owed.sent(Owed.Parse | Mark.Effect, this.#parsed);
    return this.#cursor.begin(at + 5, length - 4, Rest.Record);
  }

  /** Its Parse goes to a server that skips: nobody needs to know what that has left, as whoever binds next makes its own. */
  parseSkipped(server: ServerConnection): void {
    server.unnamedOwner = null;
    this.#relay.names.dropUnnamed();
  }

  /** Whether the message at hand has to wait as an earlier batch decides what the server's unnamed statement is. */
  doubtful(server: ServerConnection): boolean {
    return server.unnamedInFlight > 0 && this.#cursor.awaitWhile(() => this.#relay.unnamedDoubtful(server));
  }

  /** Makes sure that the server's is this session's when the message at `at` comes there. Whether there is one at all. */
  ensure(server: ServerConnection, bytes: Uint8Array, at: number): boolean {
    const { names } = this.#relay;
    if (server.unnamedOwner === names && server.unnamedSerial === names.unnamedSerial) return true;
    this.#cursor.flushRun(bytes, at);
    return this.#relay.ensureUnnamed(server);
  }

  /** One object for every Parse. */
  readonly #parsed: Effect = {
    done: () => {
      this.#parses--;
      const server = this.#relay.server;
      if (server !== null) server.unnamedInFlight--;
    },
    // Where a later Parse is on its way, what that one makes stays.
    undo: () => {
      if (--this.#parses === 0) this.#relay.names.dropUnnamed();
      const server = this.#relay.server;
      if (server !== null && --server.unnamedInFlight === 0) server.unnamedOwner = null;
    },
  };
}
