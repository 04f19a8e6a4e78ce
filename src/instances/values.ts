import { recordOf, type SeenPosition, type StoredRecord } from "../arbiter/mod.ts";
import type { Entry } from "./key_store.ts";

/** The format of records that this pgplex writes; one that is higher it does not understand. */
export const RECORD_FORMAT = 1;

/** Where the entries of instances lie. */
export const INSTANCES = "instances/";

/** Where all that concerns clusters lies. */
export const CLUSTERS = "clusters/";

/** The entry of who leads. */
export const LEADER = "leader";

/** The entry of an instance. */
export function instanceKey(id: number): string {
  return `${INSTANCES}${id}`;
}

/** The entry of a cluster's record. */
export function recordKey(cluster: string): string {
  return `${CLUSTERS}${cluster}`;
}

/** What instances say of a cluster: `acks`: until which epoch they hold; `views`: how they see its nodes; `requests`: what they ask for. */
export type ClusterFolder = "acks" | "views" | "requests";

/** An entry in a folder of a cluster. */
export function clusterKey(cluster: string, folder: ClusterFolder, name: string | number): string {
  return `${CLUSTERS}${cluster}/${folder}/${name}`;
}

/** What a key below {@link CLUSTERS} is about; null: nothing that this pgplex knows. */
export function clusterPartOf(
  key: string,
):
  | { readonly cluster: string; readonly folder: "record" }
  | { readonly cluster: string; readonly folder: ClusterFolder; readonly name: string }
  | null {
  if (!key.startsWith(CLUSTERS)) return null;
  const [cluster, folder, name, ...rest] = key.slice(CLUSTERS.length).split("/");
  if (cluster === undefined || cluster === "" || rest.length > 0) return null;
  if (folder === undefined) return { cluster, folder: "record" };
  const isKnown = folder === "acks" || folder === "views" || folder === "requests";
  return isKnown && name !== undefined ? { cluster, folder, name } : null;
}

/** An instance as it shows itself to the others. */
export interface InstanceValue {
  /** Another one at each start. */
  readonly incarnation: string;
  /** Of its host, or as the file names it. */
  readonly name: string;
  /** Where it can be reached, as `host:port`; null: nobody has said. */
  readonly address: string | null;
  /** Of pgplex. */
  readonly version: string;
  /** When it started, in milliseconds of its wall clock. */
  readonly sinceMs: number;
  /** Its `lease_ttl`, in milliseconds; earlier versions do not say it. */
  readonly ttlMs?: number;
  /** The clusters that it lets clients to; earlier versions do not say it, and count for all. */
  readonly clusters?: readonly string[];
  /** Rises with each renewal. */
  readonly counter: number;
  /** It has let go of whatever it had: nobody waits for it. */
  readonly isGone: boolean;
}

/** Who leads. */
export interface LeaderValue {
  readonly id: number;
  readonly incarnation: string;
}

/** An instance holds its clients for an epoch. */
export interface AckValue {
  readonly incarnation: string;
  readonly epoch: number;
  /** Of the move; earlier versions do not say it. */
  readonly startedAtMs?: number | null;
  readonly isDrained: boolean;
  /** How far it has seen the primary; earlier versions do not say it. */
  readonly seen?: SeenValue | null;
}

/** A position of a primary, in decimal digits. */
export interface SeenValue {
  readonly primary: string;
  readonly timeline: number;
  readonly lsn: string;
}

/** How an instance sees the nodes of a cluster: health by name. */
export interface ViewValue {
  readonly incarnation: string;
  readonly healths: Readonly<Record<string, string>>;
  /** How far the primary was, where it does not answer any more; earlier versions do not say it. */
  readonly seen?: SeenValue | null;
}

/** An operator's wish that came to another instance than the one that leads. */
export interface RequestValue {
  /** Whose operator. */
  readonly instance: number;
  readonly incarnation: string;
  readonly by: string;
  /** As the arbiter knows it. */
  readonly command: unknown;
  /** The incarnation of the leader that has taken it up; null: nobody has yet. */
  readonly takenBy: string | null;
  readonly answer: { readonly ok: boolean; readonly text: string } | null;
}

/** A record with the number of its format in front, which a later pgplex raises where an older one must not read it. */
export function recordValue(record: string): string {
  return `{"format":${RECORD_FORMAT},"record":${record}}`;
}

/** The record's text in a {@link recordValue}; `format` where another pgplex has written what this one does not understand. */
export function recordIn(value: string): { readonly record: string } | { readonly format: number | null } {
  const head = /^\{"format":(\d+),"record":/.exec(value);
  const format = head === null ? null : Number(head[1]);
  if (head === null || format === null || format > RECORD_FORMAT || !value.endsWith("}")) return { format };
  return { record: value.slice(head[0].length, -1) };
}

/** The instance of an entry with its id; null where the entry is none. */
export function instanceOf({ key, value }: Entry): (InstanceValue & { readonly id: number }) | null {
  const id = Number(key.slice(INSTANCES.length));
  const parsed = parsedAs<InstanceValue>(value, { incarnation: "string", name: "string", counter: "number" });
  return parsed === null || !Number.isSafeInteger(id) || id < 1 ? null : { ...parsed, id };
}

/** Whether an instance may let transactions begin in a cluster, or cannot be told not to. */
export function serves({ clusters }: Pick<InstanceValue, "clusters">, cluster: string): boolean {
  return !Array.isArray(clusters) || clusters.includes(cluster);
}

/** Who leads by an entry; null where the entry says nobody. */
export function leaderOf(entry: Entry | null): LeaderValue | null {
  if (entry === null || entry.value === NO_LEADER) return null;
  return parsedAs<LeaderValue>(entry.value, { id: "number", incarnation: "string" });
}

/** Who led has given it up while he is there; other than where the entry is missing. */
export const NO_LEADER = "nobody";

/** An acknowledgement for others to read. */
export function ackValue(ack: AckValue): string {
  return JSON.stringify(ack);
}

/** A view for others to read. */
export function viewValue(view: ViewValue): string {
  return JSON.stringify(view);
}

/** An acknowledgement; null for anything else. */
export function ackOf(value: string): AckValue | null {
  return parsedAs<AckValue>(value, { incarnation: "string", epoch: "number", isDrained: "boolean" });
}

/** A view; null for anything else. */
export function viewOf(value: string): ViewValue | null {
  return parsedAs<ViewValue>(value, { incarnation: "string", healths: "object" });
}

/** A position for others to read. */
export function seenValue(seen: SeenPosition | null): SeenValue | null {
  return seen === null ? null : { ...seen, lsn: `${seen.lsn}` };
}

/** A position that another instance has seen; null where it says none, or what this pgplex does not understand. */
export function seenOf(value: unknown): SeenPosition | null {
  if (typeof value !== "object" || value === null) return null;
  const { primary, timeline, lsn } = value as Record<string, unknown>;
  const isPosition = typeof lsn === "string" && /^\d{1,20}$/.test(lsn);
  return typeof primary === "string" && Number.isSafeInteger(timeline) && isPosition
    ? { primary, timeline: timeline as number, lsn: BigInt(lsn) }
    : null;
}

/** A request; null for anything else. */
export function requestOf(value: string): RequestValue | null {
  return parsedAs<RequestValue>(value, { instance: "number", incarnation: "string", by: "string" });
}

function parsedAs<T>(text: string, types: Readonly<Record<string, string>>): T | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const fits = Object.entries(types).every(([key, type]) => {
    const part = (value as Record<string, unknown>)[key];
    return typeof part === type && part !== null;
  });
  return fits ? value as T : null;
}

/**
 * The record that an entry has; null where there is none.
 *
 * @throws Error where it is not understood
 */
export function storedIn(entry: Entry | null): StoredRecord | null {
  if (entry === null) return null;
  const found = recordIn(entry.value);
  if ("format" in found) {
    const what = found.format === null
      ? "not a record"
      : `a record of format ${found.format}, of a newer pgplex`;
    throw new Error(`${entry.key} is ${what}: this instance stays out`);
  }
  const record = recordOf(found.record);
  if (record === null) throw new Error(`${entry.key} is damaged: this instance stays out`);
  return { revision: entry.modRevision, record };
}
