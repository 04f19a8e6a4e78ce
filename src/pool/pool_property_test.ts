import { ok, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { PgplexError } from "../kernel/mod.ts";
import { SharedLimit } from "./limits.ts";
import {
  FakeWorld,
  type Guest,
  limitsOf,
  type Outcome,
  type Resource,
  unreachable,
} from "./pool_fake_test.ts";

/** Both sides of a run: the pool's world, and who is still to be served in it. */
interface Model {
  waiting: Waiting[];
  /** The pool's limits were lowered, and its resources are more than they allow. */
  lowered: boolean;
}

interface Waiting {
  readonly outcome: Outcome & { forget(): boolean };
  readonly serial: number;
}

interface Real {
  readonly world: FakeWorld;
  readonly leased: Set<Resource>;
  /** Those who wait for seats, or have them. */
  readonly guests: Set<Guest>;
  readonly shared: SharedLimit;
  /** What the other pool took of the shared limit. */
  others: number;
  size: number;
  serial: number;
}

type Run = (model: Model, real: Real) => void;

/** A step of a run, and what must hold after each. */
class Step implements fc.Command<Model, Real> {
  readonly #name: string;
  readonly #run: Run;

  constructor(name: string, run: Run) {
    this.#name = name;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, real: Real): void {
    this.#run(model, real);
    settle(model, real);
  }

  toString(): string {
    return this.#name;
  }
}

/** Takes note of what the pool did, and checks what must always hold. */
function settle(model: Model, real: Real): void {
  const { world, leased, shared, guests } = real;
  const { pool } = world;
  const before = model.waiting;
  for (const { outcome } of before) {
    ok(outcome.calls <= 1, "nobody is granted or refused twice");
    if (outcome.granted === null || outcome.calls === 0) continue;
    ok(!leased.has(outcome.granted), "nothing is leased to two at a time");
    leased.add(outcome.granted);
  }
  model.waiting = before.filter(({ outcome }) => outcome.calls === 0);
  for (const guest of guests) if (guest.error !== null) guests.delete(guest);
  const standing = [...guests].filter(({ waits }) => waits).length;
  equal(pool.waitingCount, model.waiting.length + standing);
  equal(pool.seatCount, guests.size - standing);
  equal(pool.leasedCount, leased.size);
  equal(pool.openingCount, world.opens.length);
  const counted = pool.total + pool.seatCount;
  equal(shared.used - real.others, counted, "each resource and seat counts once in the shared limit");
  if (counted <= real.size) model.lowered = false;
  if (!model.lowered) pool.invariants();
  equal(pool.quiet, leased.size + world.opens.length + pool.idleCount === 0);
  if (pool.paused) return;
  const idle = [...pool.resources()].slice(pool.leasedCount);
  for (const { outcome } of model.waiting) {
    ok(
      !idle.some((resource) => resource.fitness(outcome.wish) > 0),
      "nobody waits while an idle resource fits",
    );
  }
  inOrder(before);
}

/** Of two who wish the same, who came first is not served after the other. */
function inOrder(before: readonly Waiting[]): void {
  for (const later of before) {
    if (later.outcome.granted === null) continue;
    for (const earlier of before) {
      if (earlier.serial >= later.serial || earlier.outcome.calls > 0) continue;
      ok(
        earlier.outcome.wish.base !== later.outcome.wish.base,
        "those who wish the same are served in order",
      );
    }
  }
}

const pick = <T>(items: Iterable<T>, index: number): T | undefined => {
  const all = [...items];
  return all[index % all.length];
};

const KINDS = ["ax", "ay", "bx", "by"];

const steps = [
  fc.tuple(fc.constantFrom(...KINDS), fc.constantFrom(50, 5000, Infinity)).map(([kind, forMs]) =>
    new Step(`wait ${kind} ${forMs}`, (model, real) => {
      const serial = real.serial++;
      model.waiting.push({ outcome: real.world.wait(`w${serial}`, kind, forMs), serial });
    })
  ),
  fc.constantFrom(...KINDS).map((kind) =>
    new Step(`tryAcquire ${kind}`, (model, real) => {
      const wish = { name: "", base: kind[0]!, state: kind[1]! };
      const resource = real.world.pool.tryAcquire(wish);
      if (resource === null) return;
      equal(model.waiting.length + real.world.pool.waitingCount, 0, "nobody is overtaken");
      ok(!real.leased.has(resource));
      real.leased.add(resource);
    })
  ),
  fc.nat(20).map((index) =>
    new Step(`forget ${index}`, (model) => {
      const waiting = pick(model.waiting, index);
      if (waiting === undefined) return;
      ok(waiting.outcome.forget());
      model.waiting = model.waiting.filter((other) => other !== waiting);
    })
  ),
  fc.constantFrom(50, 5000, Infinity).map((forMs) =>
    new Step(`sit ${forMs}`, (_model, { world, guests }) => void guests.add(world.sit(forMs)))
  ),
  fc.nat(20).map((index) =>
    new Step(`leave ${index}`, (_model, { world, guests }) => {
      const guest = pick(guests, index);
      if (guest === undefined) return;
      guests.delete(guest);
      if (guest.waits) ok(world.pool.forget(guest));
      else guest.leave!();
    })
  ),
  fc.tuple(fc.nat(20), fc.constantFrom("clean" as const, "clean" as const, "broken" as const)).map((
    [index, end],
  ) =>
    new Step(`release ${index} ${end}`, (_model, real) => {
      const resource = pick(real.leased, index);
      if (resource === undefined) return;
      real.leased.delete(resource);
      real.world.release(resource, end);
    })
  ),
  fc.nat(20).map((index) =>
    new Step(`opened ${index}`, (_model, real) => {
      if (real.world.opens.length > 0) real.world.open(index % real.world.opens.length);
    })
  ),
  fc.tuple(fc.nat(20), fc.boolean()).map(([index, final]) =>
    new Step(`openFailed ${index} ${final ? "final" : ""}`, (_model, real) => {
      const { world } = real;
      if (world.opens.length > 0) world.fail({ index: index % world.opens.length, final });
    })
  ),
  fc.nat(20).map((index) =>
    new Step(`lost ${index}`, (_model, { world }) => {
      const idle = [...world.pool.resources()].slice(world.pool.leasedCount);
      const resource = pick(idle, index);
      if (resource === undefined) return;
      resource.alive = false;
      world.pool.lost(resource, unreachable, world.nowMs);
    })
  ),
  fc.constantFrom(0, 10, 100, 1000, 10_000).map((ms) =>
    new Step(`tick ${ms}`, (_model, { world }) => world.tick(ms))
  ),
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(2), fc.constantFrom(0, 1, 2)).map((
    [size, reserveSize, sizeMin],
  ) =>
    new Step(`configure ${size}+${reserveSize}, at least ${sizeMin}`, (model, real) => {
      model.lowered = true;
      real.size = size + reserveSize;
      const limits = { ...LIMITS, size, reserveSize, sizeMin: Math.min(size, sizeMin) };
      real.world.pool.configure(limits, real.world.nowMs);
    })
  ),
  fc.boolean().map((paused) =>
    new Step(paused ? "pause" : "resume", (_model, { world }) => world.pool.setPaused(paused, world.nowMs))
  ),
  fc.constant(
    new Step("recycle", (_model, real) => {
      const { world, leased } = real;
      const before = [...world.pool.resources()];
      const opening = world.opens.length;
      world.pool.recycle(world.nowMs);
      for (const resource of before) {
        ok(leased.has(resource) ? world.pool.mustEnd(resource) : !resource.alive, "what was there ends");
      }
      equal(world.pool.staleCount, leased.size + opening, "what cannot end at once is counted");
    }),
  ),
  fc.constantFrom("take", "give").map((what) =>
    new Step(`another pool: ${what}`, (_model, real) => {
      if (what === "take" && !real.shared.exhausted) real.others++, real.shared.take();
      if (what === "give" && real.others > 0) real.others--, real.shared.give();
    })
  ),
  fc.constant(new Step("evictIdle", (_model, { world }) => void world.pool.evictIdle())),
];

const LIMITS = limitsOf({
  size: 3,
  reserveSize: 1,
  reserveTimeoutMs: 1000,
  idleTimeoutMs: 5000,
  lifetimeMs: 20_000,
  openingMax: 2,
});

/** From here on everything goes well: who still waits must be served, or refused as time is up. */
function endWell(model: Model, real: Real): void {
  const { world } = real;
  while (real.others > 0) real.others--, real.shared.give();
  world.pool.setPaused(false, world.nowMs);
  settle(model, real);
  for (let round = 0; round < 200 && model.waiting.length + real.guests.size > 0; round++) {
    for (const guest of real.guests) {
      if (guest.waits) continue;
      real.guests.delete(guest);
      guest.leave!();
      settle(model, real);
    }
    if (world.opens.length > 0) world.open();
    settle(model, real);
    for (const resource of [...real.leased]) {
      real.leased.delete(resource);
      world.release(resource);
      settle(model, real);
    }
    world.tick(100);
    settle(model, real);
  }
  equal(model.waiting.length + real.guests.size, 0, "nobody waits forever");
}

Deno.test("Pool keeps its invariants, its order and its limits, and serves everybody, whatever happens", () => {
  fc.assert(
    fc.property(
      fc.commands(steps, { maxCommands: 120, size: "max" }),
      fc.integer(),
      fc.constantFrom(0, 2, 4),
      (
        commands,
        seed,
        max,
      ) => {
        const shared = new SharedLimit(max);
        const world = new FakeWorld(LIMITS, [shared], seed);
        const real: Real = {
          world,
          leased: new Set(),
          guests: new Set(),
          shared,
          others: 0,
          size: 4,
          serial: 0,
        };
        const model: Model = { waiting: [], lowered: false };
        fc.modelRun(() => ({ model, real }), commands);
        endWell(model, real);
        world.pool.setPaused(true, world.nowMs);
        for (const resource of real.leased) world.release(resource);
        while (world.opens.length > 0) world.open();
        ok(world.pool.quiet && world.pool.staleCount === 0, "a pause ends with nothing left");
        world.pool.close(new PgplexError("shutting_down", "stop"));
        while (world.opens.length > 0) world.open();
        equal(world.pool.total, 0);
        equal(shared.used, 0, "the shared limit balances");
      },
    ),
    { numRuns: 500 },
  );
});
