import { type Effect, Mark, Owed, type ServerConnection } from "../../backend/mod.ts";
import { findNul } from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX } from "../client_cursor.ts";
import type { StandingOrder } from "../../options/mod.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import type { Relay } from "../relay.ts";
import type { StatementMessages } from "./statement_messages.ts";
import { orderOf, type Steered } from "../steering.ts";
import { UnnamedChanges } from "./unnamed_changes.ts";

/**
 * The session's unnamed statement on its way to the server, which has one for whoever holds it: its Parse is recorded as it
 * passes, and sent again where the server's is another's. Pure.
 */
export class UnnamedStatement {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #messages: StatementMessages;
  readonly #changes: UnnamedChanges;

  constructor(relay: Relay, cursor: ClientCursor, messages: StatementMessages) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#messages = messages;
    this.#changes = new UnnamedChanges(relay);
  }

  /** Takes its Parse, whose text asks `steered` of pgplex. */
  parse(steered: Steered | null): number {
    const { watch } = this.#relay;
    const cursor = this.#cursor;
    const { server, bytes, bodyStart } = cursor;
    if (!cursor.whole && 1 + cursor.length <= LOOK_BYTES_MAX) return cursor.wantWhole();
    // One that does not lie in the buffer as a whole is too long to be looked at.
    const nul = cursor.whole ? findNul(bytes, bodyStart + 1, cursor.messageEnd) : -1;
    const fingerprint = nul < 0 ? OPAQUE_FINGERPRINT : watch.look(bytes, bodyStart + 1, nul);
    if (!this.#messages.parses(fingerprint)) return -1;
    if (nul < 0) this.#readLong();
    if (steered !== null) this.#messages.steer(steered);
    server.owed.sent(
      Owed.Parse | Mark.Effect,
      this.parses(server, fingerprint, orderOf(steered), cursor.bodyBytes),
    );
    return cursor.record();
  }

  /** What it does is known when it has passed, which is before it is bound. */
  #readLong(): void {
    const { watch, names: { unnamed } } = this.#relay;
    let name = true;
    const reader = watch.readLong((fingerprint) => unnamed.turnsOut(fingerprint));
    this.#cursor.readBy({
      // The body begins with the NUL of the statement's name.
      read: (bytes, start, end) => {
        reader.read(bytes, name ? start + 1 : start, end);
        name = false;
      },
      ends: () => reader.ends(),
    });
  }

  /** A Parse of it goes to the server, whose body of `bodyBytes` is to be recorded. Returns what is to be owed with it. */
  parses(
    server: ServerConnection,
    fingerprint: Fingerprint,
    order: StandingOrder | null,
    bodyBytes: number,
  ): Effect {
    const { names } = this.#relay;
    const change = this.#changes.begin(server);
    names.unnamed.begin(bodyBytes, fingerprint, order);
    names.unnamed.reading = server.settings.reading.literals;
    change.begun();
    this.#relay.onServer.unnamedSent(server);
    return change;
  }

  /** A Close of it is taken; the server does not hear of it. */
  close(): void {
    const change = this.#changes.begin(null);
    this.#relay.names.unnamed.drop(); // now, as a Parse behind it may make another before its turn comes
    change.begun();
    this.#relay.answer(Owed.Close, change);
  }

  /** A simple query goes to `server`, which ends the statement where it does not skip the query. */
  queryEnds(server: ServerConnection): void {
    const { owed } = server;
    if (owed.skipping) return;
    server.unnamed.clear();
    const { unnamed } = this.#relay.names;
    // What stands before it in its batch may yet fail.
    const mayBeSkipped = owed.midBatch && (unnamed.exists || this.#changes.newest !== null);
    const change = mayBeSkipped ? this.#changes.begin(null) : null;
    unnamed.drop();
    if (change === null) return;
    change.begun();
    owed.local(Owed.Close | Mark.Swallow, change);
  }

  /** Whether the message at hand has to wait as an earlier batch decides what the session's unnamed statement is, or the server's. */
  doubtful(): boolean {
    // Asked for each Bind: a closure is made only where it is waited for.
    return this.#isDoubtful(this.#cursor.server) && this.#awaitSettled(this.#cursor.server);
  }

  #isDoubtful(server: ServerConnection): boolean {
    return server.unnamed.doubtful(server.owed.batch) || this.#changes.doubtful(server.owed.batch);
  }

  #awaitSettled(server: ServerConnection): boolean {
    return this.#cursor.awaitWhile(() => this.#isDoubtful(server));
  }

  /** Makes sure that the server's is this session's when the message at hand comes there. Whether there is one at all. */
  ensure(): boolean {
    const { onServer } = this.#relay;
    const { server } = this.#cursor;
    if (onServer.hasUnnamed(server)) return true;
    this.#cursor.flush();
    return onServer.ensureUnnamed(server);
  }
}
