import {
  deepStrictEqual as deepEqual,
  notDeepStrictEqual as notDeepEqual,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import fc from "fast-check";
import { AssertionFailure, SeededRandom } from "../kernel/mod.ts";
import { type CancelKey, CancelKeys, type Cancellable, instanceOfPid } from "./cancel_keys.ts";

const session = (): Cancellable => ({ cancel: () => Promise.resolve() });
const keysOf = (seed = 1) => new CancelKeys(0x1234, 5, new SeededRandom(seed));

Deno.test("CancelKeys gives process ids above those of an operating system, with the instance in them", () => {
  const keys = keysOf();
  const first = 2 ** 30 + 0x1234 * 2 ** 15 + 0x5000;
  deepEqual([0, 1, 2].map(() => keys.issue(session(), 0).pid), [first, first + 1, first + 2]);
  equal(new CancelKeys(0x7fff, 0, new SeededRandom(1)).issue(session(), 0).pid, 0x7fff8000);
});

Deno.test("instanceOfPid names the instance of a process id, and none for one of a server process", () => {
  const { pid } = keysOf().issue(session(), 0);
  deepEqual([instanceOfPid(pid), instanceOfPid(4_194_303), instanceOfPid(0)], [0x1234, null, null]);
});

Deno.test("CancelKeys gives a session the process id of its own server process, where it has one", () => {
  const keys = keysOf();
  const mine = session();
  const { pid, secret } = keys.issue(mine, 0, 4711);
  deepEqual([pid, keys.find(4711, secret)], [4711, mine]);
});

Deno.test("CancelKeys refuses an instance whose process ids would be negative or zero", () => {
  for (const instance of [0, -1, 0x8000]) {
    throws(() => new CancelKeys(instance, 0, new SeededRandom(1)), AssertionFailure);
  }
});

Deno.test("CancelKeys gives four random bytes to protocol 3.0 and thirty-two to 3.2", () => {
  const keys = keysOf();
  equal(keys.issue(session(), 0).secret.length, 4);
  equal(keys.issue(session(), 2).secret.length, 32);
  notDeepEqual(keys.issue(session(), 2).secret, keys.issue(session(), 2).secret);
});

Deno.test("CancelKeys.find knows a session by process id and secret together", () => {
  const keys = keysOf();
  const mine = session();
  const { pid, secret } = keys.issue(mine, 0);
  equal(keys.find(pid, secret), mine);
  equal(keys.find(pid + 1, secret), null);
  equal(keys.find(pid, secret.map((byte) => byte ^ 1)), null);
  equal(keys.find(pid, secret.subarray(0, 3)), null);
  equal(keys.find(pid, Uint8Array.of(...secret, 0)), null);
  equal(keys.find(pid, new Uint8Array(0)), null);
});

Deno.test("CancelKeys gives no process id twice while its session lives, and tells apart those that must share one", () => {
  const keys = keysOf();
  const issued = Array.from({ length: 0x8000 + 2 }, () => {
    const cancellable = session();
    return { cancellable, key: keys.issue(cancellable, 0) };
  });
  equal(new Set(issued.map(({ key }) => key.pid)).size, 0x8000);
  for (const { cancellable, key } of issued) equal(keys.find(key.pid, key.secret), cancellable);
  for (const index of [7, 9]) keys.revoke(issued[index]!.cancellable, issued[index]!.key);
  deepEqual([0, 1].map(() => keys.issue(session(), 0).pid), [7, 9].map((index) => issued[index]!.key.pid));
});

Deno.test("CancelKeys finds exactly the sessions that were not revoked", () => {
  fc.assert(fc.property(fc.integer(), fc.array(fc.tuple(fc.boolean(), fc.nat(40)), { size: "large" }), (
    seed,
    steps,
  ) => {
    const keys = keysOf(seed);
    const live: { cancellable: Cancellable; key: CancelKey }[] = [];
    const gone: CancelKey[] = [];
    for (const [issue, index] of steps) {
      if (issue) {
        const cancellable = session();
        live.push({ cancellable, key: keys.issue(cancellable, index % 3) });
      } else if (live.length > 0) {
        const [{ cancellable, key }] = live.splice(index % live.length, 1) as [typeof live[0]];
        keys.revoke(cancellable, key);
        keys.revoke(cancellable, key);
        gone.push(key);
      }
    }
    for (const { cancellable, key } of live) equal(keys.find(key.pid, key.secret), cancellable);
    for (const { pid, secret } of gone) equal(keys.find(pid, secret), null);
  }));
});
