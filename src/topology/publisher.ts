import type { TopologySnapshot } from "./snapshot.ts";

/** Holds the current snapshot, and tells whoever has asked when another takes its place. */
export class TopologyPublisher {
  #current: TopologySnapshot;
  readonly #subscribers = new Set<(now: TopologySnapshot, before: TopologySnapshot) => void>();

  constructor(first: TopologySnapshot) {
    this.#current = first;
  }

  get current(): TopologySnapshot {
    return this.#current;
  }

  /** Puts `next` in force, then tells the subscribers in the order in which they came. */
  publish(next: TopologySnapshot): void {
    const before = this.#current;
    this.#current = next;
    for (const call of [...this.#subscribers]) call(next, before);
  }

  /** Calls `call` behind each {@link publish}; it must not throw. The result takes that back. */
  subscribe(call: (now: TopologySnapshot, before: TopologySnapshot) => void): () => void {
    this.#subscribers.add(call);
    return () => void this.#subscribers.delete(call);
  }
}
