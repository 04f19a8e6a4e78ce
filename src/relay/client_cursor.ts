import { Owed, type ServerConnection } from "../backend/mod.ts";
import { encodeFront, Front, HEAD_BYTES_MAX, int32At } from "../protocol/mod.ts";
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
const Rest = { Pass: 0, Record: 1, Drop: 2 } as const;

/** Texts longer than this are not looked at: what they do to session state is found by a probe each time. */
export const LOOK_BYTES_MAX = LARGE_BUFFER_BYTES;

const SHORT_BYTES_MAX = 1000;

/** Reads a message's body as it passes, or whatever of it. */
export interface BodyReader {
  /** More of it lies from `start` to `end`. */
  read(bytes: Uint8Array, start: number, end: number): void;
  /** All of it has passed. */
  ends(): void;
}

export const FLUSH: Readonly<Uint8Array> = encodeFront(Front.Flush, new Uint8Array(0));

const NO_BYTES = new Uint8Array(0);

/**
 * The message at hand, how far the client's bytes have been taken, and what is to become of the rest. Pure.
 *
 * Methods that stop the scan return -1 or true; those that go on return the place of the next byte.
 *
 * The scan says where a message lies: {@link start}, then for each {@link beginMessage} and {@link readLength}. Everybody who
 * looks at the message asks here.
 */
export class ClientCursor {
  readonly #relay: Relay;
  // Of the scan.
  #server: ServerConnection | null = null;
  #bytes: Uint8Array = NO_BYTES;
  #end = 0;
  #need: Need = Need.Bytes;
  #wanted = 0;
  #doubt: (() => boolean) | null = null;
  #waitsAhead = false;
  /** Place of the first byte that is to be forwarded and was not handed over yet. */
  #run = 0;
  // Of the message at hand.
  #at = 0;
  #type = 0;
  #length = 0;
  // Of the message that has begun, which may have begun in an earlier scan.
  #left = 0;
  #rest: number = Rest.Pass;
  #reader: BodyReader | null = null;
  /** A Flush was sent there for the answers that are waited for. */
  #flushed: ServerConnection | null = null;
  // Where the client's message lies while another one stands for it; see {@link replace}.
  #replaced: {
    readonly bytes: Uint8Array;
    readonly at: number;
    readonly end: number;
    readonly length: number;
  } | null = null;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** Why the scan stopped. */
  get need(): Need {
    return this.#need;
  }

  /** With {@link Need.Bytes}: how many must lie in the buffer from the first not taken on; 0: any number helps. */
  get wanted(): number {
    return this.#wanted;
  }

  /** With {@link Need.Replies}: whether to wait on. */
  get doubtful(): boolean {
    return this.#doubt !== null && this.#doubt();
  }

  /** Whether the scan stopped in {@link awaitRestored}. */
  get waitsAhead(): boolean {
    return this.#waitsAhead;
  }

  /** Whether the client is between two messages. */
  get atMessageStart(): boolean {
    return this.#left === 0;
  }

  /** The leased server connection: for messages that go to one. */
  get server(): ServerConnection {
    return this.#server!;
  }

  /** Where the message at hand lies, from {@link at}. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Place of the first byte of the message at hand. */
  get at(): number {
    return this.#at;
  }

  /** There is nothing in {@link bytes} from here on. */
  get end(): number {
    return this.#end;
  }

  /** The message's type byte. */
  get type(): number {
    return this.#type;
  }

  /** What the message's length field says: it counts itself and the body. */
  get length(): number {
    return this.#length;
  }

  /** Place of the first byte of the message's body. */
  get bodyStart(): number {
    return this.#at + 5;
  }

  /** Bytes of the message's body. */
  get bodyBytes(): number {
    return this.#length - 4;
  }

  /** Place behind the message, which may lie behind {@link end}. */
  get messageEnd(): number {
    return this.#at + 1 + this.#length;
  }

  /** Place behind what has come of the message. */
  get seenEnd(): number {
    return Math.min(this.#end, this.messageEnd);
  }

  /** Whether all of the message has come. */
  get whole(): boolean {
    return this.messageEnd <= this.#end;
  }

  /** A scan of `bytes` from `start` to `end` begins. */
  start(bytes: Uint8Array, start: number, end: number): void {
    this.#server = this.#relay.server;
    this.#bytes = bytes;
    this.#end = end;
    this.#need = Need.Bytes;
    this.#wanted = 0;
    this.#doubt = null;
    this.#waitsAhead = false;
    this.#run = start;
  }

  /** The scan ends in front of `place`: what it took is handed over. */
  finish(place: number): void {
    this.#flushTo(place);
    // The buffer may be given back, and the lease may end.
    this.#bytes = NO_BYTES;
    this.#server = null;
  }

  /** Counts down the body of the message that has begun. */
  takeRest(place: number): number {
    const relay = this.#relay;
    const n = Math.min(this.#left, this.#end - place);
    if (this.#rest === Rest.Record) relay.names.unnamed.record(this.#bytes, place, place + n);
    if (this.#rest === Rest.Drop) {
      this.#flushTo(place);
      this.#run = place + n;
    }
    if (this.#reader !== null) this.#reader.read(this.#bytes, place, place + n);
    this.#left -= n;
    if (this.#left === 0) {
      this.#readerEnds();
      this.#rest = Rest.Pass;
      relay.progress.messageEnds();
    }
    return place + n;
  }

  /** What is left of the message at hand is read by `reader` as it passes. */
  readBy(reader: BodyReader): void {
    this.#reader = reader;
  }

  /** What is left of the message that has begun is left out as it comes. */
  dropRest(): void {
    this.#reader = null;
    if (this.#left > 0) this.#rest = Rest.Drop;
  }

  #readerEnds(): void {
    const reader = this.#reader;
    if (reader === null) return;
    this.#reader = null;
    reader.ends();
  }

  /** The message at `at` is at hand. Returns its type. */
  beginMessage(at: number): number {
    this.#at = at;
    return this.#type = this.#bytes[at]!;
  }

  /** Reads the message's length field, of which all has come. */
  readLength(): number {
    return this.#length = int32At(this.#bytes, this.#at + 1);
  }

  // What becomes of the message at hand.

  /** Its body passes as it comes. */
  pass(): number {
    return this.#begin(this.#at + 5, this.#length - 4, Rest.Pass);
  }

  /** What lies from `place` to `messageEnd` passes as it comes; what lies before was handed over. */
  passFrom(place: number, messageEnd: number): number {
    return this.#begin(place, messageEnd - place, Rest.Pass);
  }

  /** Its body passes as it comes, and is kept as the session's unnamed statement. */
  record(): number {
    return this.#begin(this.#at + 5, this.#length - 4, Rest.Record);
  }

  /** Passes it, which no reply follows: if the lease may end here, it does when the message is gone. */
  passUnanswered(): number {
    const next = this.pass();
    if (this.#left === 0) this.#relay.progress.checkBoundary();
    return next;
  }

  /** All of it has come, and passes. */
  passWhole(): number {
    return this.messageEnd;
  }

  /** It is left out, as its body comes. */
  drop(): number {
    this.#run = this.#at + 5;
    return this.#begin(this.#at + 5, this.#length - 4, Rest.Drop);
  }

  /** All of it has come, and is left out. */
  dropWhole(): number {
    return this.dropTo(this.messageEnd);
  }

  /** All up to `place` has come, and is left out. */
  dropTo(place: number): number {
    return this.#run = place;
  }

  /** Something else was put for what lies up to `place`. */
  replacedTo(place: number): void {
    this.#run = place;
  }

  /** Hands over what lies before the message: something is to be put behind it, or the message left out. */
  flush(): void {
    this.#flushTo(this.#at);
  }

  /**
   * The complete message `message` stands for the one at hand, until {@link endReplacement}: it is looked at and taken in its
   * place.
   */
  replace(message: Uint8Array): void {
    this.flush();
    this.#replaced = { bytes: this.#bytes, at: this.#at, end: this.#end, length: this.#length };
    this.#bytes = message;
    this.#run = this.#at = 0;
    this.#end = message.length;
    this.#length = message.length - 1;
  }

  /**
   * What {@link replace} began is over: the client's message is at hand again.
   *
   * @param next where the other one goes on, or -1 where the scan stopped in front of it
   */
  endReplacement(next: number): number {
    while (next >= 0 && next < this.#end) next = this.takeRest(next);
    if (next >= 0) this.#flushTo(next);
    const { bytes, at, end, length } = this.#replaced!;
    this.#replaced = null;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#length = length;
    if (next >= 0) return this.dropWhole();
    this.#run = this.#at;
    return -1;
  }

  /** Begins to count down a body of `bodyBytes` from `place` on. */
  #begin(place: number, bodyBytes: number, rest: number): number {
    this.#left = bodyBytes;
    this.#rest = rest;
    if (bodyBytes > 0 && rest !== Rest.Drop) this.#relay.progress.messageBegins();
    return place;
  }

  #flushTo(place: number): void {
    if (this.#run < place) this.#relay.server?.out.forward(this.#bytes, this.#run, place);
    this.#run = place;
  }

  // What stops the scan.

  /** Stops the scan until `bytes` from the message's first on lie in the buffer. */
  want(bytes: number): number {
    this.#wanted = bytes;
    return -1;
  }

  /** Stops the scan until all of the message lies in the buffer. */
  wantWhole(): number {
    return this.want(1 + this.#length);
  }

  /** Whether the FunctionCall at hand may be set_config: what is longer writes a large object. */
  get isShort(): boolean {
    return this.#length <= SHORT_BYTES_MAX;
  }

  /** Stops the scan until more of the message lies in the buffer. */
  wantMore(): number {
    return this.want(this.seenEnd - this.#at + 1);
  }

  /** Stops the scan until more of a statement's head lies in the buffer. */
  wantHead(): number {
    return this.want(Math.min(1 + this.#length, this.#end - this.#at + HEAD_BYTES_MAX));
  }

  /** Stops the scan: the message needs a server connection. */
  needLease(): number {
    this.#need = Need.Lease;
    return -1;
  }

  /** Stops the scan: too many replies are owed. */
  needReplies(): number {
    this.#need = Need.Replies;
    return -1;
  }

  /** Stops the scan: the client says that it is done. */
  needNothing(): number {
    this.#need = Need.End;
    return -1;
  }

  /** Stops the scan, unless `doubt` says no, until it does. */
  awaitWhile(doubt: () => boolean): boolean {
    if (!doubt()) return false;
    this.#doubt = doubt;
    this.#need = Need.Replies;
    return true;
  }

  /**
   * Stops the scan at the message until all that was sent to run before is answered. A batch that is open is flushed for it. A COPY
   * is not waited for: it may need what stands next to end.
   */
  awaitRuns(): boolean {
    const { owed } = this.server;
    return this.#awaitReplies(() => !owed.copyIn && (owed.readies > 0 || owed.owes(Owed.Execute)));
  }

  /** As {@link awaitRuns}, until nothing at all is owed: the message is the client's last, and answers come in order. */
  awaitAll(): boolean {
    const { owed } = this.server;
    return this.#awaitReplies(() => !owed.copyIn && !owed.settled);
  }

  /**
   * The same where a Sync of pgplex's own may not go yet, as the server would go on behind it where it is to skip: a restore of settings goes in
   * front of the message, or a Query that stands in a batch. To be asked again behind it: the next one is flushed again.
   */
  awaitAhead(): boolean {
    const { server } = this;
    const { owed } = server;
    return this.#awaitReplies(() =>
      (server.ahead !== null || owed.mayBeSkipped) && !owed.copyIn && !owed.settled
    );
  }

  /**
   * Stops the scan at a message behind a Sync behind a restore of settings, until that is done: were it to fail, the server would skip no more,
   * a COMMIT would end the restore's transaction, and what comes then would run with the settings of others.
   */
  awaitRestored(): boolean {
    const { server } = this;
    if (this.#type === Front.Terminate || !server.owed.owes(Owed.Sync)) return false;
    return this.#waitsAhead = this.awaitWhile(() => server.ahead !== null);
  }

  /** Stops the scan at a message behind the one that sets what was not restored, until it is known that it did. */
  awaitSet(): boolean {
    const { server } = this;
    const isFirst = server.owed.settled && !this.#relay.watch.undone;
    if (isFirst || this.#type === Front.Terminate) return false;
    return this.awaitWhile(() => server.overwrites !== null);
  }

  #awaitReplies(doubt: () => boolean): boolean {
    if (!this.awaitWhile(doubt)) {
      this.#flushed = null;
      return false;
    }
    const { server } = this;
    const { owed, out } = server;
    if (owed.readies === 0 && this.#flushed !== server) {
      this.flush();
      out.put(FLUSH as Uint8Array);
      this.#flushed = server;
    }
    return true;
  }
}
