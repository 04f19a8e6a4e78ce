import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { PgplexError, VirtualClock } from "../kernel/mod.ts";
import type { Waiter } from "../pool/mod.ts";
import { acquire } from "./acquire.ts";
import type { Destination } from "./destination.ts";
import type { PooledServer } from "./server_pool.ts";
import { NO_PARAMS, type ServerWish } from "./server_wish.ts";

const WISH: ServerWish = { base: NO_PARAMS, settings: null, tenant: 0, sqlStatements: new Map() };
const SERVER = {} as PooledServer;

/** A destination that has this idle, and keeps whoever waits. */
function destinationWith(idle: PooledServer | null, queryWaitTimeoutMs: number) {
  const waiting: { waiter: Waiter<ServerWish, PooledServer>; nowMs: number; untilMs: number }[] = [];
  const destination = {
    settings: { query_wait_timeout: queryWaitTimeoutMs },
    tryAcquire: (wish: ServerWish) => wish === WISH ? idle : null,
    wait: (waiter: Waiter<ServerWish, PooledServer>, nowMs: number, untilMs: number) =>
      void waiting.push({ waiter, nowMs, untilMs }),
  } as unknown as Destination;
  return { destination, waiting };
}

Deno.test("acquire takes what is idle, and queues nobody", async () => {
  const { destination, waiting } = destinationWith(SERVER, 100);
  equal(await acquire(destination, WISH, new VirtualClock()), SERVER);
  deepEqual(waiting, []);
});

Deno.test("acquire waits within query_wait_timeout, or for ever where that is 0", async () => {
  for (const [limitMs, untilMs] of [[100, 107], [0, Infinity]] as const) {
    const { destination, waiting } = destinationWith(null, limitMs);
    const clock = new VirtualClock();
    clock.advance(7);
    const acquired = acquire(destination, WISH, clock);
    const [{ waiter, ...times }] = waiting as [typeof waiting[0]];
    deepEqual([waiter.wish, times], [WISH, { nowMs: 7, untilMs }]);
    waiter.granted(SERVER);
    equal(await acquired, SERVER);
  }
});

Deno.test("acquire rejects with why it was refused", async () => {
  const { destination, waiting } = destinationWith(null, 100);
  const acquired = acquire(destination, WISH, new VirtualClock());
  waiting[0]!.waiter.refused(new PgplexError("server_unreachable", "no route"));
  await rejects(acquired, { code: "server_unreachable", message: "no route" });
});
