import type { CutKind } from "../harness/netns.ts";
import type { Seeded } from "../harness/seeded.ts";

/** What takes part, by kind and number from 0. */
export type Actor = `${"instance" | "member" | "node"} ${0 | 1 | 2}`;

/** Something that goes wrong for a while. */
export interface Fault {
  /** What is done to an actor, or to the way between it and `others`. */
  readonly what: "kill" | "end" | "stop" | "restart" | "cut";
  readonly actor: Actor;
  /** Who it is cut off from, and how. */
  readonly others: readonly Actor[];
  readonly how: CutKind;
  /** When it begins in its round, and how long it lasts, in milliseconds. */
  readonly afterMs: number;
  readonly lastsMs: number;
}

/** Who has which part when faults are drawn. */
export interface Roles {
  readonly primary: Actor;
  readonly leader: Actor;
}

const NUMBERS = [0, 1, 2] as const;

export const ACTORS: Readonly<Record<"instance" | "member" | "node", readonly Actor[]>> = {
  instance: NUMBERS.map((n): Actor => `instance ${n}`),
  member: NUMBERS.map((n): Actor => `member ${n}`),
  node: NUMBERS.map((n): Actor => `node ${n}`),
};

const ALL = Object.values(ACTORS).flat();

export function textOf({ what, actor, others, how, afterMs, lastsMs }: Fault): string {
  const whom = others.length === ALL.length - 1 ? "everything" : others.join(", ");
  return `${what} ${actor}${whom && ` from ${whom} (${how})`} at ${afterMs} ms for ${lastsMs} ms`;
}

/** One or two faults that leave a majority of each kind; at times three that may leave nothing at all. */
export function drawFaults(random: Seeded, roles: Roles): Fault[] {
  if (random.chance(0.1)) {
    const faults = [0, 1, 2].map((at) => drawFault(random, roles, at));
    if (new Set(faults.map(({ actor }) => actor)).size === 3) return faults;
  }
  const count = random.chance(0.5) ? 2 : 1;
  for (;;) {
    const faults = Array.from({ length: count }, (_, at) => drawFault(random, roles, at));
    if (leavesMajority(faults, roles)) return faults;
  }
}

function drawFault(random: Seeded, { primary, leader }: Roles, at: number): Fault {
  const afterMs = at === 0 ? 0 : random.chance(0.5) ? 0 : random.below(5_000);
  const kind = random.pick(["instance", "instance", "member", "node", "node", "node"] as const);
  const isSpecial = kind !== "member" && random.chance(0.6);
  const actor = isSpecial ? (kind === "node" ? primary : leader) : random.pick(ACTORS[kind]);
  const what = random.pick(
    kind === "instance"
      ? ["kill", "end", "stop", "cut", "cut"] as const
      : kind === "node"
      ? ["kill", "kill", "stop", "restart", "cut", "cut"] as const
      : ["kill", "end", "stop", "cut"] as const,
  );
  // Shorter and longer than a lease, and than the time that a failover takes.
  const lastsMs = what === "restart" ? 0 : random.pick([300, 1_500, 4_000, 7_000, 9_000, 12_000]);
  const others = what === "cut" ? othersOf(random, actor) : [];
  return { what, actor, others, how: random.pick(["silent", "unreachable"]), afterMs, lastsMs };
}

function othersOf(random: Seeded, actor: Actor): readonly Actor[] {
  const rest = ALL.filter((one) => one !== actor);
  const ofKind = (kind: keyof typeof ACTORS) => rest.filter((one) => ACTORS[kind].includes(one));
  if (random.chance(0.3)) return rest;
  if (ACTORS.member.includes(actor)) return random.pick([ofKind("member"), ofKind("instance")]);
  if (ACTORS.node.includes(actor)) return random.pick([[random.pick(ofKind("node"))], ofKind("node")]);
  return random.pick([ofKind("member"), [random.pick(ofKind("node"))]]);
}

/** What stays of all actors while faults last, all of them at once. */
export class Remains {
  readonly #down: ReadonlySet<Actor>;
  readonly #cuts: ReadonlySet<string>;

  constructor(faults: readonly Fault[]) {
    this.#down = new Set(faults.filter(({ what }) => what !== "cut").map(({ actor }) => actor));
    this.#cuts = new Set(
      faults.flatMap(({ actor, others }) =>
        others.flatMap((other) => [`${actor} ${other}`, `${other} ${actor}`])
      ),
    );
  }

  isUp(actor: Actor): boolean {
    return !this.#down.has(actor);
  }

  /** Whether both are up, and hear each other. */
  reach(a: Actor, b: Actor): boolean {
    return this.isUp(a) && this.isUp(b) && (a === b || !this.#cuts.has(`${a} ${b}`));
  }

  /** Those of a kind that are up and all hear each other: the most of them. */
  together(kind: keyof typeof ACTORS): readonly Actor[] {
    const groups = ACTORS[kind].map((one) => ACTORS[kind].filter((other) => this.reach(one, other)))
      .filter((group) => group.every((a) => group.every((b) => this.reach(a, b))));
    const pairs = ACTORS[kind].flatMap((a) =>
      ACTORS[kind].filter((b) => b > a && this.reach(a, b)).map((b) => [a, b])
    );
    return [...groups, ...pairs].reduce((most, group) => group.length > most.length ? group : most, []);
  }

  /** Whether an instance has what it needs to serve writes: etcd's majority, and a way to this node. */
  serves(instance: Actor, primary: Actor): boolean {
    const members = this.together("member").filter((member) => this.reach(instance, member));
    return this.isUp(instance) && members.length > 0 && this.reach(instance, primary);
  }
}

/** Whether more than half of each kind is left, and the whole can go on with it. */
export function leavesMajority(faults: readonly Fault[], { primary }: Roles): boolean {
  const actors = faults.map(({ actor }) => actor);
  if (new Set(actors).size < actors.length) return false;
  const remains = new Remains(faults);
  if (remains.together("member").length < 2) return false;
  // Two of the instances that see nodes and etcd, so that they agree on who is gone.
  const able = ACTORS.instance.filter((one) =>
    remains.together("node").every((node) => remains.reach(one, node)) &&
    remains.together("member").some((member) => remains.reach(one, member))
  );
  if (able.length < 2) return false;
  const nodes = remains.together("node");
  if (nodes.length < 2) return false;
  if (nodes.includes(primary)) return true;
  // A primary that is cut off from its standbys alone is one that nobody would replace.
  return !remains.isUp(primary) || !ACTORS.instance.some((one) => remains.reach(one, primary));
}
