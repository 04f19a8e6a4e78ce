import assert from "node:assert/strict";
import { Seeded } from "../harness/seeded.ts";
import { type Actor, drawFaults, type Fault, leavesMajority, Remains, textOf } from "./faults.ts";

const ROLES = { primary: "node 0", leader: "instance 0" } as const;

function kill(actor: Actor): Fault {
  return { what: "kill", actor, others: [], how: "silent", afterMs: 0, lastsMs: 1000 };
}

function cut(actor: Actor, ...others: Actor[]): Fault {
  return { what: "cut", actor, others, how: "silent", afterMs: 0, lastsMs: 1000 };
}

Deno.test("a majority is left where most of each kind are up and hear each other", () => {
  assert.ok(leavesMajority([kill("node 0"), kill("instance 0")], ROLES));
  assert.ok(leavesMajority([kill("node 1"), kill("member 0")], ROLES));
  assert.ok(leavesMajority([cut("node 0", "node 1")], ROLES));
  assert.ok(!leavesMajority([kill("member 0"), cut("member 1", "member 0", "member 2")], ROLES));
  assert.ok(!leavesMajority([kill("node 1"), cut("node 0", "node 2")], ROLES));
  assert.ok(!leavesMajority([kill("instance 1"), kill("instance 2")], ROLES));
});

Deno.test("a primary that is cut off from its standbys alone leaves nothing to go on with", () => {
  assert.ok(!leavesMajority([cut("node 0", "node 1", "node 2")], ROLES));
  assert.ok(leavesMajority([cut("node 2", "node 0", "node 1")], ROLES));
});

Deno.test("an instance serves where it reaches the primary, and etcd's majority", () => {
  const remains = new Remains([cut("instance 1", "node 0"), cut("member 2", "member 0", "member 1")]);
  assert.deepEqual(
    (["instance 0", "instance 1"] as const).map((one) => remains.serves(one, "node 0")),
    [true, false],
  );
  assert.deepEqual(remains.together("member"), ["member 0", "member 1"]);
});

Deno.test("faults are drawn from a seed, and mostly leave a majority", () => {
  let left = 0;
  const texts = Array.from({ length: 200 }, (_, seed) => {
    const faults = drawFaults(new Seeded(seed), ROLES);
    if (leavesMajority(faults, ROLES)) left++;
    else assert.equal(faults.length, 3);
    return faults.map(textOf).join("; ");
  });
  assert.equal(texts[7], drawFaults(new Seeded(7), ROLES).map(textOf).join("; "));
  assert.ok(new Set(texts).size > 100);
  assert.ok(left > 160 && left < 200, String(left));
});
