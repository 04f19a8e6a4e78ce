import type { Settings } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import type { Lease, Pins } from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { SessionOptions } from "../options/mod.ts";
import type { AlreadySoHost, Relay, ToldSettings } from "../relay/mod.ts";

/** What tells whether a session is at rest. */
export interface AtRestParts {
  readonly relay: Relay;
  readonly told: ToldSettings;
  readonly pins: Pins;
  readonly listening: Listening;
  readonly options: SessionOptions;
  readonly facts: { readonly id: number };
}

/** So much of the distance to the next session's number one DISCARD ALL takes. */
const TENANT_STEP = 2 ** -20;

/** The server's side of the session. */
export interface AtRestSide {
  readonly lease: Pick<Lease, "held" | "waiting" | "failure">;
  answeredItself(): void;
}

/** A session between two transactions that has given back its server connection: all that it is stands here. */
export class AtRest implements AlreadySoHost {
  readonly #parts: AtRestParts;
  readonly #side: AtRestSide;
  readonly #host: { readonly limits: PoolSettings };
  #tenant: number;

  constructor(parts: AtRestParts, side: AtRestSide, host: { readonly limits: PoolSettings }) {
    this.#parts = parts;
    this.#side = side;
    this.#host = host;
    this.#tenant = parts.facts.id;
  }

  /** As whom server connections know the session: another one behind a DISCARD ALL of which they have not heard. */
  get tenant(): number {
    return this.#tenant;
  }

  forgetsConnections(): boolean {
    const next = this.#tenant + TENANT_STEP;
    if (next >= this.#parts.facts.id + 1) return false;
    this.#tenant = next;
    return true;
  }

  get settings(): Settings | null {
    const { relay, told, pins, options } = this.#parts;
    const { lease } = this.#side;
    if (!relay.renames || lease.held || lease.waiting || lease.failure !== null) return null;
    if (pins.reasons.length > 0 || !options.settled || options.wasSet) return null;
    return this.#host.limits.state_check === "off" ? null : told.current;
  }

  get settingsAtLogin(): Settings | null {
    return this.#parts.told.atLogin;
  }

  get listens(): boolean {
    const { listening } = this.#parts;
    for (const _ of listening.channels) return true;
    return listening.suspicious;
  }

  get mayHaveMore(): boolean {
    return this.#parts.relay.leftMore;
  }

  takesAnything(name: string): boolean {
    return this.#parts.relay.watch.fingerprints.placeholders.has(name);
  }

  sets(name: string, value: string): void {
    this.#parts.told.wasSet(name, value);
  }

  answeredItself(): void {
    this.#side.answeredItself();
  }
}
