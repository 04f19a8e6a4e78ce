/**
 * The unnamed statement of a server connection, of which there is one for all who use the connection one after the other: whose it
 * is. An owner tells its unnamed statements apart by a serial. Pure.
 */
export class UnnamedSlot {
  /** Whose it is; null: nobody's. */
  #owner: unknown = null;
  #serial = 0;
  /** Parses that were sent and not answered yet, and the batch of the last one. */
  #inFlight = 0;
  #batch = 0;

  /** Whether the server has, or is being made to have, the statement of `owner` with this serial. */
  holds(owner: unknown, serial: number): boolean {
    return this.#owner === owner && this.#serial === serial;
  }

  /** A Parse of `owner`'s goes to the server in this batch; {@link parsed} or {@link parseFailed} follows. */
  parseSent(owner: unknown, serial: number, batch: number): void {
    this.#owner = owner;
    this.#serial = serial;
    this.#inFlight++;
    this.#batch = batch;
  }

  /** The server did what {@link parseSent} was told of. */
  parsed(): void {
    this.#inFlight--;
  }

  /** The server failed or skipped it: of several that are on their way, the last decides. */
  parseFailed(): void {
    if (--this.#inFlight === 0) this.#owner = null;
  }

  /** Whatever is there is nobody's from now on: it was replaced or ended, or is not to be relied on. */
  clear(): void {
    this.#owner = null;
  }

  /** Whether a Parse of another batch than `batch`, which may fail, decides what is there. */
  doubtful(batch: number): boolean {
    return this.#inFlight > 0 && this.#batch !== batch;
  }
}
