import type { PoolCounters } from "../telemetry/mod.ts";

/** What passed since it was last collected for the pool. */
export class RelayCounts {
  #queries = 0;
  #transactions = 0;
  #parses = 0;
  #binds = 0;
  #internalParses = 0;

  /** ReadyForQuery was seen, that is, a query or batch was answered; `idle`: it said that no transaction is open. */
  queryAnswered(idle: boolean): void {
    this.#queries++;
    if (idle) this.#transactions++;
  }

  /** pgplex answered a query or batch itself. */
  answeredHere(): void {
    this.#queries++;
  }

  /** A Parse of the client's was taken. */
  parseTaken(): void {
    this.#parses++;
  }

  /** A Bind of the client's was taken. */
  bindTaken(): void {
    this.#binds++;
  }

  /** pgplex sent a Parse for itself, of a statement that the client prepared elsewhere. */
  internalParseSent(): void {
    this.#internalParses++;
  }

  /** Adds what passed to the pool's counters, and starts again. */
  collect(counters: PoolCounters): void {
    counters.queries += this.#queries;
    counters.xacts += this.#transactions;
    counters.clientParses += this.#parses;
    counters.serverParses += this.#parses + this.#internalParses;
    counters.binds += this.#binds;
    this.#queries =
      this.#transactions =
      this.#parses =
      this.#binds =
      this.#internalParses =
        0;
  }
}
