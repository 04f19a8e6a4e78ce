import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { decodeStartup } from "../protocol/mod.ts";
import type { ByteStream, Endpoint } from "../transport/mod.ts";
import { CancelRelay } from "./cancel_relay.ts";

const SECRET = Uint8Array.of(1, 2, 3, 4);

/** The process id in a key of an instance. */
function pidOf(instance: number): number {
  return (1 << 30) | (instance << 15) | 7;
}

/** Instance 1 among others, and whom it has told what. */
function rig({ answers = true } = {}) {
  const clock = new VirtualClock();
  const told: unknown[] = [];
  let open = 0;
  const connect = (endpoint: Endpoint) => {
    open++;
    const closed = Promise.withResolvers<number>();
    const stream = {
      write: (from: Uint8Array) => {
        told.push([`${endpoint.host} ${endpoint.port}`, decodeStartup(from, 0, from.length)]);
        return Promise.resolve(from.length);
      },
      read: () => answers ? Promise.resolve(0) : closed.promise,
      close: () => {
        open--;
        closed.resolve(0);
      },
    };
    return Promise.resolve(stream as unknown as ByteStream);
  };
  const peers = [
    { id: 1, address: "10.0.0.1:6432" },
    { id: 2, address: "10.0.0.2:6432" },
    { id: 3, address: "[::3]:6432" },
    { id: 4, address: null },
  ];
  const relay = new CancelRelay({ instance: 1, clock, network: { connect }, peers: () => peers });
  return { relay, told, clock, open: () => open };
}

Deno.test("a cancel request goes to the instance that its key names, marked, and to no other", async () => {
  const { relay, told, open, clock } = rig();
  const cancel = { kind: "cancel", pid: pidOf(2), secret: SECRET, isPassedOn: true };
  await relay.pass(pidOf(2), SECRET);
  deepEqual(told, [["10.0.0.2 6432", cancel]]);
  for (const instance of [1, 4, 99]) await relay.pass(pidOf(instance), SECRET);
  deepEqual([told.length, open(), clock.pending], [1, 0, 0]);
});

Deno.test("a key of a server process may be any instance's, so all others are asked", async () => {
  const { relay, told } = rig();
  await relay.pass(4711, SECRET);
  deepEqual(told.map((one) => (one as string[])[0]), ["10.0.0.2 6432", "::3 6432"]);
});

Deno.test("an instance that does not answer holds a cancel request for a limited time", async () => {
  const { relay, clock, open } = rig({ answers: false });
  let isOver = false;
  const passed = relay.pass(pidOf(2), SECRET).then(() => isOver = true);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  deepEqual([isOver, open()], [false, 1]);
  clock.advance(5_000);
  await passed;
  deepEqual(open(), 0);
});

Deno.test("of a flood of cancel requests only so many are passed on at a time", async () => {
  const { relay, told, clock } = rig({ answers: false });
  const all = Array.from({ length: 100 }, () => relay.pass(pidOf(2), SECRET));
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  deepEqual(told.length, 64);
  clock.advance(5_000);
  await Promise.all(all);
});
