import type { Agenda } from "./agenda.ts";
import type { ModelNode, WalEntry } from "./model_node.ts";
import { PGPLEX, type Servers, Violation } from "./servers.ts";

/** A write that its client was told of. */
export interface Acknowledged {
  readonly entry: WalEntry;
  /** Where it stood in the log of the node that has written it. */
  readonly at: number;
  readonly by: ModelNode;
}

/** What clients may do at the moment. */
export interface Permit {
  readonly node: ModelNode;
  readonly epoch: number;
  readonly timeline: number;
}

interface Operation {
  readonly permit: Permit;
  readonly item: number;
  isOpen: boolean;
}

/** A transaction that was not answered for so long is given up by its client. */
const PATIENCE_MS = 8_000;

/** Clients that write numbered items, one after the other, and the part of pgplex that lets them, or holds them. */
export class Clients {
  readonly acknowledged: Acknowledged[] = [];
  readonly #agenda: Agenda;
  readonly #servers: Servers;
  readonly #isReachable: (node: ModelNode) => boolean;
  /** Called before something is sent to a node. */
  readonly #onSend: (permit: Permit) => void;
  readonly #running = new Set<Operation>();
  #permit: Permit | null = null;
  #nextItem = 0;
  #waiting: (() => void)[] = [];
  #onDrained: (() => void) | null = null;

  constructor({ agenda, servers, isReachable, onSend, count }: {
    readonly agenda: Agenda;
    readonly servers: Servers;
    readonly isReachable: (node: ModelNode) => boolean;
    readonly onSend: (permit: Permit) => void;
    readonly count: number;
  }) {
    this.#agenda = agenda;
    this.#servers = servers;
    this.#isReachable = isReachable;
    this.#onSend = onSend;
    for (let at = 0; at < count; at++) agenda.after(500 + at * 37, () => this.#next());
  }

  /** How many of them are inside of a transaction. */
  get running(): number {
    return this.#running.size;
  }

  get permit(): Permit | null {
    return this.#permit;
  }

  serve(permit: Permit): void {
    this.#permit = permit;
    this.#onDrained = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** `onDrained` is called when no transaction runs any more. */
  hold(cut: boolean, onDrained: () => void): void {
    this.#permit = null;
    this.#onDrained = onDrained;
    if (cut) this.cut();
    this.#drain();
  }

  /** All running transactions lose their connection: nobody knows what became of them. */
  cut(): void {
    for (const operation of [...this.#running]) this.#end(operation);
  }

  #drain(): void {
    if (this.#running.size > 0 || this.#onDrained === null) return;
    const call = this.#onDrained;
    this.#onDrained = null;
    call();
  }

  #next(): void {
    this.#agenda.after(this.#servers.between(40, 700), () => this.#begin());
  }

  #begin(): void {
    const permit = this.#permit;
    if (permit === null) {
      this.#waiting.push(() => this.#begin());
      return;
    }
    if (!this.#isReachable(permit.node)) {
      this.#agenda.after(200, () => this.#begin());
      return;
    }
    this.#onSend(permit);
    const operation: Operation = { permit, item: this.#nextItem++, isOpen: true };
    this.#running.add(operation);
    const long = this.#servers.between(0, 1) < 0.03;
    const durationMs = long ? this.#servers.between(1_000, 12_000) : this.#servers.between(0, 30);
    this.#agenda.after(PATIENCE_MS + durationMs, () => this.#end(operation));
    const { node } = permit;
    this.#send(node, () => {
      if (!this.#accepts(node)) return this.#reply(operation, null);
      node.openTransactions++;
      this.#agenda.after(durationMs, () => {
        const isThere = node.process !== "dead" || this.#agenda.nowMs < node.zombieUntilMs;
        if (node.openTransactions > 0) node.openTransactions--;
        // A commit is sent by a client that is still there.
        if (!operation.isOpen || !isThere) return;
        this.#send(node, () => this.#commit(operation));
      });
    });
  }

  #accepts(node: ModelNode): boolean {
    const { nowMs } = this.#agenda;
    return !node.isStandby && !node.isFenced &&
      (node.isServing(nowMs) || (node.process === "dead" && nowMs < node.zombieUntilMs));
  }

  #commit(operation: Operation): void {
    const { node } = operation.permit;
    if (!this.#accepts(node)) return this.#reply(operation, null);
    const entry = node.append(operation.item);
    const at = node.log.length - 1;
    const done = () => this.#reply(operation, { entry, at, by: node });
    // Of a server whose postmaster is gone no standby receives any more.
    if (node.isSynced(entry.lsn)) done();
    else if (node.process !== "dead") node.waiting.push({ lsn: entry.lsn, done });
    this.#servers.ship(node);
  }

  #send(node: ModelNode, run: () => void): void {
    this.#agenda.after(this.#servers.latencyMs(PGPLEX, node.id), () => {
      if (!this.#servers.isOpen(PGPLEX, node.id)) return;
      if (node.process === "dead" && this.#agenda.nowMs < node.zombieUntilMs) run();
      else this.#servers.at(node, run);
    });
  }

  #reply(operation: Operation, acknowledged: Acknowledged | null): void {
    const { node } = operation.permit;
    this.#agenda.after(this.#servers.latencyMs(PGPLEX, node.id), () => {
      if (!operation.isOpen || !this.#servers.isOpen(PGPLEX, node.id)) return;
      if (acknowledged !== null) {
        if (this.#permit !== null && this.#permit.node !== node) {
          throw new Violation(
            "two primaries",
            `a commit on ${node.name} is answered while ${this.#permit.node.name} is served`,
          );
        }
        this.acknowledged.push(acknowledged);
      }
      this.#end(operation);
    });
  }

  #end(operation: Operation): void {
    if (!operation.isOpen) return;
    operation.isOpen = false;
    this.#running.delete(operation);
    this.#drain();
    this.#next();
  }
}
