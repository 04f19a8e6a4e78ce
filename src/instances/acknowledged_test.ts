import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Acknowledged } from "./acknowledged.ts";
import type { Member } from "./roll.ts";

const member = (id: number, incarnation: string) => ({ id, incarnation }) as Member;

const said = (incarnation: string, epoch: number, more: object = { startedAtMs: 5 }) =>
  JSON.stringify({ incarnation, epoch, isDrained: true, ...more });

Deno.test("an acknowledgement is told once, and only of the present life of an instance", () => {
  const acks = new Acknowledged();
  const members = [member(1, "a"), member(2, "b")];
  deepEqual(acks.take(2, said("b", 5), members), {
    instance: 2,
    epoch: 5,
    startedAtMs: 5,
    isDrained: true,
    seen: null,
  });
  deepEqual(acks.take(2, said("b", 5), members), null);
  deepEqual(acks.take(2, said("old", 9), members), null);
  deepEqual(acks.take(3, said("c", 5), members), null);
  deepEqual(acks.take(1, "{", members), null);
  // An earlier version does not say of which move.
  deepEqual(acks.take(2, said("b", 6, {}), members)?.startedAtMs, null);
});

Deno.test("what an instance has acknowledged in an earlier life is taken back when it lives anew", () => {
  const acks = new Acknowledged();
  acks.take(2, said("b", 5), [member(2, "b")]);
  deepEqual(acks.renounce([member(1, "a"), member(2, "b")]), []);
  deepEqual(acks.renounce([]), []);
  deepEqual(acks.renounce([member(2, "b2")]), [{
    instance: 2,
    epoch: 0,
    startedAtMs: 0,
    isDrained: false,
    seen: null,
  }]);
  deepEqual(acks.renounce([member(2, "b2")]), []);
  deepEqual(acks.take(2, said("b2", 1), [member(2, "b2")])?.epoch, 1);
});
