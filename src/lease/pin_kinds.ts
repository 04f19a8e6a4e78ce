import type { BinaryString, SqlTraits, Sticky } from "../protocol/mod.ts";
import type { PinsHost } from "./pins_host.ts";

/** What is known of one kind of pin: how it is found, and what becomes of it. */
export interface PinKind {
  /**
   * Part of the probe: a query that returns a row exactly where a session may not leave its connection. It reads from functions
   * alone, as all of the probe.
   */
  readonly probe?: BinaryString;
  /** No probe sees it: whether a statement that ran begins it (true) or ends it (false), by its words; null for neither. */
  readonly words?: (traits: SqlTraits, host: PinsHost) => boolean | null;
  /** No server knows of it: whether the session is held by it now. */
  readonly holds?: (host: PinsHost) => boolean;
  /** The client wants its connection, and nothing in its state holds it: `pin_policy` does not apply, and nobody is warned. */
  readonly wished?: true;
  /** It is over as a rule before anybody could act on a warning. */
  readonly brief?: true;
  /** No reset takes it back: the connection ends with the session. */
  readonly forLife?: true;
}

/** By its words a statement does what nothing takes back but, for some, its end; so do the routines that it calls. */
function sticks(what: Sticky, over?: Sticky): PinKind {
  return {
    words: ({ sticky, calls }, { watch: { fingerprints: { catalogue } } }) => {
      const all = [...sticky, ...catalogue.hidden.stickyOf(calls)];
      if (all.includes(what)) return true;
      return over !== undefined && all.includes(over) ? false : null;
    },
    forLife: true,
  };
}

/** Every kind of pin, under the name that operators see. To add one is to add a row. */
const KINDS = {
  "holdable cursor": { probe: "SELECT 1 FROM pg_cursor() c WHERE c.is_holdable" },
  /** Asked for apart, where the backend has a temporary schema; {@link "./probe.ts"}. */
  "temporary object": {},
  /** One that the user who logged in may not set, or that no server takes back as it shows it; {@link "./probe.ts"}. */
  "unrestorable setting": {},
  "advisory lock": {
    probe:
      "SELECT 1 FROM pg_lock_status() l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted",
  },
  "temporary slot": {
    probe: "SELECT 1 FROM pg_get_replication_slots() s WHERE s.temporary AND s.active_pid = pg_backend_pid()",
    forLife: true,
  },
  /** Channels that no shared listener takes; {@link "./findings.ts"} finds out. */
  "listen": { brief: true },
  "load": sticks("load"),
  "setseed": sticks("setseed"),
  "dblink": sticks("dblink"),
  "replication origin": sticks("origin", "origin over"),
  "backup": sticks("backup", "backup over"),
  "extension": sticks("extension"),
  /** What the backend remembers of sequences may be read. */
  "sequence": {
    words: ({ sequences }, { limits, watch: { fingerprints } }) => {
      if (sequences === null) return null;
      if (sequences === "discard" || limits.currval === "ignore") return false;
      return sequences === "read" || fingerprints.readsSequences ? true : null;
    },
  },
  /** One that is too large to be kept, and was not bound yet. */
  "unnamed statement": { holds: ({ holdsUnnamed }) => holdsUnnamed },
  "pool_mode": { holds: ({ limits }) => limits.pool_mode === "session", wished: true },
  "directive": { holds: ({ options }) => options.pinned, wished: true },
} as const satisfies Record<string, PinKind>;

/** What holds a session to its server connection. */
export type PinReason = keyof typeof KINDS;

/** {@link PinKind} by its name. */
export const PIN_KINDS: Readonly<Record<PinReason, PinKind>> = KINDS;

/** Every kind, in the order in which they are shown. */
export const PIN_REASONS: readonly PinReason[] = Object.keys(KINDS) as PinReason[];
