import { type ServerConnection, syncInternal } from "../backend/mod.ts";
import { TxStatus } from "../protocol/mod.ts";

/**
 * How far messages and batches of both directions are, on the leased server connection: whether the lease may end. Pure.
 *
 * Invariant: a boundary is only reached while a server connection is leased.
 */
export class Progress {
  #server: ServerConnection | null = null;
  #midMessage = false;
  #midReply = false;
  #openBatch = false;
  #batchSent = false;
  #boundary = false;

  /** The leased server connection, or null. */
  get server(): ServerConnection | null {
    return this.#server;
  }

  /** A message to the server has begun and not ended: not a boundary. */
  get midMessage(): boolean {
    return this.#midMessage;
  }

  /** A message to the client has begun and not ended: not a boundary, and nothing else may be put there. */
  get midReply(): boolean {
    return this.#midReply;
  }

  /** Extended-query messages are taken and no Sync behind them yet: not a boundary, even with all answered. */
  get openBatch(): boolean {
    return this.#openBatch;
  }

  /** One of those messages went to the server: what pgplex puts there now stands in the client's batch. */
  get batchSent(): boolean {
    return this.#batchSent;
  }

  /** The lease's boundary was reached: it may end once everything is written. */
  get boundary(): boolean {
    return this.#boundary;
  }

  /** Whether the client has heard all that it is to hear for now, and is in no transaction. */
  get quiet(): boolean {
    const server = this.#server;
    if (server === null) return !this.#midReply;
    return !this.#midMessage && !this.#midReply && !this.#openBatch &&
      server.txStatus === TxStatus.Idle && server.owed.settled &&
      !server.owed.skipping;
  }

  /** A lease of `server` begins, or goes on after a look at it. */
  leaseBegins(server: ServerConnection): void {
    this.#server = server;
    this.#boundary = false;
    this.batchEnds();
  }

  /** The session has no server connection any more, or not for now. */
  leaseEnds(): void {
    this.#server = null;
    this.#boundary = false;
  }

  /** The server is lost: nothing is on its way any more, in either direction. */
  serverLost(): void {
    this.#midMessage = this.#midReply = false;
    this.batchEnds();
  }

  /** Looks whether the lease may end. */
  checkBoundary(): void {
    this.#boundary = this.#server !== null && this.quiet;
  }

  /** The lease goes on behind the boundary that was reached. */
  leaseGoesOn(): void {
    this.#boundary = false;
  }

  /** A message begins whose body passes to the server as it comes. */
  messageBegins(): void {
    this.#midMessage = true;
  }

  /** The message that had begun is over. */
  messageEnds(): void {
    this.#midMessage = false;
    this.checkBoundary();
  }

  /** Everything that came from the server was looked at: whether a message to the client has begun there and not ended. */
  repliesTaken(midReply: boolean): void {
    if (midReply === this.#midReply) return;
    this.#midReply = midReply;
    this.checkBoundary();
  }

  /** A message of a batch is looked at. */
  batchBegins(): void {
    this.#openBatch = true;
  }

  /** A message of a batch went to the server. */
  batchGoesOn(): void {
    this.#openBatch = this.#batchSent = true;
  }

  /** The batch waits to begin: nothing of it went to the server, and what it waits for may be a boundary. */
  batchWaits(): void {
    this.#openBatch = false;
  }

  /** A Sync, or what stands for one, ends the batch. */
  batchEnds(): void {
    this.#openBatch = this.#batchSent = false;
  }

  /**
   * Messages of pgplex went to the server in front of a message of the client's. Their failure must not make the server skip a
   * `simple` query there, so a Sync stands behind them. Behind messages of a batch without Sync the server does skip it: a Sync
   * would commit what they did, and end their failure, before the query that belongs to them.
   */
  syncAhead(server: ServerConnection, simple: boolean): void {
    if (simple && !this.#batchSent) syncInternal(server);
  }
}
