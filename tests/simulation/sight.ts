import type { ArbiterSettings, ClusterRecord } from "../../src/arbiter/mod.ts";
import type { Permit } from "./clients.ts";
import type { ModelNode } from "./model_node.ts";
import { placeOf, type Servers, STORE, Violation } from "./servers.ts";

/** What was undisturbed for so long is known to pgplex as it is. */
export const STABLE_MS = 6_000;

/** What pgplex has seen of a primary. */
export interface Sampled {
  readonly node: ModelNode;
  readonly timeline: number;
  readonly lsn: number;
}

/** An instance, as far as invariants look at it. */
export interface Observed {
  readonly number: number;
  readonly id: number;
  readonly isAwake: boolean;
  readonly life: number;
  readonly incarnation: string;
  /** Whether it may send something to a primary, by its own clock. */
  readonly hasPermit: boolean;
  /** It has written the record, and does not know yet what became of that. */
  readonly awaitsRecord: boolean;
  readonly clients: { readonly permit: Permit | null; readonly running: number };
  /** Its file. */
  readonly settings: Pick<ArbiterSettings, "nodes">;
  readonly coordination: {
    readonly isLeading: boolean;
    instancesOf(cluster: string): readonly number[];
  } | null;
}

/** Where the record is. */
export interface RecordStore {
  readonly record: ClusterRecord | null;
  /** The incarnation of who leads, as the store has it; null where nobody does. */
  readonly leader?: string | null;
}

/** The first invariant that did not hold. */
export class Verdict {
  /** Null while all do. */
  broken: Violation | null = null;

  /** Who calls may be the part of pgplex that catches what is thrown: so it is noted. */
  check(holds: boolean | undefined, rule: string, detail: string): void {
    if (holds !== true) this.broken ??= new Violation(rule, detail);
  }
}

/** What instances can see of the nodes, as the model knows it. */
export class Sight {
  readonly servers: Servers;
  readonly instances: readonly Observed[];
  /** When a fault last touched an instance. */
  readonly #disturbedMs: number[];

  constructor(servers: Servers, instances: readonly Observed[]) {
    this.servers = servers;
    this.instances = instances;
    this.#disturbedMs = Array.from({ length: servers.plan.instances }, () => -1e9);
  }

  get nowMs(): number {
    return this.servers.agenda.nowMs;
  }

  /** A fault touches an instance, for so long. */
  disturbs(instance: number, forMs: number): void {
    this.#disturbedMs[instance] = Math.max(this.#disturbedMs[instance]!, this.nowMs + forMs);
  }

  /** Nothing was wrong for a while with a node, with an instance, nor between them. */
  isStable(node: ModelNode, instance: number, forMs = STABLE_MS): boolean {
    const brokenMs = this.servers.brokenMs(placeOf(instance), node.id);
    const lastMs = Math.max(node.disturbedMs, brokenMs, this.#disturbedMs[instance]!);
    return this.nowMs - lastMs > forMs;
  }

  isOpen(node: ModelNode, instance: number): boolean {
    return this.servers.isOpen(placeOf(instance), node.id);
  }

  isSlow(node: ModelNode, instance: number): boolean {
    return this.servers.isSlow(placeOf(instance), node.id);
  }

  /** Whether it is in the instance's file. */
  isListed({ name }: ModelNode, instance: number): boolean {
    return this.instances[instance]!.settings.nodes.some((node) => node.name === name);
  }

  /** Whether an instance reaches the store, and did for a while. */
  isAmongOthers(instance: number): boolean {
    const place = placeOf(instance);
    return this.servers.isOpen(place, STORE) && !this.servers.isSlow(place, STORE) &&
      this.nowMs - this.servers.brokenMs(place, STORE) > STABLE_MS;
  }
}
