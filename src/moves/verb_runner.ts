import type { Inspected, Verb, VerbResult } from "../arbiter/mod.ts";
import type { Runtime } from "../backend/mod.ts";
import type { ClusterConfig, SuperuserConfig } from "../config/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import { type Inspection, NodeVerbs, type VerbFailure } from "../verbs/mod.ts";

/** A cluster that has an account for its nodes. */
export type OwnedCluster = ClusterConfig & { readonly superuser: SuperuserConfig };

/** What verbs need to know of their cluster. */
export interface VerbSetting {
  readonly runtime: Runtime;
  readonly instance: number;
  readonly config: () => OwnedCluster;
  readonly connectTimeoutMs: () => number;
}

/** Runs the arbiter's verbs at one node. */
export class VerbRunner {
  readonly #verbs: NodeVerbs;
  readonly #setting: VerbSetting;
  readonly #name: string;
  /** Of the script of the last rejoin that was started. */
  #token: string | null = null;

  constructor(node: NodeAddress, setting: VerbSetting) {
    this.#name = node.name;
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
    const verbs = this.#verbs;
    const { supervised } = this.#setting.config();
    switch (verb.kind) {
      case "takeOver":
        return plain(await verbs.takeOver({ epoch: verb.epoch, instance: this.#setting.instance }));
      case "inspect": {
        const askedMs = this.#setting.runtime.clock.nowMs();
        const result = await verbs.inspect({ host: true });
        return result.ok
          ? { ok: true, inspected: inspectedOf(result, askedMs, this.#name) }
          : failure(result);
      }
      case "freeze": {
        const result = await verbs.freeze();
        if (!result.ok) return failure(result);
        const { lsn, replayLsn, timeline, xidWatermark } = result;
        const watermark = xidWatermark === null ? null : `${xidWatermark}`;
        return { ok: true, frozen: { lsn, replayLsn, timeline: timeline ?? 0, xidWatermark: watermark } };
      }
      case "repoint":
        return plain(await verbs.repoint({ upstream: verb.upstream, slot: null }));
      case "promote": {
        const result = await verbs.promote({ timeoutMs: verb.timeoutMs });
        return result.ok ? { ok: true, timeline: result.timeline } : failure(result);
      }
      case "fence":
        return plain(await verbs.fence());
      case "unfence":
        return plain(await verbs.unfence());
      case "endSessions": {
        const result = await verbs.endSessions();
        return result.ok ? { ok: true, count: result.ended } : failure(result);
      }
      case "checkpoint":
        return plain(await verbs.checkpoint());
      case "demote":
        return plain(await verbs.demote({ upstream: verb.upstream, supervised, slot: null }));
      case "rejoin": {
        const { upstream, mode } = verb;
        const result = await verbs.rejoin({ upstream, mode, supervised, slot: null });
        if (!result.ok) return failure(result);
        this.#token = result.token;
        return { ok: true };
      }
      case "rejoinState": {
        if (this.#token === null) return { ok: true, state: "none", reason: "" };
        const result = await verbs.rejoinState(this.#token);
        return result.ok ? { ok: true, state: result.state, reason: result.why } : failure(result);
      }
      case "witness": {
        const result = await verbs.witness(verb.of);
        return result.ok ? { ok: true, sees: result.sees } : failure(result);
      }
      case "synchronousNames":
        return plain(await verbs.synchronousNames(verb.text));
      case "recordEpoch":
        return plain(await verbs.recordEpoch({ epoch: verb.epoch, text: verb.text }));
    }
  }
}

function plain(result: { readonly ok: true } | VerbFailure): VerbResult {
  return result.ok ? { ok: true } : failure(result);
}

function failure({ kind, reason, instead }: VerbFailure): VerbResult {
  return { ok: false, kind, reason: instead === undefined ? reason : `${reason}; by hand: ${instead}` };
}

function inspectedOf(found: Inspection, askedMs: number, name: string): Inspected {
  const { recovering, system, timeline, lsn, replayLsn, receiver, synchronous, replicas, forks } = found;
  const { hasUpstream, isPaused, applyDelayMs, canRewind, canRunPrograms, openTransactions, isFenced, host } =
    found;
  return {
    askedMs,
    recovering,
    system,
    timeline,
    lsn,
    replayLsn,
    receiver: receiver === null ? null : { ...receiver, heardAgeMs: receiver.heardAgeMs ?? Infinity },
    synchronous,
    replicas,
    forks,
    hasUpstream,
    isPaused,
    applyDelayMs,
    canRewind,
    canRunPrograms,
    openTransactions,
    isFenced,
    dataDirMode: host === null || host.isModeSafe ? "0700" : "0755",
    standbyName: name,
  };
}
