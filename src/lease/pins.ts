import type { PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { PinReason } from "./probe.ts";
import type { SessionOptions } from "../options/mod.ts";
import type { StateWatch } from "../learning/mod.ts";

/** Pins that no probe finds. */
const OWN_PINS: ReadonlySet<PinReason> = new Set<PinReason>(["pool_mode", "directive", "unnamed statement"]);

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
  warnOfPins(reasons: readonly PinReason[], statement: string | null): void;
  end(error: PgplexError): void;
}

/** Why a session keeps its server connection between transactions, and since when. */
export class Pins {
  readonly #host: PinsHost;
  #reasons: readonly PinReason[] = [];
  /** Those that no probe sees, and that nothing takes back. */
  #sticky: readonly PinReason[] = [];
  #sinceMs = 0;
  #statement: string | null = null;

  constructor(host: PinsHost) {
    this.#host = host;
  }

  get reasons(): readonly PinReason[] {
    return this.#reasons;
  }

  /** Since when, in clock milliseconds, and the statement that did it, without its literals; null when not pinned. */
  get pinned(): { readonly sinceMs: number; readonly statement: string | null } | null {
    return this.#reasons.length === 0 ? null : { sinceMs: this.#sinceMs, statement: this.#statement };
  }

  /** A transaction ended that no probe looks behind: only what the client asks for may have changed. */
  transactionEnds(): void {
    const { options, holdsUnnamed } = this.#host;
    if (this.#reasons.length > 0 || options.pins || holdsUnnamed) this.set(this.#withWishes(this.#reasons));
  }

  /** What pins the session when a probe found `found`: that, what only words tell of, and what the client asks for. */
  after(found: readonly PinReason[]): PinReason[] {
    this.#sticky = this.#stickyNow();
    return this.#withWishes([...found, ...this.#sticky]);
  }

  /** The connection is gone, and what pinned with it. */
  clear(): void {
    this.#reasons = this.#sticky = [];
  }

  /** Pins for `reasons`, or for none any more. A session that must not be pinned ends. */
  set(reasons: readonly PinReason[]): void {
    if (reasons.join() === this.#reasons.join()) return;
    const host = this.#host;
    const wasPinned = this.#reasons.length > 0;
    const forced = reasons.filter((reason) => !isWish(reason));
    if (forced.length > 0 && host.limits.pin_policy === "refuse") {
      const message = `terminating connection: the session would have to be pinned (${forced.join(", ")})`;
      host.end(new PgplexError("pin_refused", message, { detail: "pin_policy is refuse." }));
    } else if (!wasPinned && forced.length > 0) {
      // The statement that most likely did it: the last one whose words say that it may.
      const { ran } = host.watch;
      const cause = ran.findLast(({ traits }) => traits.stateful) ?? ran.at(-1);
      this.#statement = cause?.traits.text ?? null;
      host.warnOfPins(reasons, this.#statement);
    }
    if (!wasPinned) this.#sinceMs = host.nowMs();
    this.#reasons = reasons;
  }

  #withWishes(reasons: readonly PinReason[]): PinReason[] {
    const { limits, options, holdsUnnamed } = this.#host;
    const all = reasons.filter((reason) => !OWN_PINS.has(reason));
    if (holdsUnnamed) all.push("unnamed statement");
    if (limits.pool_mode === "session") all.push("pool_mode");
    if (options.pinned) all.push("directive");
    return all;
  }

  #stickyNow(): readonly PinReason[] {
    const { limits, watch } = this.#host;
    const pins = new Set(this.#sticky);
    for (const { traits: { sticky, sequences } } of watch.unseen) {
      if (sticky !== null) pins.add(sticky);
      if (sequences === "discard" || limits.currval === "ignore") pins.delete("sequence");
      else if (sequences === "read" || (sequences === "advance" && watch.fingerprints.readsSequences)) {
        pins.add("sequence");
      }
    }
    return [...pins];
  }
}

/** Whether it is the client that wants its connection, and nothing in its state. */
function isWish(reason: PinReason): boolean {
  return reason === "pool_mode" || reason === "directive";
}
