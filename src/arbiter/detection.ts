import type { ClusterRecord } from "./record.ts";
import type { VerbResult } from "./verbs.ts";
import type { Receiver } from "./views.ts";
import type { Known, Work } from "./work.ts";

/** Whether the primary of the record is gone. */
export type Death =
  | { readonly kind: "lives" }
  /** It is silent, and not all is known that has to be. */
  | { readonly kind: "open"; readonly why: string }
  | { readonly kind: "dead"; readonly reason: string; readonly evidence: readonly string[] };

/** A look that was begun so long ago has ended, and says nothing of now: the others may have agreed much later. */
const LOOK_AGE_MS = 4_500;

const LIVES: Death = { kind: "lives" };

/**
 * Whether the primary is gone, by all who can tell: the monitor is silent about it, no standby still hears from it, and a look through
 * a standby finds nothing. What nobody answers is no proof.
 */
export function deathOf(work: Work, { primary, timeline }: ClusterRecord): Death {
  const { rules, settings, now: { nowMs } } = work;
  const known = work.nodes.get(primary);
  const view = known?.view ?? null;
  if (known === undefined || view === null) return LIVES;
  const said = work.said(primary);
  if (view.health === "up" && said !== null && !work.isOwn(said)) {
    // Where the cluster's own server is nobody can tell: only a person.
    return { kind: "open", why: `another cluster's server is in its place: say FAILOVER where it is gone` };
  }
  const isDemoted = view.health === "up" && said !== null && said.recovering && work.isOwn(said);
  if (!isDemoted) work.demotedSinceMs = null;
  if (isDemoted) {
    work.demotedSinceMs ??= nowMs;
    if (nowMs - work.demotedSinceMs < settings.failureTimeoutMs) {
      return { kind: "open", why: `${primary} says that it is a standby` };
    }
    return {
      kind: "dead",
      reason: `${primary} is a standby`,
      evidence: [`${primary} says that it is a standby`],
    };
  }
  if (view.health === "starting") {
    const startingMs = nowMs - known.startingSinceMs;
    if (!rules.startsTooLong(startingMs, settings.primaryStartTimeoutMs)) {
      return { kind: "open", why: `${primary} starts` };
    }
    const evidence = [`${primary} has been starting for ${Math.round(startingMs)} ms`];
    return { kind: "dead", reason: `${primary} does not come up`, evidence };
  }
  if (!rules.isGone(view.health)) {
    const isDoubted = view.health === "suspect" && view.silentMs !== null && rules.looksThroughStandbys();
    for (const one of work.others(primary)) {
      // A look takes a second where the host hangs: what is found out meanwhile is there when the time is over.
      if (isDoubted && isWitness(work, one)) {
        look(work, one.node.name, { at: primary, sinceMs: view.silentMs });
      } else work.calls.forget(one.node.name, "witness");
    }
    return LIVES;
  }
  const others = otherViews(work, primary);
  if (others.kind === "open") return others;
  return byWitnesses(work, known, { sinceMs: view.silentMs ?? view.sinceMs, timeline }, others.evidence);
}

/** More than half of the instances that are there have to find it gone. */
function otherViews(
  work: Work,
  primary: string,
): Death & { readonly kind: "open" } | { readonly kind: "agreed"; readonly evidence: readonly string[] } {
  const { instance, instances, views, rules } = work;
  const others = instances.filter((id) => id !== instance);
  if (others.length === 0) return { kind: "agreed", evidence: [] };
  const agreeing = others.filter((id) => {
    const health = views.find((view) => view.instance === id)?.healths.get(primary);
    return health === "down";
  });
  const [votes, all] = [agreeing.length + 1, others.length + 1];
  if (!rules.isMajority(votes, all)) {
    return { kind: "open", why: `${primary} is down for ${votes} of ${all} instances only` };
  }
  return { kind: "agreed", evidence: [`${votes} of ${all} instances find it down`] };
}

function byWitnesses(
  work: Work,
  primary: Known,
  { sinceMs, timeline }: { readonly sinceMs: number; readonly timeline: number },
  agreement: readonly string[],
): Death {
  const { rules, settings, now: { nowMs } } = work;
  const { name } = primary.node;
  const evidence = [`${name} is silent to pgplex for ${Math.round(nowMs - sinceMs)} ms`, ...agreement];
  const asked = work.others(name).filter((one) => isWitness(work, one));
  const standbys = asked.filter(({ node }) => work.fresh(node.name, sinceMs) !== null);
  const unheard = asked.find((one) => !standbys.includes(one));
  if (unheard !== undefined) {
    return { kind: "open", why: `${unheard.node.name} has not answered since ${name} is silent` };
  }
  if (standbys.length === 0) return { kind: "open", why: `no standby can be asked about ${name}` };
  const rows: string[] = [];
  for (const { node } of standbys) {
    const { receiver } = work.said(node.name)!;
    if (receiver === null || !isFrom(work, receiver, primary)) {
      evidence.push(`${node.name} receives nothing from it`);
      continue;
    }
    const ageMs = Math.round(receiver.heardAgeMs);
    if (receiver.timeline === timeline && rules.hearsStill(receiver.heardAgeMs, settings.failureTimeoutMs)) {
      return { kind: "open", why: `${node.name} still hears from it` };
    }
    rows.push(node.name);
    evidence.push(`${node.name} has not heard from it for ${ageMs} ms`);
  }
  if (!rules.looksThroughStandbys()) return { kind: "dead", reason: `${name} is silent`, evidence };
  return byLooks(work, primary, { sinceMs, standbys, rows, evidence });
}

/** The active witness: what standbys see when they look for the primary themselves. */
function byLooks(
  work: Work,
  primary: Known,
  { sinceMs, standbys, rows, evidence }: {
    readonly sinceMs: number;
    readonly standbys: readonly Known[];
    readonly rows: readonly string[];
    readonly evidence: string[];
  },
): Death {
  const { name } = primary.node;
  let [down, waits, impossible] = [0, 0, 0];
  for (const { node } of standbys) {
    const result = look(work, node.name, { at: name, sinceMs });
    if (result === null) waits++;
    else if (result.ok && result.sees === "up") return { kind: "open", why: `${node.name} sees ${name}` };
    else if (result.ok) {
      down++;
      evidence.push(`${node.name} looked for it, and found nothing`);
    } else if (result.kind === "not possible") impossible++;
  }
  if (waits > 0) return { kind: "open", why: `standbys look for ${name}` };
  if (down > 0) return { kind: "dead", reason: `${name} is silent`, evidence };
  if (impossible === standbys.length && rows.length === 0) {
    evidence.push("no standby may run programs, so none could look for it");
    return { kind: "dead", reason: `${name} is silent`, evidence };
  }
  return { kind: "open", why: `no standby can look for ${name}` };
}

/** Whether a node is a standby that can tell of the primary. */
function isWitness(work: Work, { node, view }: Known): boolean {
  const said = work.said(node.name);
  const isThere = view?.health === "up" || view?.health === "suspect";
  return isThere && said !== null && said.recovering && work.isOwn(said);
}

/** What a standby sees that looks for the primary, which is silent since then; null while that is not known. */
function look(
  work: Work,
  standby: string,
  { at, sinceMs }: { readonly at: string; readonly sinceMs: number },
): VerbResult<"witness"> | null {
  const sentMs = work.calls.sentMs(standby, "witness");
  const isOld = sentMs !== null && (sentMs < sinceMs || work.now.nowMs - sentMs > LOOK_AGE_MS);
  if (isOld) work.calls.forget(standby, "witness");
  return work.ask(standby, { kind: "witness", of: work.upstream(at) }, { refreshMs: 1_000, retryMs: 300 });
}

/** Whether a standby receives from this node; from an address that no node of the file has: that may be another of its own. */
export function isFrom(work: Work, { fromHost, fromPort }: Receiver, { node }: Known): boolean {
  const owner = [...work.nodes.values()].find((one) =>
    one.node.host === fromHost && one.node.port === fromPort
  );
  return owner === undefined || owner.node.name === node.name;
}
