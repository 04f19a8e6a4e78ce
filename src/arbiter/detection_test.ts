import { equal, match } from "node:assert/strict";
import { deathOf } from "./detection.ts";
import { inspected, primarySays, record, verbs, workWith } from "./scene_test.ts";
import type { Inspected } from "./views.ts";

/** A standby that was asked just now, and receives nothing, or what `receiver` says. */
function standby(receiver: Partial<NonNullable<Inspected["receiver"]>> | null = null): Inspected {
  const whole = inspected({ askedMs: 9_900 });
  return { ...whole, receiver: receiver === null ? null : { ...whole.receiver!, ...receiver } };
}

Deno.test("deathOf leaves a primary alone that is up, suspect, starting, or refuses a login (53300)", () => {
  for (const health of ["up", "suspect", "unknown", "foreign"] as const) {
    const work = workWith({ n1: health, n2: standby(), n3: standby() });
    equal(deathOf(work, record()).kind, "lives", health);
  }
  const work = workWith({ n1: "starting", n2: standby(), n3: standby() });
  equal(deathOf(work, record()).kind, "open");
  work.now = { nowMs: 40_000, wallMs: 0 };
  equal(deathOf(work, record()).kind, "dead");
});

Deno.test("deathOf hears every standby that answers, and looks through each", () => {
  const work = workWith({ n1: "down", n2: standby(), n3: standby() });
  equal(deathOf(work, record()).kind, "open");
  const looks = work.takeActions();
  equal(verbs(looks).join(", "), "witness n2, witness n3");
  for (const action of looks) {
    if (action.kind === "verb") work.calls.ended(action.id, { ok: true, sees: "down" }, 10_000);
  }
  equal(deathOf(work, record()).kind, "dead");
  work.calls.forget("n3", "witness");
  deathOf(work, record());
  const [again] = work.takeActions();
  if (again?.kind === "verb") work.calls.ended(again.id, { ok: true, sees: "up" }, 10_000);
  const death = deathOf(work, record());
  match(death.kind === "open" ? death.why : "", /n3 sees n1/);
});

Deno.test("deathOf has standbys look for a primary that is suspect, so that it knows when the time is over", () => {
  const work = workWith({ n1: "suspect", n2: standby(), n3: primarySays({ askedMs: 9_900 }) });
  equal(deathOf(work, record()).kind, "lives");
  const [look, ...more] = work.takeActions();
  equal(verbs([look!, ...more]).join(), "witness n2");
  if (look?.kind === "verb") work.calls.ended(look.id, { ok: true, sees: "down" }, 10_000);
  const n1 = work.nodes.get("n1")!;
  n1.view = { ...n1.view!, health: "down" };
  work.nodes.delete("n3");
  equal(deathOf(work, record()).kind, "dead");
  // One that is found to live is looked for anew the next time.
  n1.view = { ...n1.view, health: "unknown" };
  equal(deathOf(work, record()).kind, "lives");
  n1.view = { ...n1.view, health: "down" };
  equal(deathOf(work, record()).kind, "open");
});

Deno.test("deathOf believes a standby that still hears from the primary, and waits for one that is unheard", () => {
  const why = (n2: Inspected, n3: Inspected) => {
    const death = deathOf(workWith({ n1: "down", n2, n3 }), record());
    return death.kind === "open" ? death.why : death.kind;
  };
  match(why(standby(), standby({ heardAgeMs: 2_900 })), /n3 still hears from it/);
  match(why(standby(), standby({ heardAgeMs: 2_900, fromHost: "192.168.0.9" })), /n3 still hears from it/);
  match(why(standby(), standby({ heardAgeMs: 100, fromHost: "10.0.0.2" })), /look for n1/);
  match(why(standby(), inspected({ askedMs: 4_000 })), /n3 has not answered/);
});

Deno.test("deathOf without the right to run programs waits until no receiver is left", () => {
  for (const [receiver, kind] of [[null, "dead"], [{ heardAgeMs: 30_000 }, "open"]] as const) {
    const work = workWith({ n1: "down", n2: standby(receiver), n3: "down" });
    deathOf(work, record());
    for (const action of work.takeActions()) {
      if (action.kind !== "verb") continue;
      work.calls.ended(action.id, { ok: false, kind: "not possible", reason: "" }, 10_000);
    }
    equal(deathOf(work, record()).kind, kind);
  }
});

Deno.test("deathOf with no standby to ask is open", () => {
  equal(deathOf(workWith({ n1: "down", n2: "down", n3: "down" }), record()).kind, "open");
});

Deno.test("deathOf gives up a primary that has been a standby for failure_timeout", () => {
  const work = workWith({ n1: inspected(), n2: standby(), n3: standby() });
  equal(deathOf(work, record()).kind, "open");
  work.now = { nowMs: 13_000, wallMs: 0 };
  equal(deathOf(work, record()).kind, "dead");
});

Deno.test("deathOf wants more than half of the instances to find the primary down", () => {
  const why = (healths: readonly string[], ids = [1, 2, 3]) => {
    const work = workWith({ n1: "down", n2: standby(), n3: standby() });
    work.instances = ids;
    work.views = healths.map((health, at) => ({
      instance: at + 2,
      healths: new Map([["n1", health]]),
      seen: null,
    }));
    const death = deathOf(work, record());
    return death.kind === "open" ? death.why : death.kind;
  };
  match(why(["up", "up"]), /n1 is down for 1 of 3 instances only/);
  match(why(["suspect"]), /1 of 3/);
  match(why(["down", "up"]), /look for n1/);
  match(why(["up"], [1, 2]), /1 of 2/);
  match(why(["down", "up"], [1, 3]), /1 of 2/);
  match(why([], [1]), /look for n1/);
});

Deno.test("deathOf goes by no look of long ago, where the other instances have agreed only now", () => {
  const work = workWith({ n1: "down", n2: standby(), n3: standby() });
  deathOf(work, record());
  for (const action of work.takeActions()) {
    if (action.kind === "verb") work.calls.ended(action.id, { ok: true, sees: "down" }, 10_000);
  }
  equal(deathOf(work, record()).kind, "dead");
  work.now = { nowMs: 16_000, wallMs: 0 };
  work.takeActions();
  equal(deathOf(work, record()).kind, "open");
  equal(verbs(work.takeActions()).join(", "), "witness n2, witness n3");
});
