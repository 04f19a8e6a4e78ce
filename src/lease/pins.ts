import { PgplexError } from "../kernel/mod.ts";
import { PIN_KINDS, PIN_REASONS, type PinReason } from "./pin_kinds.ts";
import type { PinsHost } from "./pins_host.ts";

/** Shared by all sessions that nothing pins. */
const NONE: readonly PinReason[] = [];

/** Why a session keeps its server connection between transactions, and since when. */
export class Pins {
  readonly #host: PinsHost;
  #reasons = NONE;
  /** Those of {@link reasons} that only the words of statements tell of: they stay until words take them back. */
  #byWords = NONE;
  #sinceMs = 0;
  #statement: string | null = null;

  constructor(host: PinsHost) {
    this.#host = host;
  }

  get reasons(): readonly PinReason[] {
    return this.#reasons;
  }

  /** Whether the connection ends with the session, as no reset takes back what pins it. */
  get forLife(): boolean {
    // What ran may not have been looked at yet.
    const reasons = [...this.#reasons, ...this.#byWordsNow()];
    return reasons.some((reason) => PIN_KINDS[reason].forLife === true);
  }

  /** Since when, in clock milliseconds, and the statement that did it, without its literals; null when not pinned. */
  get pinned(): { readonly sinceMs: number; readonly statement: string | null } | null {
    return this.#reasons.length === 0 ? null : { sinceMs: this.#sinceMs, statement: this.#statement };
  }

  /** A transaction ended that no probe looks behind: only what the session itself knows of may have changed. */
  /** Whether anything holds the session, or will when the transaction has ended. */
  get mayHold(): boolean {
    const { options, holdsUnnamed } = this.#host;
    return this.#reasons.length > 0 || options.pins || options.pinned || holdsUnnamed;
  }

  transactionEnds(): void {
    const { options, holdsUnnamed } = this.#host;
    if (this.#reasons.length > 0 || options.pins || holdsUnnamed) this.set(this.#withHeld(this.#reasons));
  }

  /** What pins the session when a probe found `found`: that, what only words tell of, and what the session itself knows of. */
  after(found: readonly PinReason[]): PinReason[] {
    this.#byWords = this.#byWordsNow();
    return this.#withHeld([...found, ...this.#byWords]);
  }

  /** The connection is gone, and what pinned with it. */
  clear(): void {
    this.#reasons = this.#byWords = NONE;
  }

  /** Pins for `reasons`, or for none any more. A session that must not be pinned ends. */
  set(reasons: readonly PinReason[]): void {
    if (reasons.join() === this.#reasons.join()) return;
    const host = this.#host;
    const wasPinned = this.#reasons.length > 0;
    const forced = reasons.filter((reason) => PIN_KINDS[reason].wished !== true);
    if (forced.length > 0 && host.limits.pin_policy === "refuse") {
      const message = `terminating connection: the session would have to be pinned (${forced.join(", ")})`;
      host.end(new PgplexError("pin_refused", message, { detail: "pin_policy is refuse." }));
    } else if (!wasPinned && forced.some((reason) => PIN_KINDS[reason].brief !== true)) {
      // The statement that most likely did it: the last one whose words say that it may.
      const { ran } = host.watch;
      const cause = ran.findLast(({ traits }) => traits.stateful) ?? ran.at(-1);
      this.#statement = cause?.traits.text ?? null;
      host.warnOfPins(reasons, this.#statement);
    }
    if (!wasPinned) this.#sinceMs = host.nowMs();
    this.#reasons = reasons;
  }

  #withHeld(reasons: readonly PinReason[]): PinReason[] {
    const all = reasons.filter((reason) => PIN_KINDS[reason].holds === undefined);
    for (const reason of PIN_REASONS) if (PIN_KINDS[reason].holds?.(this.#host)) all.push(reason);
    return all;
  }

  #byWordsNow(): readonly PinReason[] {
    const pins = new Set(this.#byWords);
    if (this.#host.watch.seeds) pins.add("setseed");
    for (const { traits } of this.#host.watch.unseen) {
      for (const reason of PIN_REASONS) {
        const begins = PIN_KINDS[reason].words?.(traits, this.#host) ?? null;
        if (begins === true) pins.add(reason);
        else if (begins === false) pins.delete(reason);
      }
    }
    return [...pins];
  }
}
