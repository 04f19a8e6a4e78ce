import type { PoolSettings } from "../config/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import type { StateWatch } from "../learning/mod.ts";
import type { SessionOptions } from "../options/mod.ts";

/** What pins ask of a session, and do to it. */
export interface PinsHost {
  /** The pool's settings with what the client set over them. */
  readonly limits: PoolSettings;
  readonly options: SessionOptions;
  /** What ran in the current lease. */
  readonly watch: StateWatch;
  /** Whether the session's unnamed statement is too large to be kept, and was not bound yet. */
  readonly holdsUnnamed: boolean;
  nowMs(): number;
  /** The session is pinned from now on, for a reason other than that its client wants it. `statement` most likely did it. */
  warnOfPins(reasons: readonly string[], statement: string | null): void;
  end(error: PgplexError): void;
}
