import type { OwedReplies } from "../../backend/mod.ts";
import type { BinaryString, SqlTraits } from "../../protocol/mod.ts";

/** Portals that are known: of more the oldest are forgotten. */
const PORTALS_MAX = 1000;

/** Whether a statement is DEALLOCATE ALL or DISCARD ALL. */
export function dropsNames({ statements, sequences, resetsName }: SqlTraits): boolean {
  return statements.includes("all") || (sequences === "discard" && resetsName);
}

/**
 * DEALLOCATE ALL and DISCARD ALL of one session, which end every prepared statement but those that are made behind them: the
 * last one that is on its way, and how many went through. Bound, they do nothing before they are executed. Pure.
 */
export class NameDrops {
  /** The last that was sent; null once it is known to be over. */
  #last: {
    readonly owed: OwedReplies;
    /** The batch in which it stands, with which it fails; -1 for a simple query. */
    readonly batch: number;
    /** Names that were made behind it. */
    readonly made: Set<BinaryString>;
    /** How many had gone through before. */
    readonly count: number;
  } | null = null;
  #count = 0;
  /** Those that are bound and not executed. One that ended with its transaction stays until its name is bound again, or a lease begins. */
  #portals: Set<BinaryString> | null = null;

  /** A lease begins: no portal is left. */
  leaseBegins(): void {
    this.#portals = null;
  }

  /** Whether any is bound. */
  get bound(): boolean {
    return this.#portals !== null && this.#portals.size > 0;
  }

  /** One is bound to this portal. */
  binds(portal: BinaryString): void {
    const portals = this.#portals ??= new Set();
    for (const oldest of portals.keys()) {
      if (portals.size < PORTALS_MAX) break;
      portals.delete(oldest);
    }
    portals.add(portal);
  }

  /** The portal is closed, or bound to something else. */
  unbinds(portal: BinaryString): void {
    this.#portals?.delete(portal);
  }

  /** An Execute of this portal goes to the server. */
  executes(portal: BinaryString, owed: OwedReplies): void {
    if (this.#portals?.delete(portal) && !owed.skipping) this.begin(owed, false);
  }

  /** One goes to the server. */
  begin(owed: OwedReplies, simple: boolean): void {
    this.#last = { owed, batch: simple ? -1 : owed.batch, made: new Set(), count: this.#count };
  }

  /** A Parse of this name goes to the server. */
  makes(name: BinaryString): void {
    this.#last?.made.add(name);
  }

  /** One went through. */
  done(): void {
    this.#count++;
  }

  /** Whether one is on its way outside of the batch at hand: nobody knows yet which names there are. */
  doubtful(owed: OwedReplies): boolean {
    if (this.#last === null) return false;
    if (this.#last.owed !== owed || owed.settled) this.#last = null;
    return this.#last !== null && this.#last.batch !== owed.batch && owed.readies > 0 && !owed.copyIn;
  }

  /** Whether one stands before in the batch at hand: what was there before it is not there for what is sent now. */
  standsBefore(owed: OwedReplies): boolean {
    const last = this.#last;
    return last !== null && last.owed === owed && last.batch === owed.batch && !owed.settled;
  }

  /** Whether {@link standsBefore}, and `name` was not made behind it. */
  frees(owed: OwedReplies, name: BinaryString): boolean {
    return this.standsBefore(owed) && !this.#last!.made.has(name);
  }

  /** Whether {@link frees} may say yes. */
  get pending(): boolean {
    return this.#last !== null;
  }

  /** How many went through. */
  get count(): number {
    return this.#count;
  }

  /** How many the statement that now has this name has survived, or will have: as {@link survived} takes it. */
  before(name: BinaryString): number {
    const last = this.#last;
    return this.#count + (last !== null && last.count === this.#count && last.made.has(name) ? 1 : 0);
  }

  /** Whether none went through since that took what was there then. */
  survived(before: number): boolean {
    return this.#count <= before;
  }
}
