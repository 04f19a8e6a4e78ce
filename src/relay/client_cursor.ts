import { Owed, type ServerConnection } from "../backend/mod.ts";
import { encodeFront, Front, HEAD_BYTES_MAX } from "../protocol/mod.ts";
import { LARGE_BUFFER_BYTES } from "../transport/mod.ts";
import type { Relay } from "./relay.ts";

/** What the client's side needs before it can go on. */
export const Need = {
  /** More bytes from the client. */
  Bytes: 0,
  /** A server connection. */
  Lease: 1,
  /** Replies from the server: too many are in flight, or what stands next depends on one. */
  Replies: 2,
  /** Nothing: the client said Terminate. */
  End: 3,
} as const;
export type Need = (typeof Need)[keyof typeof Need];

/** Where the rest of the message that has begun goes: to the server, there and into the session's memory, or nowhere. */
export const Rest = { Pass: 0, Record: 1, Drop: 2 } as const;

/** Texts longer than this are not looked at: what they do to session state is found by a probe each time. */
export const LOOK_BYTES_MAX = LARGE_BUFFER_BYTES;

export const FLUSH: Readonly<Uint8Array> = encodeFront(Front.Flush, new Uint8Array(0));

/**
 * How far the client's bytes have been taken, and what is to become of the rest. Pure.
 *
 * Methods that stop the scan return -1 or true; those that go on return the place of the next byte.
 */
export class ClientCursor {
  /** Why the scan stopped. */
  need: Need = Need.Bytes;
  /** Bytes that must lie in the buffer from the first not taken on; 0: any number helps. */
  wanted = 0;
  /** With {@link Need.Replies}: whether to wait on. */
  doubt: (() => boolean) | null = null;
  /** Place of the first byte that is to be forwarded and was not handed over yet. */
  run = 0;
  /** Bytes of the current message's body that have not come yet. */
  left = 0;
  #rest: number = Rest.Pass;
  /** A Flush was sent for the answers that are waited for. */
  #flushed = false;
  readonly #relay: Relay;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** A scan begins at `start`. */
  start(start: number): void {
    this.need = Need.Bytes;
    this.wanted = 0;
    this.doubt = null;
    this.run = start;
  }

  /** Counts down the current message's body. */
  takeRest(bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    const n = Math.min(this.left, end - at);
    if (this.#rest === Rest.Record) relay.names.recordUnnamed(bytes, at, at + n);
    if (this.#rest === Rest.Drop) {
      this.flushRun(bytes, at);
      this.run = at + n;
    }
    this.left -= n;
    if (this.left === 0) {
      this.#rest = Rest.Pass;
      relay.midMessage = false;
      if (relay.server !== null) relay.checkBoundary();
    }
    return at + n;
  }

  /** Begins to count down a body of `bodyBytes`, of which the header is taken: returns the place behind the header. */
  begin(headerEnd: number, bodyBytes: number, rest: number): number {
    this.left = bodyBytes;
    this.#rest = rest;
    if (bodyBytes > 0) this.#relay.midMessage = rest !== Rest.Drop;
    return headerEnd;
  }

  /** Leaves out the message at `at`, whose length field says `length`. */
  dropMessage(at: number, length: number): number {
    this.run = at + 5;
    return this.begin(at + 5, length - 4, Rest.Drop);
  }

  /** Hands over what lies before `at`: something is to be put behind it, or the message at `at` left out. */
  flushRun(bytes: Uint8Array, at: number): void {
    if (this.run < at) this.#relay.server?.out.forward(bytes, this.run, at);
    this.run = at;
  }

  /** Stops the scan until `bytes` from the first not taken lie in the buffer. */
  want(bytes: number): number {
    this.wanted = bytes;
    return -1;
  }

  /** Stops the scan until more of a statement's head lies in the buffer, of the message at `at` whose length field says `length`. */
  wantHead(length: number, at: number, end: number): number {
    return this.want(Math.min(1 + length, end - at + HEAD_BYTES_MAX));
  }

  /** Stops the scan, unless `doubt` says no, until it does. */
  awaitWhile(doubt: () => boolean): boolean {
    if (!doubt()) return false;
    this.doubt = doubt;
    this.need = Need.Replies;
    return true;
  }

  /**
   * Stops the scan at the message at `at` until all that was sent to run before is answered. A batch that is open is flushed for
   * it. A COPY is not waited for: it may need what stands next to end.
   */
  awaitRuns(server: ServerConnection, bytes: Uint8Array, at: number): boolean {
    const { owed } = server;
    return this.#awaitReplies(
      server,
      () => !owed.copyIn && (owed.readies > 0 || owed.owes(Owed.Execute)),
      bytes,
      at,
    );
  }

  /** As {@link awaitRuns}, until nothing at all is owed: the message at `at` is the client's last, and answers come in order. */
  awaitAll(server: ServerConnection, bytes: Uint8Array, at: number): boolean {
    const { owed } = server;
    return this.#awaitReplies(server, () => !owed.copyIn && !owed.settled, bytes, at);
  }

  #awaitReplies(
    { owed, out }: ServerConnection,
    doubt: () => boolean,
    bytes: Uint8Array,
    at: number,
  ): boolean {
    if (!this.awaitWhile(doubt)) {
      this.#flushed = false;
      return false;
    }
    if (owed.readies === 0 && !this.#flushed) {
      this.flushRun(bytes, at);
      out.put(FLUSH as Uint8Array);
      this.#flushed = true;
    }
    return true;
  }

  /** No reply will tell that the lease may end: if it may end here, it does when the message is gone. */
  passUnanswered(at: number, length: number): number {
    const next = this.begin(at + 5, length - 4, Rest.Pass);
    if (this.left === 0) this.#relay.checkBoundary();
    return next;
  }
}
