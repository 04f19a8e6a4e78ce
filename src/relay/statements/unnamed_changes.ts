import type { Description, Effect, ServerConnection } from "../../backend/mod.ts";
import type { StandingOrder } from "../../options/mod.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import type { BinaryString } from "../../protocol/mod.ts";
import type { Relay } from "../relay.ts";
import { CLOSE_COMPLETE } from "../replies.ts";

/** A buffer longer than this is not kept with them. */
const BYTES_RETAINED = 4096;

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** What the unnamed statement was before a change. */
type Before = "none" | "kept" | "too large";

/**
 * Parses of the session's unnamed statement, and Closes of it, that are on their way. The session takes each for done, as what
 * stands behind it in the same batch may rely on it; where the server skips one, as something before it failed, the statement
 * is what it was before, and where the server fails a Parse, there is none. Pure.
 */
export class UnnamedChanges {
  readonly relay: Relay;
  /** The last that is on its way, with those before it behind it. */
  newest: UnnamedChange | null = null;
  /** One that is over, to be used again: most often there is one at a time. */
  #free: UnnamedChange | null = null;

  constructor(relay: Relay) {
    this.relay = relay;
  }

  /** One begins: a Parse that goes to `server`, or a Close. {@link UnnamedChange.begun} says when it is made. */
  begin(server: ServerConnection | null): UnnamedChange {
    const change = this.#free ?? new UnnamedChange(this);
    this.#free = null;
    const owed = this.relay.server?.owed;
    change.begin(server, owed?.batch ?? 0, owed?.midBatch ?? false);
    return change;
  }

  /** Whether a change of another batch than `batch` is on its way: nobody knows yet what the statement is. */
  doubtful(batch: number): boolean {
    return this.newest !== null && this.newest.batch !== batch;
  }

  /** This one is over. */
  release(change: UnnamedChange): void {
    this.#free = change;
  }
}

/** One of them: what was before it, and what comes of it. */
export class UnnamedChange implements Effect {
  readonly reply: Uint8Array = CLOSE_COMPLETE;
  /** Serial of the batch in which it stands. */
  batch = 0;
  readonly #all: UnnamedChanges;
  #server: ServerConnection | null = null;
  #older: UnnamedChange | null = null;
  #newer: UnnamedChange | null = null;
  #before: Before = "none";
  #body = NO_BYTES;
  #bytes = 0;
  #fingerprint: Fingerprint = OPAQUE_FINGERPRINT;
  #order: StandingOrder | null = null;
  #told: Description | null = null;
  #reading: BinaryString = "";
  /** The statement's serial before this change, and as long as this is the last one. */
  #serialBefore = 0;
  #serial = 0;

  constructor(all: UnnamedChanges) {
    this.#all = all;
  }

  /** `mayBeSkipped`: what was before it is kept. */
  begin(server: ServerConnection | null, batch: number, mayBeSkipped: boolean): void {
    const { relay, newest } = this.#all;
    this.batch = batch;
    this.#server = server;
    this.#older = newest;
    if (newest !== null) newest.#newer = this;
    this.#all.newest = this;
    this.#before = "none";
    this.#serialBefore = relay.names.unnamed.serial;
    if (!mayBeSkipped) return;
    const { unnamed } = relay.names;
    const { body } = unnamed;
    if (body !== null) {
      this.#before = "kept";
      this.#bytes = body.length;
      if (this.#body.length < body.length) this.#body = new Uint8Array(body.length);
      this.#body.set(body);
    } else if (unnamed.tooLarge) this.#before = "too large";
    this.#fingerprint = unnamed.fingerprint;
    this.#order = unnamed.order;
    this.#told = unnamed.told;
    this.#reading = unnamed.reading;
  }

  /** The session's statement is changed. */
  begun(): void {
    this.#serial = this.#all.relay.names.unnamed.serial;
  }

  done(): void {
    if (this.#server !== null) this.#server.unnamed.parsed();
    this.#unlink();
  }

  undo(): void {
    this.#serverUndoes();
    // A simple query ends the statement too: what was before that is gone.
    if (this.#newer !== null) {
      if (this.#newer.#serialBefore === this.#serial) this.#newer.#takeBefore(this);
    } else if (this.#all.relay.names.unnamed.serial === this.#serial) this.#restore();
    this.#unlink();
  }

  failed(): void {
    this.#before = "none";
    this.undo();
  }

  #serverUndoes(): void {
    if (this.#server !== null) this.#server.unnamed.parseFailed();
  }

  /** The change before this one was none. */
  #takeBefore(older: UnnamedChange): void {
    this.#before = older.#before;
    this.#serialBefore = older.#serialBefore;
    [this.#body, older.#body] = [older.#body, this.#body];
    this.#bytes = older.#bytes;
    this.#fingerprint = older.#fingerprint;
    this.#order = older.#order;
    this.#told = older.#told;
    this.#reading = older.#reading;
  }

  #restore(): void {
    const { attention, names: { unnamed } } = this.#all.relay;
    // The rest of a body that is skipped would be taken for one of the old statement's.
    if (this.#before === "none" || unnamed.comes) unnamed.drop();
    else if (this.#before === "too large") unnamed.lose();
    else {
      unnamed.restore({
        body: this.#body.subarray(0, this.#bytes),
        fingerprint: this.#fingerprint,
        order: this.#order,
        told: this.#told,
        reading: this.#reading,
      });
      if (this.#order !== null && this.#order.show !== null) attention.begin();
    }
    const older = this.#older;
    if (older !== null && older.#serial === this.#serialBefore) older.#serial = unnamed.serial;
  }

  #unlink(): void {
    if (this.#older !== null) this.#older.#newer = this.#newer;
    if (this.#newer !== null) this.#newer.#older = this.#older;
    else this.#all.newest = this.#older;
    this.#older = this.#newer = this.#server = null;
    this.#order = null;
    this.#told = null;
    if (this.#body.length > BYTES_RETAINED) this.#body = NO_BYTES;
    this.#all.release(this);
  }
}
