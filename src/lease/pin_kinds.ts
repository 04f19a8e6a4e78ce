import type { BinaryString, SqlTraits } from "../protocol/mod.ts";
import type { PinsHost } from "./pins_host.ts";

/** What is known of one kind of pin: how it is found, and what becomes of it. */
export interface PinKind {
  /**
   * Part of the probe: a query that returns a row exactly where a session may not leave its connection. Every name and operator in
   * it is qualified, as it runs under the client's search_path.
   */
  readonly probe?: BinaryString;
  /** No probe sees it: whether a statement that ran begins it (true) or ends it (false), by its words; null for neither. */
  readonly words?: (traits: SqlTraits, host: PinsHost) => boolean | null;
  /** No server knows of it: whether the session is held by it now. */
  readonly holds?: (host: PinsHost) => boolean;
  /** The client wants its connection, and nothing in its state holds it: `pin_policy` does not apply, and nobody is warned. */
  readonly wished?: true;
  /** No reset takes it back: the connection ends with the session. */
  readonly forLife?: true;
}

/** Every kind of pin, under the name that operators see. To add one is to add a row. */
const KINDS = {
  "holdable cursor": { probe: "SELECT 1 FROM pg_catalog.pg_cursors c WHERE c.is_holdable" },
  "temporary object": {
    probe: `
SELECT 1 FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
UNION ALL SELECT 1 FROM pg_catalog.pg_proc f WHERE f.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
UNION ALL SELECT 1 FROM pg_catalog.pg_type y WHERE y.typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()`,
  },
  "advisory lock": {
    probe: `
SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'
 AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted`,
  },
  /** Channels that no shared listener takes; {@link "./findings.ts"} finds out. */
  "listen": {},
  "load": { words: ({ sticky }) => sticky === "load" ? true : null, forLife: true },
  "setseed": { words: ({ sticky }) => sticky === "setseed" ? true : null, forLife: true },
  "dblink": { words: ({ sticky }) => sticky === "dblink" ? true : null, forLife: true },
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
