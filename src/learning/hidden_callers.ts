import {
  type BinaryString,
  nameNumber,
  OPAQUE_ROUTINE,
  type RoutineLanguage,
  type RoutineTraits,
  routineTraits,
  type SqlReach,
  type Sticky,
  stickyIn,
} from "../protocol/mod.ts";

/** What is reached by a statement that does not call it by name. */
export type Reach = "any" | "writing";

/** A routine as the catalogue has it; names and sources are in the server's encoding. */
export interface Routine {
  readonly oid: string;
  readonly name: BinaryString;
  /** What reaches it though nobody calls it; null for what is called by name alone. */
  readonly reach: Reach | null;
  /** How its source is read; `harmless` needs no reading, `opaque` cannot be read. */
  readonly language: RoutineLanguage | "harmless" | "opaque";
  /** Of one in C the function there, whatever it is called here; null for others. */
  readonly symbol?: BinaryString | null;
  /** Its header sets something by what the plans of what it calls are made. */
  readonly setsInPlans?: boolean;
  /** It can be called with one argument, so that `x.name` calls it. */
  readonly single: boolean;
  /** Routines that it uses by what the catalogue says: an aggregate its functions, a default of a parameter what it calls. */
  readonly uses: readonly string[];
}

/** What is known of a database's routines that are reached without being called by name. */
export class HiddenCallers {
  /** Nothing is known yet: any statement may reach anything. */
  static readonly UNKNOWN: HiddenCallers = new HiddenCallers("any", null, new Set());
  readonly #called: ReadonlyMap<BinaryString, Called>;
  /** Which statements may reach one that leaves what no look finds and nothing takes back; null for none. */
  readonly stains: Reach | null;
  /** Which statements may reach one by which others are planned by settings that hold for a while; null for none. */
  readonly #mixes: Reach | null;
  /** Whether any statement may {@link mixesPlans}. */
  readonly mixesAny: boolean;

  /** Which statements may reach one that may change session state; null for none. */
  readonly reach: Reach | null;
  /** That one's name, or that of whatever reaches it; null where it is not known. */
  readonly cause: BinaryString | null;
  /** Numbers of the names by which `x.name` calls something of which nothing is known. */
  readonly members: ReadonlySet<number>;

  /** @param called what is known of the routines that statements call by name */
  constructor(
    reach: Reach | null,
    cause: BinaryString | null,
    members: ReadonlySet<number>,
    called: ReadonlyMap<BinaryString, Called> = new Map(),
    { stains = null, mixes = null }: { readonly stains?: Reach | null; readonly mixes?: Reach | null } = {},
  ) {
    this.#called = called;
    this.stains = stains;
    this.#mixes = mixes;
    this.mixesAny = mixes !== null || [...called.values()].some(({ sticky }) => sticky.includes("plans"));
    this.reach = reach;
    this.cause = cause;
    this.members = members;
  }

  /** Whether a statement that calls all these may change session state by that, as far as it is known. */
  mayChange(calls: readonly BinaryString[]): boolean {
    return calls.some((name) => this.#called.get(name)?.harmless !== true);
  }

  /** Whether somebody has looked at all these. */
  knows(calls: readonly BinaryString[]): boolean {
    return calls.every((name) => this.#called.has(name));
  }

  /** What a statement that calls all these may do that no probe sees. */
  stickyOf(calls: readonly BinaryString[]): readonly Sticky[] {
    return calls.flatMap((name) => this.#called.get(name)?.sticky ?? []);
  }

  /** Whether a statement may reach one of {@link stains}; what it calls may write. */
  stainedBy(
    { reach, calls }: { readonly reach: SqlReach; readonly calls: readonly BinaryString[] },
  ): boolean {
    if (this.stains === null || reach.nothing) return false;
    return this.stains === "any" || reach.writes || calls.length > 0;
  }

  /** Whether behind a statement plans of routines may be of settings that held for a while, and are not seen any more. */
  mixesPlans(
    { reach, calls }: { readonly reach: SqlReach; readonly calls: readonly BinaryString[] },
  ): boolean {
    if (reach.nothing) return false;
    if (this.#mixes === "any" || (this.#mixes === "writing" && reach.writes)) return true;
    return this.stickyOf(calls).includes("plans");
  }

  /** Whether a statement may reach something that may change session state. */
  reachedBy({ nothing, writes, members }: SqlReach): boolean {
    if (nothing) return false;
    if (this.reach === "any" || (writes && this.reach === "writing")) return true;
    if (this.members.size === 0) return false;
    return members === null || members.some((member) => this.members.has(member));
  }
}

/** What is known of all routines of one name, and of what they call. */
export interface Called {
  /** None of them changes session state, nor does what is reached by what they write. */
  readonly harmless: boolean;
  /** What they may do that no probe sees. */
  readonly sticky: readonly Sticky[];
}

/** Bits of what reaches a routine. */
const ANY = 1;
const WRITING = 2;
const NAMED = 4;

/** What nothing takes back but the end of the connection. */
const STAINS: ReadonlySet<Sticky> = new Set(["load", "setseed", "dblink", "origin", "backup", "extension"]);

/** What DISCARD PLANS takes back. */
const PLANS: ReadonlySet<Sticky> = new Set(["plans"]);

/** Sources asked for at once. */
const WANTED_MAX = 500;

/**
 * Finds a database's {@link HiddenCallers}: from what is reached without a name along the names in sources, as far as those
 * tell. Pure: it says whose source it needs next, until {@link found} says what there is.
 *
 * All routines of a name count as called by it, whatever their schemas and arguments, so that no search_path matters.
 */
export class HiddenCallerSearch {
  readonly #byOid = new Map<string, Routine>();
  readonly #byName = new Map<BinaryString, Routine[]>();
  readonly #traits = new Map<string, RoutineTraits>();
  /** What reaches each routine, as bits. */
  readonly #reached = new Map<string, number>();
  /** Reached, and to be read. */
  readonly #unread = new Set<Routine>();
  /** For each bit the first routine found that may change session state. */
  readonly #causes = new Map<number, BinaryString>();
  /** What may run for any statement may write. */
  #anyWrites = false;

  readonly #named: Iterable<BinaryString>;

  /** @param named names that statements call */
  constructor(routines: Iterable<Routine>, named: Iterable<BinaryString> = []) {
    this.#named = named;
    for (const routine of routines) {
      this.#byOid.set(routine.oid, routine);
      const named = this.#byName.get(routine.name);
      if (named === undefined) this.#byName.set(routine.name, [routine]);
      else named.push(routine);
    }
    for (const routine of this.#byOid.values()) {
      if (routine.reach !== null) this.#reach(routine, routine.reach === "any" ? ANY : WRITING);
    }
    for (const name of named) {
      for (const routine of this.#byName.get(name) ?? []) this.#reach(routine, NAMED);
    }
  }

  /** Routines whose sources must be {@link read} next; none when the search is over. */
  get wanted(): readonly Routine[] {
    const wanted: Routine[] = [];
    for (const routine of this.#unread) {
      wanted.push(routine);
      if (wanted.length === WANTED_MAX) break;
    }
    return wanted;
  }

  /** Takes the source of a wanted routine; null for one that is gone, or too long. */
  read(routine: Routine, source: BinaryString | null): void {
    this.#unread.delete(routine);
    const { language, oid } = routine;
    const traits = source === null || language === "harmless" || language === "opaque"
      ? OPAQUE_ROUTINE
      : routineTraits(source, language);
    this.#traits.set(oid, traits);
    const bits = this.#reached.get(oid)!;
    for (const called of this.#calledBy(routine, bits)) this.#reach(called, bits);
  }

  /** What there is, as far as it was read. */
  get found(): HiddenCallers {
    const members = new Set<number>();
    for (const { name, single, language } of this.#byOid.values()) {
      if (single && language !== "harmless") members.add(nameNumber(name));
    }
    const any = this.#causes.get(ANY);
    const called = this.#whatIsCalled();
    const unseen = { stains: this.#whatReaches(STAINS), mixes: this.#whatReaches(PLANS) };
    if (any !== undefined) return new HiddenCallers("any", any, members, called, unseen);
    const writing = this.#causes.get(WRITING);
    if (writing === undefined) return new HiddenCallers(null, null, members, called, unseen);
    return new HiddenCallers(this.#anyWrites ? "any" : "writing", writing, members, called, unseen);
  }

  /** Which statements may reach, without calling it by name, a routine that does any of `what`; null for none. */
  #whatReaches(what: ReadonlySet<Sticky>): Reach | null {
    let reach: Reach | null = null;
    for (const routine of this.#byOid.values()) {
      const bits = this.#reached.get(routine.oid) ?? 0;
      if ((bits & (ANY | WRITING)) === 0 || !this.#stickyOf(routine).some((each) => what.has(each))) {
        continue;
      }
      if ((bits & ANY) !== 0 || this.#anyWrites) return "any";
      reach = "writing";
    }
    return reach;
  }

  #whatIsCalled(): Map<BinaryString, Called> {
    const reached = [...this.#byOid.values()].filter(({ oid }) =>
      ((this.#reached.get(oid) ?? 0) & NAMED) !== 0
    );
    const calls = new Map(reached.map((routine) => [routine, this.#callees(routine)]));
    const stateful = new Set(reached.filter((routine) => this.#isStateful(routine)));
    const sticky = new Map(reached.map((routine) => [routine, new Set(this.#stickyOf(routine))]));
    // What is reached by what it writes.
    if (this.#whatReaches(PLANS) !== null) {
      for (const [{ oid }, own] of sticky) if (this.#traits.get(oid)?.writes !== false) own.add("plans");
    }
    // From what is called to who calls it, until nothing is new.
    for (let changed = true; changed;) {
      changed = false;
      for (const routine of reached) {
        const own = sticky.get(routine)!;
        const before = own.size;
        for (const callee of calls.get(routine)!) {
          if (stateful.has(callee) && !stateful.has(routine)) changed = stateful.add(routine) !== null;
          for (const what of sticky.get(callee) ?? []) own.add(what);
        }
        if (own.size > before) changed = true;
      }
    }
    const called = new Map<BinaryString, Called>();
    for (const name of this.#named) {
      const routines = this.#byName.get(name) ?? [];
      called.set(name, {
        harmless: routines.length > 0 && !routines.some((routine) => stateful.has(routine)),
        sticky: routines.flatMap((routine) => [...sticky.get(routine) ?? []]),
      });
    }
    return called;
  }

  #callees({ oid, uses }: Routine): Routine[] {
    const callees = uses.flatMap((used) => this.#byOid.get(used) ?? []);
    for (const name of this.#traits.get(oid)?.calls ?? []) callees.push(...this.#byName.get(name) ?? []);
    return callees;
  }

  #isStateful({ oid, language }: Routine): boolean {
    if (language === "harmless") return false;
    if (language === "opaque") return true;
    const { stateful, writes } = this.#traits.get(oid) ?? OPAQUE_ROUTINE;
    // What is reached by what it writes.
    return stateful || (writes && this.#causes.size > 0);
  }

  /** What is in C has a name that says it. */
  #stickyOf({ oid, name, language, symbol, setsInPlans }: Routine): readonly Sticky[] {
    const sticky = language === "opaque"
      ? stickyIn([symbol ?? name, "("])
      : this.#traits.get(oid)?.sticky ?? [];
    return setsInPlans === true ? [...sticky, "plans"] : sticky;
  }

  /** What `bits` stand for reaches this routine too, and what it calls. */
  #reach(routine: Routine, bits: number): void {
    const reached = [routine];
    for (let next = reached.pop(); next !== undefined; next = reached.pop()) {
      const before = this.#reached.get(next.oid) ?? 0;
      if ((before | bits) === before) continue;
      this.#reached.set(next.oid, before | bits);
      for (const called of this.#calledBy(next, bits)) reached.push(called);
    }
  }

  /** Takes note of what `bits` reach in this routine, and tells what it calls as far as that is known. */
  *#calledBy(routine: Routine, bits: number): Generator<Routine> {
    for (const oid of routine.uses) {
      const used = this.#byOid.get(oid);
      if (used !== undefined) yield used;
    }
    if (routine.language === "harmless") return;
    const traits = routine.language === "opaque" ? OPAQUE_ROUTINE : this.#traits.get(routine.oid);
    if (traits === undefined) {
      this.#unread.add(routine);
      return;
    }
    for (const bit of [ANY, WRITING]) {
      if ((bits & bit) !== 0 && traits.stateful && !this.#causes.has(bit)) {
        this.#causes.set(bit, routine.name);
      }
    }
    if ((bits & ANY) !== 0 && traits.writes) this.#anyWrites = true;
    for (const name of traits.calls) yield* this.#byName.get(name) ?? [];
  }
}
