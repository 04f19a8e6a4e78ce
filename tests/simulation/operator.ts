import type { Command } from "../../src/arbiter/mod.ts";
import { FAULTS_MS } from "./plan.ts";
import type { Servers } from "./servers.ts";
import type { RecordStore } from "./sight.ts";

/** What a person does who finds that it does not go on. Null: nothing, or it is done at the nodes. */
export function operate(
  servers: Servers,
  store: RecordStore,
  isServed: boolean,
): Command | null {
  const { record } = store;
  const { nodes, plan, tell, agenda } = servers;
  if (record === null) {
    const isThere = ({ process, isWrecked }: typeof nodes[number]) => process === "running" && !isWrecked;
    const [newest] = nodes.filter((node) => node.options.system === "111").toSorted((a, b) =>
      Number(isThere(b)) - Number(isThere(a)) || b.timeline - a.timeline ||
      Number(a.isStandby) - Number(b.isStandby) || b.lsn - a.lsn
    );
    // As what is said asks for it, where a node stays silent.
    const isForced = agenda.nowMs > FAULTS_MS + 60_000;
    return newest === undefined ? null : { kind: "failover", to: newest.name, isForced };
  }
  for (const node of nodes) {
    if (node.process === "dead" && node.rejoin.state !== "running") servers.start(node, 500);
  }
  const rival = nodes.find((node) =>
    node.name !== record.move?.from && node.timeline === record.move?.fromTimeline && !node.isStandby &&
    node.options.system === "111" && node.process === "running"
  );
  if (rival !== undefined && agenda.nowMs > FAULTS_MS + 45_000) {
    tell(`a person stops ${rival.name}, which says that it is the primary, and moves its data away`);
    servers.kill(rival);
    rival.isWrecked = true;
    return null;
  }
  if (record.phase !== "serving" || !isServed) {
    const isForced = agenda.nowMs > FAULTS_MS + 60_000;
    const standbys = nodes.filter((node) => node.isStandby && node.options.system === "111");
    const [newest] = standbys.toSorted((a, b) => b.timeline - a.timeline);
    // What is said asks for one that does not replay late, and there is no other.
    if (isForced) { for (const node of standbys) node.applyDelayMs = 0; }
    const isBarred = newest !== undefined && !newest.options.promote && !newest.promotePending &&
      standbys.every((node) => node === newest || node.timeline < newest.timeline);
    if (isForced && isBarred && newest.isServing(agenda.nowMs)) {
      tell(`a person promotes ${newest.name} again, which pgplex may not`);
      servers.promoteByHand(newest);
      return null;
    }
    // As what is said asks for it, where somebody else has begun a newer timeline.
    const isNewer = isForced && newest !== undefined && newest.timeline > record.timeline;
    return { kind: "failover", to: isNewer ? newest.name : null, isForced };
  }
  const wrecked = nodes.find((node) => node.isWrecked);
  const source = nodes.find(({ name }) => name === record.primary)!;
  if (wrecked !== undefined && wrecked !== source && !source.isStandby && source.process === "running") {
    tell(`a person makes ${wrecked.name} anew from a base backup`);
    servers.baseBackup(wrecked, source);
    return null;
  }
  const mustType = plan.rejoin === "manual" || !plan.canRunPrograms;
  const primary = nodes.find(({ name }) => name === record.primary)!;
  const isOther = (node: typeof primary) => node !== primary && node.options.system === "111";
  const twin = nodes.find((node) =>
    isOther(node) && node.process === "running" && node.receiver === null &&
    node.rejoin.state !== "running" &&
    node.timeline === primary.timeline && !node.fits(primary)
  );
  if (twin !== undefined && !primary.isStandby) {
    tell(`a person makes ${twin.name} anew from a base backup`);
    servers.baseBackup(twin, primary);
    return null;
  }
  // Which moves have pointed it elsewhere was lost with the record: for all that is known somebody wants it so.
  const far = nodes.find((node) =>
    isOther(node) && node.receiver !== null && node.receiver.from !== primary &&
    record.history.length === 0 && !record.moved.includes(node.name)
  );
  if (far !== undefined && primary.waiting.length > 0 && !primary.isStandby) {
    tell(`a person points ${far.name} at ${primary.name}, whose commits wait for it`);
    far.upstream = primary;
    servers.disconnect(far);
    return null;
  }
  const broken = nodes.find((node) => isOther(node) && node.receiver === null);
  if (
    mustType && broken !== undefined && broken.process === "running" && broken.rejoin.state !== "running" &&
    !primary.isStandby
  ) {
    tell(`a person rewinds ${broken.name}`);
    primary.checkpointTimeline = primary.timeline;
    servers.rejoin(broken, { upstream: primary, mode: "rewind" });
    return null;
  }
  const lost = nodes.find((node) =>
    node !== primary && record.rejoins.some((one) => one.node === node.name && one.state === "failed")
  );
  const stale = nodes.find((node) => isOther(node) && !node.isStandby);
  const node = lost ?? (plan.rejoin === "manual" ? stale : undefined) ??
    nodes.find((one) => isOther(one) && one.isStandby && one.receiver === null);
  return node === undefined ? null : { kind: "rejoin", node: node.name };
}
