import type { Inspected, Verb, VerbResult } from "../arbiter/mod.ts";
import type { Runtime } from "../backend/mod.ts";
import type { ClusterConfig, SuperuserConfig } from "../config/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import { type Inspection, NodeVerbs, runVerb, type VerbFailure } from "../verbs/mod.ts";

/** A cluster that has an account for its nodes. */
export type OwnedCluster = ClusterConfig & { readonly superuser: SuperuserConfig };

/** What verbs need to know of their cluster. */
export interface VerbSetting {
  readonly runtime: Runtime;
  readonly instance: number;
  readonly config: () => OwnedCluster;
  readonly connectTimeoutMs: () => number;
}

/** Executes verbs at one node. */
export type NodeRunner = Pick<VerbRunner, "run" | "close">;

/** Those of the nodes of a cluster, each made when it is needed. */
export class NodeRunners {
  readonly #make: (node: NodeAddress) => NodeRunner;
  readonly #runners = new Map<string, NodeRunner>();

  constructor(make: (node: NodeAddress) => NodeRunner) {
    this.#make = make;
  }

  of(node: NodeAddress): NodeRunner {
    const runner = this.#runners.get(node.name) ?? this.#make(node);
    this.#runners.set(node.name, runner);
    return runner;
  }

  /** The node of this name is another one, or none. */
  drop(name: string): void {
    this.#runners.get(name)?.close();
    this.#runners.delete(name);
  }

  close(): void {
    for (const runner of this.#runners.values()) runner.close();
    this.#runners.clear();
  }
}

/** Runs the arbiter's verbs at one node. */
export class VerbRunner {
  readonly #verbs: NodeVerbs;
  readonly #setting: VerbSetting;

  constructor(node: NodeAddress, setting: VerbSetting) {
    this.#setting = setting;
    this.#verbs = new NodeVerbs(node, {
      runtime: setting.runtime,
      access: () => {
        const { superuser, tls } = setting.config();
        return { superuser, tls, connectTimeoutMs: setting.connectTimeoutMs() };
      },
    });
  }

  /** Ends the node's session. */
  close(): void {
    this.#verbs.close();
  }

  /** Runs a verb. Never rejects: a defect is a verb of which nobody knows what it did. */
  async run(verb: Verb): Promise<VerbResult> {
    try {
      return await this.#run(verb);
    } catch (thrown) {
      return { ok: false, kind: "unknown", reason: `a defect of pgplex: ${thrown}` };
    }
  }

  async #run(verb: Verb): Promise<VerbResult> {
    const { runtime: { clock }, instance, config } = this.#setting;
    const askedMs = clock.nowMs();
    const { supervised } = config();
    const result = await runVerb(this.#verbs, verb, { instance, supervised, slot: null });
    if (!result.ok) return failure(result);
    if (!("inspected" in result)) return result as VerbResult;
    return { ok: true, inspected: inspectedOf(result.inspected as Inspection, askedMs) };
  }
}

function failure({ kind, reason, instead }: VerbFailure): VerbResult {
  return { ok: false, kind, reason: instead === undefined ? reason : `${reason}; by hand: ${instead}` };
}

function inspectedOf(found: Inspection, askedMs: number): Inspected {
  const { receiver } = found;
  return {
    ...found,
    askedMs,
    receiver: receiver === null ? null : { ...receiver, heardAgeMs: receiver.heardAgeMs ?? Infinity },
  };
}
