import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { CoordinationListener } from "../arbiter/mod.ts";
import { guarded } from "./guarded.ts";

Deno.test("what a listener throws is told, and none of its calls throws", async () => {
  const failed: unknown[] = [];
  const defect: unknown = new Error("a defect");
  const fail = (): never => {
    throw defect;
  };
  const heard: unknown[] = [];
  const listener: CoordinationListener = {
    standing: fail,
    record: (stored) => heard.push(stored.revision),
    lost: fail,
    storeBeganAnew: fail,
    misunderstood: fail,
    instances: (ids) => heard.push(ids),
    acknowledged: fail,
    views: fail,
    command: fail,
  };
  const guard = guarded(listener, (thrown) => failed.push(thrown));
  guard.standing();
  guard.record({ revision: 5, record: {} as never });
  guard.lost({ isOld: false });
  guard.instances([1, 2]);
  const answer = await guard.command({ kind: "rejoin", node: "n1" }, "op");
  deepEqual([heard, answer.ok], [[5, [1, 2]], false]);
  deepEqual(failed, [defect, defect, defect]);
  const other = guarded(
    { ...listener, command: () => Promise.reject(defect) },
    (thrown) => failed.push(thrown),
  );
  deepEqual([(await other.command({ kind: "rejoin", node: "n1" }, "op")).ok, failed.length], [false, 4]);
});
