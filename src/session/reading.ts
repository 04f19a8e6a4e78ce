import type { Lease } from "../lease/mod.ts";
import type { SessionOptions } from "../options/mod.ts";
import type { ReadsHost, Relay, ToldSettings } from "../relay/mod.ts";
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
  readonly relay: Pick<Relay, "renames"> & {
    readonly reads: Pick<Relay["reads"], "on">;
    readonly watch: Pick<Relay["watch"], "wrote" | "ranAny">;
  };
}

/** What of a lease says where it is. */
type Whereabouts = Pick<Lease, "home" | "wish" | "connection">;

/** What a session is about to do, as far as it has said so, and where its lease is. */
export class Reading implements ReadsHost {
  readonly #parts: ReadingParts;
  readonly #lease: Whereabouts;
  readonly leave: () => boolean;

  /** `leave` ends the lease, at a boundary, or has it looked at first; whether it did. */
  constructor(parts: ReadingParts, lease: Whereabouts, leave: () => boolean) {
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

  /**
   * Whether what ran may have written, to the best of what the client and the texts say: a read is one on the primary, too. A server
   * that was promoted meanwhile has said so before its ReadyForQuery.
   */
  get mayHaveWritten(): boolean {
    const { reads, renames, watch } = this.#parts.relay;
    const wrote = reads.on ? watch.wrote : watch.ranAny || !renames;
    return wrote && this.#lease.connection?.reported.hotStandby !== "on";
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
