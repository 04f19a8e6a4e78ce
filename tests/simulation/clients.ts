import type { ModelNode, WalEntry } from "./model_node.ts";
import type { Servers } from "./servers.ts";

/** A write that its client was told of. */
export interface Acknowledged {
  readonly entry: WalEntry;
  /** Where it stood in the log of the node that has written it. */
  readonly at: number;
  readonly by: ModelNode;
  /** By names that no record could have yet, or by nobody. */
  readonly isUnsure: boolean;
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

/** What clients need of their instance. */
export interface ClientParts {
  readonly servers: Servers;
  /** Their instance, as an end of a link. */
  readonly place: number;
  readonly count: number;
  /** What the clients of all instances were told. */
  readonly acknowledged: Acknowledged[];
  /** Runs what comes to the instance; while it is asleep that waits. */
  readonly enter: (run: () => void) => void;
  readonly isReachable: (node: ModelNode) => boolean;
  /** Called before something is sent to a node. */
  readonly onSend: (permit: Permit) => void;
  /** Called before a commit's answer goes to its client. */
  readonly onAnswer: (permit: Permit) => void;
  /** Whether pgplex cannot know yet by whom a node commits. */
  readonly isUnsure: (node: ModelNode) => boolean;
}

/** Clients of one instance, which write numbered items, one after the other, and the part of pgplex that lets them, or holds them. */
export class Clients {
  /** Of these clients: how many of their writes were acknowledged. */
  answered = 0;
  readonly #parts: ClientParts;
  readonly #running = new Set<Operation>();
  #permit: Permit | null = null;
  #nextItem = 0;
  #waiting: (() => void)[] = [];

  constructor(parts: ClientParts) {
    this.#parts = parts;
    const { agenda } = parts.servers;
    for (let at = 0; at < parts.count; at++) agenda.after(500 + at * 37, () => this.#next());
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
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** No transaction begins any more. */
  hold(): void {
    this.#permit = null;
  }

  /** How many of them are inside of a transaction at a node. */
  runningAt(node: string | null): number {
    return this.#at(node).length;
  }

  /** All running transactions lose their connection, or those at one node: nobody knows what became of them. */
  cut(node: string | null = null): void {
    for (const operation of this.#at(node)) this.#end(operation);
  }

  #at(node: string | null): Operation[] {
    return [...this.#running].filter(({ permit }) => node === null || permit.node.name === node);
  }

  #next(): void {
    const { servers } = this.#parts;
    this.#later(servers.between(40, 700), () => this.#begin());
  }

  /** Something that a client does, or that comes back to it: through its instance. */
  #later(delayMs: number, run: () => void): void {
    this.#parts.servers.agenda.after(delayMs, () => this.#parts.enter(run));
  }

  #begin(): void {
    const permit = this.#permit;
    if (permit === null) {
      this.#waiting.push(() => this.#begin());
      return;
    }
    const { servers, isReachable, onSend } = this.#parts;
    if (!isReachable(permit.node)) return this.#later(200, () => this.#begin());
    onSend(permit);
    const operation: Operation = { permit, item: this.#nextItem++, isOpen: true };
    this.#running.add(operation);
    const long = servers.between(0, 1) < 0.03;
    const durationMs = long ? servers.between(1_000, 12_000) : servers.between(0, 30);
    this.#later(PATIENCE_MS + durationMs, () => this.#end(operation));
    const { node } = permit;
    this.#send(node, () => {
      if (!this.#accepts(node)) return this.#reply(operation, null);
      node.openTransactions++;
      this.#later(durationMs, () => {
        const isThere = node.process !== "dead" || servers.agenda.nowMs < node.zombieUntilMs;
        if (node.openTransactions > 0) node.openTransactions--;
        // A commit is sent by a client that is still there.
        if (!operation.isOpen || !isThere) return;
        onSend(permit);
        this.#send(node, () => this.#commit(operation));
      });
    });
  }

  #accepts(node: ModelNode): boolean {
    const { nowMs } = this.#parts.servers.agenda;
    return !node.isStandby && !node.isFenced && !node.isFull && node.replaced === null &&
      (node.isServing(nowMs) || (node.process === "dead" && nowMs < node.zombieUntilMs));
  }

  #commit(operation: Operation): void {
    const { node } = operation.permit;
    if (!this.#accepts(node)) return this.#reply(operation, null);
    const entry = node.append(operation.item);
    const at = node.log.length - 1;
    const done = () => this.#reply(operation, { entry, at, by: node, isUnsure: this.#parts.isUnsure(node) });
    // Of a server whose postmaster is gone no standby receives any more.
    if (node.isSynced(entry.lsn)) done();
    else if (node.process !== "dead") node.waiting.push({ lsn: entry.lsn, done });
    this.#parts.servers.ship(node);
  }

  #send(node: ModelNode, run: () => void): void {
    const { servers, place } = this.#parts;
    const { agenda } = servers;
    agenda.after(servers.latencyMs(place, node.id), () => {
      if (!servers.isOpen(place, node.id)) return;
      if (node.process === "dead" && agenda.nowMs < node.zombieUntilMs) run();
      else servers.at(node, run);
    });
  }

  #reply(operation: Operation, acknowledged: Acknowledged | null): void {
    const { permit } = operation;
    const { servers, place, onAnswer } = this.#parts;
    this.#later(servers.latencyMs(place, permit.node.id), () => {
      if (!operation.isOpen || !servers.isOpen(place, permit.node.id)) return;
      if (acknowledged !== null) {
        onAnswer(permit);
        this.answered++;
        this.#parts.acknowledged.push(acknowledged);
      }
      this.#end(operation);
    });
  }

  #end(operation: Operation): void {
    if (!operation.isOpen) return;
    operation.isOpen = false;
    this.#running.delete(operation);
    this.#next();
  }
}
