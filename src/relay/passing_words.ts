import {
  type BinaryString,
  binaryString,
  Control,
  controlBehind,
  controlIn,
  findNul,
  HEAD_BYTES_MAX,
  peekBindStatement,
  statementName,
} from "../protocol/mod.ts";

/** Words by which a text may do something to its transaction, or listen. */
const WORDS = /\b(?:begin|start|prepare|commit|end|rollback|abort|(listen))\b/i;

/** Names of prepared statements that are noted, at most; one more is as good as any text that was not read. */
const NAMES_MAX = 1000;

/**
 * In session pooling, where texts are passed on unread but for a few words: what they do to transactions, which only matters should
 * the server be lost. Pure.
 */
export class PassingWords {
  #control = 0;
  #lastControl = 0;
  #ran = false;
  #listens = false;
  /** What prepared statements do to transactions, by name; null while none does anything. */
  #named: Map<BinaryString, number> | null = null;

  /** What was done to transactions since the last boundary, or is on its way: a sum of `Control`. */
  get control(): number {
    return this.#control;
  }

  /** What the statement that ran last does to its transaction, by itself: a sum of `Control`. */
  get lastControl(): number {
    return this.#lastControl;
  }

  /** Whether anything ran on the session's server connection: it may have changed its state. */
  get ran(): boolean {
    return this.#ran;
  }

  /** Whether the session may listen to a channel. */
  get listens(): boolean {
    return this.#listens;
  }

  /** A Query goes to the server. Of its text, up to `textEnd`, what lies from `start` to `end` is there. */
  query(bytes: Uint8Array, start: number, end: number, textEnd: number): void {
    this.#runs(this.#read(bytes, start, end, textEnd));
  }

  /** A Parse goes to the server whose name begins at `start`; of the message, up to `messageEnd`, what lies before `end` is there. */
  parse(bytes: Uint8Array, start: number, end: number, messageEnd: number): void {
    const nameEnd = findNul(bytes, start, Math.min(end, messageEnd));
    if (nameEnd < 0) return this.#runs(Control.Commits);
    const textEnd = findNul(bytes, nameEnd + 1, Math.min(end, messageEnd));
    const control = textEnd < 0
      ? this.#read(bytes, nameEnd + 1, end, messageEnd)
      : this.#read(bytes, nameEnd + 1, textEnd, textEnd);
    this.#ran = true;
    const name = statementName(bytes, start, nameEnd);
    // Most statements do nothing to their transaction, and need no entry.
    if (control === 0) return void this.#named?.delete(name);
    this.#named ??= new Map();
    if (this.#named.size < NAMES_MAX || this.#named.has(name)) this.#named.set(name, control);
  }

  /** A Bind goes to the server whose body begins at `start`; what lies before `end` of it is there. */
  bind(bytes: Uint8Array, start: number, end: number): void {
    const named = this.#named;
    this.#lastControl = 0;
    if (named === null) return;
    const nameStart = peekBindStatement(bytes, start, end);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, end);
    if (nameEnd < 0) return this.#runs(Control.Commits);
    const control = named.get(statementName(bytes, nameStart, nameEnd));
    if (control !== undefined) this.#runs(control);
    else if (named.size >= NAMES_MAX) this.#runs(Control.Commits);
  }

  /** A boundary is reached: no transaction is open. */
  transactionEnds(): void {
    this.#control = 0;
  }

  /** The server connection is lost, and what ran on it with it. */
  serverLost(): void {
    this.#control = 0;
    this.#ran = this.#listens = false;
    this.#named = null;
  }

  #runs(control: number): void {
    this.#ran = true;
    this.#lastControl = control;
    if (control !== 0) this.#control = controlBehind(this.#control, control);
  }

  #read(bytes: Uint8Array, start: number, end: number, textEnd: number): number {
    const seenEnd = Math.min(end, textEnd, start + HEAD_BYTES_MAX);
    const text = binaryString(bytes, start, seenEnd);
    const found = WORDS.exec(text);
    // What was not read may do anything.
    const unread = seenEnd < textEnd ? Control.Commits : 0;
    if (found === null) return unread;
    if (found[1] !== undefined || /\blisten\b/i.test(text)) this.#listens = true;
    const control = controlIn(text);
    return unread === 0 ? control : controlBehind(control, unread);
  }
}
