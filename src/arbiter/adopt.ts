import { lsnText } from "../topology/mod.ts";
import type { ClusterRecord } from "./record.ts";
import { isSameName } from "./standby_names.ts";
import { blank } from "./steady.ts";
import { addressOf, begun, type NewMove, type Work } from "./work.ts";

/**
 * There is no record: the cluster is new, or its record is lost. The timelines decide which node is the primary: the only one that
 * says so with the highest timeline, once every node was heard. Where one is silent it may be the true primary, and an operator is
 * asked. `named`: that is the answer, which nothing newer may contradict, unless it is forced.
 */
export function adopt(
  work: Work,
  { named = null, isForced = false }: { readonly named?: string | null; readonly isForced?: boolean } = {},
): boolean {
  const { rules } = work;
  // What is asked for and what is found of itself are told apart: each is said once.
  const topic = named === null ? "adopt" : `adopt ${named}`;
  const all = [...work.nodes.keys()];
  const heard = all.flatMap((name) => {
    const said = work.isUp(name) ? work.said(name) : null;
    return said === null ? [] : [{ name, said }];
  });
  const silent = all.filter((name) => !heard.some((node) => node.name === name));
  if (silent.length > 0 && named === null && !rules.adoptsUnheard()) {
    // When pgplex starts some answer a moment before others.
    const isEarly = silent.some((name) => {
      const view = work.nodes.get(name)?.view ?? null;
      return view === null || view.health === "suspect";
    });
    if (heard.length > 0 && !isEarly) {
      const text =
        `there is no record of the cluster, and ${silent.join(", ")} may be its primary: when all ` +
        "nodes answer it is known, or say FAILOVER with TO and the primary's name";
      work.say("warning", topic, text);
    }
    return false;
  }
  const timelines = new Map<string, number>();
  for (const { name, said } of heard) {
    // What a standby that receives nothing has seen only an inspection tells.
    const timeline = said.timeline ?? work.inspected(name, work.now.nowMs - 2_000)?.timeline ?? null;
    // Nor may it contradict who is named before it has told.
    if (timeline === null && !isForced) return false;
    timelines.set(name, timeline ?? 0);
  }
  const timelineOf = ({ name }: { readonly name: string }) => timelines.get(name)!;
  const systems = heard.map(({ said }) => said.system);
  const votes = (system: string) => systems.filter((one) => rules.isSameSystem(one, system)).length;
  const claims = heard.filter(({ said }) => !said.recovering && said.timeline !== null);
  const most = Math.max(0, ...systems.map(votes));
  const newest =
    claims.filter(({ said }) => votes(said.system) === most).toSorted((a, b) =>
      timelineOf(b) - timelineOf(a)
    )[0];
  const isTied = newest !== undefined &&
    systems.some((system) => !rules.isSameSystem(system, newest.said.system) && votes(system) === most);
  if (named === null && isTied) {
    const text =
      `there is no record of the cluster, and as many nodes belong to another one as ${newest.name}, ` +
      "which says that it is the primary: say FAILOVER with TO, the primary's name and FORCE";
    work.say("error", topic, text);
    return false;
  }
  const first = named === null ? newest : heard.find(({ name }) => name === named);
  if (first === undefined || timelineOf(first) === 0) {
    work.say(
      "warning",
      topic,
      "there is no record of the cluster, and no node says that it is the primary",
    );
    return false;
  }
  const { name, said } = first;
  const timeline = timelineOf(first);
  const strangers = heard.filter((other) => !rules.isSameSystem(other.said.system, said.system));
  if (strangers.some((other) => votes(other.said.system) >= votes(said.system)) && !isForced) {
    const text = `there is no record of the cluster, and ${name} belongs to another one than ` +
      `${
        strangers.map((other) => other.name).join(", ")
      }: say FAILOVER with TO, the name and FORCE to take it nevertheless`;
    work.say("error", topic, text);
    return false;
  }
  const others = heard.filter((other) =>
    other.name !== name && rules.isSameSystem(other.said.system, said.system)
  );
  const rivals = others.filter((other) =>
    timelineOf(other) > timeline ||
    // Where all are standbys, as behind a switchover that broke off, the one that is named is failed over from.
    (!other.said.recovering && timelineOf(other) === timeline && (named === null || said.recovering))
  );
  if (rivals.length > 0 && !isForced) {
    const text = `there is no record of the cluster, and ${rivals.map(({ name }) => name).join(", ")} ` +
      `contradicts ${name}: say FAILOVER with TO and the primary's name`;
    work.say("error", topic, text);
    return false;
  }
  if (said.recovering && silent.length > 0 && !isForced) {
    const text =
      `there is no record of the cluster, ${name} is a standby, and ${silent.join(", ")} may be its ` +
      "primary: when all nodes answer it is known, or say FAILOVER with TO, the name and FORCE";
    work.say("error", topic, text);
    return false;
  }
  const evidence = heard.map(({ name, said }) =>
    `${name}: ${said.recovering ? "standby" : "primary"}, timeline ${said.timeline}, ${lsnText(said.lsn)}`
  );
  work.say("info", topic, `${name} is taken for the primary: there was no record`, evidence);
  const { wallMs } = work.now;
  // Another instance may serve by a record that was lost: nobody is served by this one before it holds.
  const hold: NewMove = {
    ...blank({ primary: name, timeline }, null),
    kind: "follow",
    step: "hold",
    by: "pgplex",
    reason: "there was no record of the cluster",
    evidence,
  };
  const move = work.instances.length === 1 ? null : begun(hold, wallMs);
  work.write({
    system: said.system,
    // Each promotion raises both by one. Whoever lives on behind the loss of a record may have said that it holds for a higher one.
    epoch: Math.max(timeline, work.unusedEpoch),
    phase: move === null ? "serving" : "moving",
    primary: name,
    timeline,
    sinceMs: wallMs,
    synchronous: said.synchronous,
    move,
    history: [],
    rejoins: [],
    // Whoever acknowledges commits has to receive from the primary itself; which moves have led elsewhere is lost.
    moved: work.settings.mode === "follow" || said.recovering
      ? []
      : all.filter((other) =>
        other !== name && said.synchronous?.names.some((one) => isSameName(one, other)) === true
      ),
    disowned: [],
  });
  return true;
}

/** The step of a move that adopts: each instance holds, so none serves by a record that was lost. */
export function adoptHeld(work: Work, record: ClusterRecord): void {
  // It moves nothing: clients do not wait for one that is only not known to be gone, as when pgplex starts the first time.
  if (!work.isHeld(record.epoch, { known: true })) return;
  work.write({ ...record, phase: "serving", move: null });
}

/**
 * The file has no node of the primary's name any more. The one in its place that says that it is the primary, on its timeline and with no less
 * than it had, is the same under another name; where none does, somebody has to correct the file: one elsewhere may be a twin that somebody
 * has promoted beside it. Whether a record is written.
 */
export function rename(work: Work, record: ClusterRecord): boolean {
  const { primary, timeline } = record;
  const all = [...work.nodes.values()];
  if (work.nodes.has(primary) || all.some(({ view }) => view === null || view.health === "unknown")) {
    return false;
  }
  const claims = all.flatMap(({ node }) => {
    const { name } = node;
    const said = work.isUp(name) ? work.said(name) : null;
    const isThere = record.address === undefined || record.address === addressOf(node);
    const is = isThere && said !== null && !said.recovering && said.timeline === timeline && work.isOwn(said);
    return is ? [{ name, said }] : [];
  });
  const [first] = claims;
  const had = work.lastLsn(record) ?? 0n;
  if (first === undefined || claims.length > 1 || first.said.lsn < had) {
    const text =
      `${primary}, which is the primary, is not in the file any more, so nobody is served: put it back, or ` +
      "say FAILOVER with TO and the name of a standby";
    work.say("error", "rename", text);
    return false;
  }
  const { name, said } = first;
  work.say("warning", "rename", `${primary}, which is the primary, is called ${name} now`, [
    `${name}: primary, timeline ${timeline}, ${lsnText(said.lsn)}`,
  ]);
  work.write({
    ...record,
    primary: name,
    rejoins: record.rejoins.filter(({ node }) => node !== name),
    moved: record.moved.filter((node) => node !== name),
    disowned: record.disowned.filter((node) => node !== name),
  });
  return true;
}
