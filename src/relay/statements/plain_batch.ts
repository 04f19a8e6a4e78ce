import { findNul, Front, int32At } from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX } from "../client_cursor.ts";
import type { Fingerprint } from "../../learning/mod.ts";
import type { Relay } from "../relay.ts";
import type { StatementParts } from "./statement_parts.ts";
import type { Steering } from "../steering.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/** A Describe, an Execute and a Sync of the unnamed portal. */
const [DESCRIBE_BYTES, EXECUTE_BYTES, SYNC_BYTES] = [7, 10, 5];

/**
 * The batch by which most drivers run a statement that they have not prepared: Parse, Bind, Describe, Execute and Sync of the
 * unnamed statement and portal, the Describe left out by some. Where it lies in the buffer as a whole, and nothing internal
 * goes in between, it is taken in one step, with what its messages would have done one by one. Pure.
 */
export class PlainBatch {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;
  readonly #unnamed: UnnamedStatement;
  /** What is known of the text of the last one, for which the session's unnamed statement had this serial, read with these strings. */
  #fingerprint: Fingerprint | null = null;
  #serial = -1;
  #backslashes = false;

  constructor(relay: Relay, { cursor, steering, unnamed }: StatementParts) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#steering = steering;
    this.#unnamed = unnamed;
  }

  /**
   * Takes the batch that begins with the Parse at hand.
   *
   * @returns the place behind its Sync, or 0 where it is none that can be taken so: its messages go their usual ways.
   */
  take(): number {
    const relay = this.#relay;
    const cursor = this.#cursor;
    const { server } = cursor;
    const { owed } = server;
    if (!relay.renames || relay.attention.on || relay.preamble.lender !== null) return 0;
    if (relay.loginName.mayBeReset) return 0;
    if (owed.skipping || owed.copyIn || this.#steering.active || 1 + cursor.length > LOOK_BYTES_MAX) return 0;
    const { bytes, bodyStart, messageEnd: bindAt } = cursor;
    const batchEnd = bytes[bodyStart] === 0 ? batchEndOf(bytes, bindAt, cursor.end) : 0;
    if (batchEnd === 0) return 0;
    const fingerprint = this.#look(bytes, bodyStart, bindAt);
    if (fingerprint === null) return 0;
    const effect = this.#unnamed.parses(server, fingerprint, null, cursor.bodyBytes);
    relay.names.unnamed.record(bytes, bodyStart, bindAt);
    this.#fingerprint = fingerprint;
    this.#serial = relay.names.unnamed.serial;
    this.#backslashes = relay.watch.backslashes;
    relay.preamble.runs(server, fingerprint, false);
    relay.counts.parseTaken();
    relay.counts.bindTaken();
    relay.progress.batchEnds();
    const behindBind = batchEnd - (bindAt + 1 + int32At(bytes, bindAt + 1));
    owed.sentBatch(effect, behindBind > EXECUTE_BYTES + SYNC_BYTES);
    return batchEnd;
  }

  /** What is known of the text of the Parse whose body lies there; null where that is nothing, or more than a look is needed. */
  #look(bytes: Uint8Array, bodyStart: number, bodyEnd: number): Fingerprint | null {
    const { names, watch } = this.#relay;
    if (watch.readsUnsurely) return null;
    // The same text again, as it comes from a loop: to compare it costs a third of reading it.
    const comparable = this.#serial === names.unnamed.serial && this.#backslashes === watch.backslashes;
    if (comparable && names.unnamed.is(bytes, bodyStart, bodyEnd)) return this.#fingerprint;
    const textStart = bodyStart + 1;
    const nul = findNul(bytes, textStart, bodyEnd);
    if (nul < 0 || this.#steering.mayConcern(bytes, textStart, bodyEnd, bodyEnd)) return null;
    const known = watch.known(bytes, textStart, nul);
    return known !== null && known.plain ? known : null;
  }
}

/**
 * Where the batch ends whose Bind is to lie at `at`; 0 where other messages stand there, others than of the unnamed statement and
 * portal, or not all of them have come.
 */
function batchEndOf(bytes: Uint8Array, at: number, end: number): number {
  if (at + 7 > end || bytes[at] !== Front.Bind || bytes[at + 5] !== 0 || bytes[at + 6] !== 0) return 0;
  const length = int32At(bytes, at + 1);
  if (length < 6) return 0;
  at += 1 + length;
  if (at + EXECUTE_BYTES + SYNC_BYTES > end) return 0;
  if (bytes[at] === Front.Describe) {
    if (int32At(bytes, at + 1) !== DESCRIBE_BYTES - 1 || bytes[at + 5] !== 0x50 || bytes[at + 6] !== 0) {
      return 0;
    }
    at += DESCRIBE_BYTES;
    if (at + EXECUTE_BYTES + SYNC_BYTES > end) return 0;
  }
  if (bytes[at] !== Front.Execute || int32At(bytes, at + 1) !== EXECUTE_BYTES - 1 || bytes[at + 5] !== 0) {
    return 0;
  }
  at += EXECUTE_BYTES;
  return bytes[at] === Front.Sync && int32At(bytes, at + 1) === SYNC_BYTES - 1 ? at + SYNC_BYTES : 0;
}
