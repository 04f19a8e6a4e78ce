import type { ClusterRecord, Coordination } from "../arbiter/mod.ts";
import type { Config } from "../config/mod.ts";
import type { Clock, Random } from "../kernel/mod.ts";
import { SharedCoordination } from "../instances/mod.ts";
import { EtcdStore } from "./etcd/mod.ts";
import { Standalone } from "./standalone.ts";
import { StateFile } from "./state_file.ts";

/** What is said of what was opened. */
type Say = (text: string, fields?: Readonly<Record<string, string>>) => void;

/** What opening it needs of the process. */
export interface OpenParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Readonly<Record<"info" | "warning" | "error", Say>>;
  /** As people know this instance. */
  readonly name: string;
  /** Of pgplex. */
  readonly version: string;
}

/**
 * Where this instance keeps the records of the clusters: with other instances, or alone, in its state file.
 *
 * @throws Error where it cannot be had now
 */
export async function openCoordination(config: Config, parts: OpenParts): Promise<Coordination> {
  const { clock, log, name, version } = parts;
  const { coordination, instance: { id }, state_file: path } = config;
  const self = { id, name, address: addressOf(config), version, sinceMs: clock.wallMs() };
  if (coordination === null) {
    const alone = await Standalone.open(await StateFile.open<ClusterRecord>(path!), clock, self);
    const { memory } = alone;
    if (memory.kind === "damaged") {
      const { reason } = memory;
      log.error("the state file was damaged and is put aside: what it said is lost", { file: path!, reason });
    }
    return alone;
  }
  const store = await EtcdStore.open({
    etcd: coordination.etcd,
    clock,
    onMember: (endpoint, problem) => {
      if (problem === null) log.info("a member of etcd answers again", { endpoint });
      else log.warning("a member of etcd does not answer", { endpoint, problem });
    },
  });
  const shared = new SharedCoordination({
    store,
    clock,
    log,
    self: { ...self, incarnation: randomId(parts.random) },
    ttlMs: coordination.lease_ttl,
    newId: () => randomId(parts.random),
  });
  shared.start();
  return shared;
}

/** Where the others reach it: as the file says, or where it listens, if that is one address. */
function addressOf({ coordination, listen }: Config): string | null {
  if (coordination === null || coordination.advertise !== null) return coordination?.advertise ?? null;
  const [host, ...more] = listen.address;
  if (host === undefined || more.length > 0 || host === "0.0.0.0" || host === "::") return null;
  return `${host.includes(":") ? `[${host}]` : host}:${listen.port}`;
}

function randomId(random: Random): string {
  return random.fill(new Uint8Array(12)).toHex();
}
