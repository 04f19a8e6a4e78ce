import type { Lease } from "../lease/mod.ts";
import type { SessionOptions } from "../options/mod.ts";
import type { ReadsHost, ToldSettings } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import { isReadOnly } from "./read_only.ts";
import type { SessionFacts } from "./session_facts.ts";

/** What of a session says whether it reads. */
export interface ReadingParts {
  readonly facts: Pick<SessionFacts, "base">;
  readonly destination: Destination;
  readonly options: SessionOptions;
  readonly told: ToldSettings;
  readonly out: Pick<Outbox, "handedOver">;
}

/** What a session is about to do, as far as it has said so, and where its lease is. */
export class Reading implements ReadsHost {
  readonly #parts: ReadingParts;
  readonly #lease: Pick<Lease, "home" | "wish">;
  readonly leave: () => boolean;

  /** `leave` ends the lease, at a boundary, or has it looked at first; whether it did. */
  constructor(parts: ReadingParts, lease: Pick<Lease, "home" | "wish">, leave: () => boolean) {
    this.#parts = parts;
    this.#lease = lease;
    this.leave = leave;
  }

  /** Whether the next lease only reads: {@link usuallyReads}, or what the statement that waits for it says of itself. */
  get reads(): boolean {
    const { intent } = this.#parts.options;
    return intent !== null ? intent === "read" : this.#readsByDefault;
  }

  get usuallyReads(): boolean {
    const { standingIntent } = this.#parts.options;
    return standingIntent !== null ? standingIntent === "read" : this.#readsByDefault;
  }

  get intentSaid(): boolean {
    return this.#parts.options.givenIntent !== null;
  }

  get readOnlyIsRead(): boolean {
    return this.#parts.destination.readOnlyIsRead;
  }

  get #readsByDefault(): boolean {
    if (!this.readOnlyIsRead) return false;
    const { told, destination, facts: { base } } = this.#parts;
    return isReadOnly(told.current ?? destination.greetings.of(base), base);
  }

  get toClient(): number {
    return this.#parts.out.handedOver;
  }

  get atStandby(): boolean {
    const { home } = this.#lease;
    return home !== null && !this.#parts.destination.isForWrites(home);
  }

  goesOn(): boolean {
    const { home, wish } = this.#lease;
    return home === null || this.#parts.destination.goesOn(home, wish);
  }
}
