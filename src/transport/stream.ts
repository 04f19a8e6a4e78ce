/**
 * One connection's bytes, both ways.
 *
 * One reader for life: a read cannot be taken back, so whoever wants the bytes changes what the reader feeds, never the
 * reader. Reads and writes reject when the peer resets the connection; a closed one rejects both.
 */
export interface ByteStream {
  /** Resolves with the number of bytes put into `into`; 0 at the end of the stream. `into` is not empty. */
  read(into: Uint8Array): Promise<number>;
  /** Resolves with the number of bytes taken from `from`, which may be fewer than all. */
  write(from: Uint8Array): Promise<number>;
  /**
   * Takes bytes from `start` to `end` as far as that needs no waiting; the number taken. What is left, and what went wrong, is
   * {@link write}'s to say. 0 where a stream knows no such way. Not while a write is under way.
   */
  writeNow(bytes: Uint8Array, start: number, end: number): number;
  /**
   * Has `task` told at the end of the round of events that is being served; false where there are no rounds, or none is served:
   * what is to be done is to be done now.
   */
  atRoundEnd?(task: RoundTask): boolean;
  /** Ends both directions at once. Safe to call twice. */
  close(): void;
}

/** What waits for the end of a round of events: everything that came has been read, and what follows from it was done. */
export interface RoundTask {
  /** Called once each time that it was asked for. Must not throw. */
  roundEnds(): void;
}

/** Where a stream's other end is, as a log or the console shows it. */
export interface PeerAddress {
  /** IP address, or `unix`. */
  readonly host: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** As which user of the system the other end of a unix socket connected; where it is not known, it is absent. */
  readonly uid?: number;
  /** This end's address, where it is known. */
  readonly localHost?: string;
  readonly localPort?: number;
}
