import { createHash } from "node:crypto";

/** One record with its revision, which rises by one with each change. */
export interface Stored<R> {
  readonly revision: number;
  readonly record: R;
}

/** All that a state file holds: records by the name of their cluster. */
export type State<R> = ReadonlyMap<string, Stored<R>>;

/** What a text is: a state, or damaged, for a reason that a person understands. */
export type DecodedState<R> =
  | { readonly kind: "state"; readonly state: State<R> }
  | { readonly kind: "damaged"; readonly reason: string };

/** Of the form that is written; one that is higher was written by a later pgplex. */
const VERSION = 1;

/** A key that stands for a bigint: `{"$bigint": "12"}`. */
const BIGINT = "$bigint";

/** The text of a state file: one line of JSON with its version and the SHA-256 of what it holds. */
export function encodeState(state: State<unknown>): string {
  const records = JSON.stringify(
    Object.fromEntries(state),
    (_, value) => typeof value === "bigint" ? { [BIGINT]: String(value) } : value,
  );
  return `{"pgplex_state":${VERSION},"sha256":"${digest(records)}","records":${records}}\n`;
}

/** Reads what {@link encodeState} has written. */
export function decodeState<R>(text: string): DecodedState<R> {
  const damaged = (reason: string): DecodedState<R> => ({ kind: "damaged", reason });
  if (text.trim() === "") return damaged("it is empty");
  const head = /^\{"pgplex_state":(\d+),/.exec(text);
  if (head === null) return damaged("it is no state file of pgplex");
  if (Number(head[1]) !== VERSION) {
    return damaged(`its version is ${head[1]}, and this pgplex writes ${VERSION}`);
  }
  const parts = /^\{"pgplex_state":\d+,"sha256":"([0-9a-f]{64})","records":(.*)\}\n$/s.exec(text);
  if (parts === null) return damaged("it is cut off, or was changed");
  if (digest(parts[2]!) !== parts[1]) return damaged("its checksum is not that of what it holds");
  const records = JSON.parse(
    parts[2]!,
    (_, value) =>
      typeof value === "object" && value !== null && BIGINT in value ? BigInt(value[BIGINT]) : value,
  ) as Record<string, Stored<R>>;
  return { kind: "state", state: new Map(Object.entries(records)) };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
