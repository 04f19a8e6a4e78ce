import {
  type Effect,
  Mark,
  Owed,
  type ServerConnection,
  type Statement,
  type StatementStore,
} from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import {
  type BinaryString,
  binaryString,
  findNul,
  Front,
  HEAD_BYTES_MAX,
  putBinary,
  putInt32,
  sqlFingerprint,
  statementName,
  utf8FromBinary,
} from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX } from "../client_cursor.ts";
import type { Intent, StandingOrder } from "../../options/mod.ts";
import { OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import { refuse, refuseDuplicate } from "../poison.ts";
import type { Relay } from "../relay.ts";
import { NAMES_BYTES_MAX, type StatementMessages } from "./statement_messages.ts";
import type { NewStatement } from "./name_changes.ts";
import { knowsPath } from "./read_as.ts";
import type { StatementParts } from "./statement_parts.ts";
import { orderOf, type Steered, type Steering } from "../steering.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/** The longest Parse of a named statement that transaction pooling takes; it must be kept to be made again elsewhere. */
export const STATEMENT_BYTES_MAX = 16 << 20;

/** Parse on its way to the server; see {@link "./extended_query.ts"}. Pure. */
export class ParseMessages {
  readonly #relay: Relay;
  readonly #store: StatementStore;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;
  readonly #messages: StatementMessages;
  readonly #unnamed: UnnamedStatement;
  /** Orders of Parses that the server refused or skipped; made with the first. */
  #refused: WeakSet<StandingOrder> | null = null;

  constructor(relay: Relay, { store, cursor, steering, messages, unnamed }: StatementParts) {
    this.#relay = relay;
    this.#store = store;
    this.#cursor = cursor;
    this.#steering = steering;
    this.#messages = messages;
    this.#unnamed = unnamed;
  }

  /** Whether it may speak to pgplex; null when more of it must come first. */
  mayConcern(): boolean | null {
    const cursor = this.#cursor;
    const textStart = textStartOf(cursor);
    return textStart < 0
      ? null
      : this.#steering.mayConcern(cursor.bytes, textStart, cursor.end, cursor.messageEnd - 1);
  }

  /** Before a server connection is had for one that may speak to pgplex; false when more of it must come first. */
  foresee(): boolean {
    const textStart = textStartOf(this.#cursor);
    return this.#steering.foresee(this.#cursor, textStart, textEndOf(this.#cursor, textStart));
  }

  /** What the text says of its intent; null for nothing, undefined when more of it must come first. */
  intentOf(): Intent | null | undefined {
    const concerns = this.mayConcern();
    if (concerns !== true) return concerns === null ? undefined : null;
    const textStart = textStartOf(this.#cursor);
    return this.#steering.intentOf(this.#cursor, textStart, textEndOf(this.#cursor, textStart));
  }

  take(): number {
    const cursor = this.#cursor;
    const { bytes, at, length, end, messageEnd } = cursor;
    if (cursor.server.owed.skipping) return this.#takeSteered(null);
    const textStart = textStartOf(cursor);
    if (textStart < 0) return cursor.want(end - at + 1);
    if (!this.#steering.mayConcern(bytes, textStart, end, messageEnd)) {
      if (this.#steering.active && !this.#steering.begin(cursor, [])) return -1;
      return this.#takeSteered(null);
    }
    if (!this.#steering.sees(messageEnd - textStart, end - textStart)) {
      return cursor.want(Math.min(1 + length, textStart - at + HEAD_BYTES_MAX));
    }
    const textEnd = textEndOf(cursor, textStart);
    const steered = this.#steering.peek(bytes, textStart, textEnd, end);
    // In transaction pooling a statement begins when it is bound; what it says of a Bind in session pooling is not known.
    const changes = this.#relay.renames ? [] : steered?.statement ?? [];
    if (!this.#steering.begin(cursor, changes)) return -1;
    if (steered === null) return this.#takeSteered(null);
    if (steered.error !== null) {
      cursor.flush();
      refuse(cursor.server, steered.error);
      return cursor.drop();
    }
    // What stands behind the text is short, or wrong.
    if (steered.text === null || 1 + length > LOOK_BYTES_MAX) return this.#takeSteered(steered);
    if (!cursor.whole) return cursor.wantWhole();
    cursor.replace(withText(cursor, textStart, textEnd, steered.text));
    return cursor.endReplacement(this.#takeSteered(steered));
  }

  /** A Parse whose text asks `steered` of pgplex. */
  #takeSteered(steered: Steered | null): number {
    const cursor = this.#cursor;
    const { owed } = cursor.server;
    if (!this.#relay.renames) {
      if (steered !== null) this.#messages.steer(steered);
      if (!owed.skipping) {
        this.#relay.words?.parse(cursor.bytes, cursor.bodyStart, cursor.end, cursor.messageEnd);
      }
      const effect = this.#noteOrder(steered);
      if (effect === null) owed.sent(Owed.Parse);
      else owed.sent(Owed.Parse | Mark.Effect, effect);
      return cursor.pass();
    }
    const { bodyBytes } = cursor;
    if (cursor.end - cursor.bodyStart < Math.min(1, bodyBytes)) return cursor.want(6);
    if (owed.skipping) return cursor.pass();
    const unnamed = bodyBytes === 0 || cursor.bytes[cursor.bodyStart] === 0;
    return unnamed ? this.#unnamed.parse(steered) : this.#takeNamed(steered);
  }

  /**
   * In session pooling, where the server knows the names: notes what the Parse at hand asks each time that its statement runs.
   * Where the server refuses it, what was noted before holds.
   */
  #noteOrder(steered: Steered | null): Effect | null {
    const { names, attention } = this.#relay;
    const { server, bytes, bodyStart, end } = this.#cursor;
    if ((steered === null && !attention.on) || server.owed.skipping) return null;
    const nameEnd = findNul(bytes, bodyStart, end);
    if (nameEnd < 0) return null;
    const name = statementName(bytes, bodyStart, nameEnd);
    const order = orderOf(steered);
    const before = names.orderOf(name);
    names.setOrder(name, order);
    if ((order === null || order.show === null) && (before === null || before.show === null)) return null;
    const undo = () => {
      if (order !== null) (this.#refused ??= new WeakSet()).add(order);
      if (names.orderOf(name) !== order) return;
      names.setOrder(name, before !== null && this.#refused?.has(before) ? null : before);
      if (names.hasShows) attention.begin();
    };
    return { done() {}, undo };
  }

  #takeNamed(steered: Steered | null): number {
    const relay = this.#relay;
    const messages = this.#messages;
    const cursor = this.#cursor;
    const { server, bytes, length } = cursor;
    if (1 + length > STATEMENT_BYTES_MAX) return messages.fail(tooLarge(length));
    if (!cursor.whole) return cursor.wantWhole();
    const { bodyStart: nameStart, messageEnd } = cursor;
    const { owed } = server;
    const nameEnd = findNul(bytes, nameStart, messageEnd);
    if (nameEnd < 0) { // malformed: the server says so
      owed.sent(Owed.Parse);
      return cursor.passWhole();
    }
    if (messages.unreadable(nameStart, nameEnd)) return -1;
    const name = relay.encoding.statementName(bytes, nameStart, nameEnd);
    const definition = binaryString(bytes, nameEnd + 1, messageEnd);
    const clientNamed = relay.clientNamed.has(server, name);
    const replaces = clientNamed || relay.changes.drops.frees(owed, name);
    const existing = replaces ? null : relay.names.findName(name);
    const reading = messages.readsOtherwise ? null : server.settings.reading;
    const statement = existing ?? this.#store.use(definition, reading);
    // A DEALLOCATE ALL may be on its way.
    const mayBeGone = existing !== null || clientNamed;
    if (
      messages.nameDoubtful(name) || messages.statementDoubtful(statement) ||
      (mayBeGone && cursor.awaitWhile(() => owed.readies > 0 && !owed.copyIn))
    ) {
      if (existing === null) this.#store.release(statement);
      return -1;
    }
    cursor.flush();
    if (!this.#look(statement, nameEnd + 1)) {
      if (existing === null) this.#store.release(statement);
      return -1;
    }
    if (steered !== null) messages.steer(steered);
    const path = relay.watch.setsPath && !knowsPath(server, relay) ? null : server.settings.searchPath;
    const made: NewStatement = { statement, order: orderOf(steered), path };
    const isElsewhere = clientNamed && relay.sql.isElsewhere(server, name);
    if (clientNamed && !isElsewhere) {
      cursor.flush();
      relay.watch.runsOpaque();
      relay.clientNamed.parse(server, name, made);
      return cursor.passWhole(); // as it is: the server knows whether it has one of that name
    }
    if (existing === null && !isElsewhere) this.#make(server, name, made);
    else {
      refuseDuplicate(server, utf8FromBinary(binaryString(bytes, nameStart, nameEnd)), definition);
      if (isElsewhere) this.#store.release(statement);
    }
    return cursor.dropWhole();
  }

  /** Looks at the text of the complete Parse at hand, which lies from `textStart` on; false when replies must come first. */
  #look(statement: Statement, textStart: number): boolean {
    const { watch } = this.#relay;
    const { bytes, messageEnd } = this.#cursor;
    const nul = findNul(bytes, textStart, messageEnd);
    if (nul < 0) return this.#messages.parses(OPAQUE_FINGERPRINT);
    if (nul - textStart > LOOK_BYTES_MAX) {
      let fingerprint = OPAQUE_FINGERPRINT;
      const reader = watch.readLong((read, hash) => {
        fingerprint = read;
        statement.hash ||= hash;
      });
      reader.read(bytes, textStart, nul);
      reader.ends();
      return this.#messages.parses(fingerprint);
    }
    if (statement.hash === 0) statement.hash = sqlFingerprint(bytes, textStart, nul, watch.backslashes);
    const fingerprint = watch.look(bytes, textStart, nul);
    // When it runs nobody knows that any more.
    if (fingerprint.traits.misread) statement.hash = 0;
    return this.#messages.parses(fingerprint);
  }

  /** Makes a statement, of which one more use is counted already, under a name that is free. */
  #make(server: ServerConnection, name: BinaryString, made: NewStatement): void {
    const { changes, onServer } = this.#relay;
    const { owed } = server;
    const also = onServer.parse(server, made.statement);
    owed.sent(Owed.Parse | Mark.Effect, changes.make(name, { ...made, batch: owed.batch, also }));
    onServer.evict(server);
  }
}

/** The place of the text of the Parse at hand, or -1 when more of the message must come first. */
function textStartOf({ bytes, at, bodyStart, messageEnd, end }: ClientCursor): number {
  const nameEnd = findNul(bytes, bodyStart, Math.min(end, messageEnd));
  if (nameEnd >= 0) return nameEnd + 1;
  return end >= messageEnd || end - at > NAMES_BYTES_MAX ? messageEnd : -1; // malformed: the server says so
}

/** The end of its text, NUL included; that of the message while it is not known. */
function textEndOf({ bytes, seenEnd, messageEnd }: ClientCursor, textStart: number): number {
  const nul = findNul(bytes, textStart, seenEnd);
  return nul < 0 ? messageEnd : nul + 1;
}

/** The complete Parse at hand with `text` in place of its text, which lies from `textStart` to `textEnd`. */
function withText(
  { bytes, bodyStart, messageEnd }: ClientCursor,
  textStart: number,
  textEnd: number,
  text: BinaryString,
): Uint8Array {
  const name = binaryString(bytes, bodyStart, textStart);
  const behind = binaryString(bytes, textEnd, messageEnd);
  const message = new Uint8Array(5 + name.length + text.length + 1 + behind.length);
  message[0] = Front.Parse;
  putInt32(message, 1, message.length - 1);
  const at = putBinary(message, 5, name + text) + 1;
  putBinary(message, at, behind);
  return message;
}

function tooLarge(length: number): PgplexError {
  return new PgplexError(
    "statement_too_large",
    "the prepared statement is too large for transaction pooling",
    {
      detail: `Its Parse message has ${length} bytes, the limit is ${STATEMENT_BYTES_MAX}.`,
      hint: "Use the unnamed statement, or pool_mode: session.",
    },
  );
}
