import type { Clock } from "../kernel/mod.ts";
import type { Destination } from "./destination.ts";
import type { PooledServer } from "./server_pool.ts";
import type { ServerWish } from "./server_wish.ts";

/** A server connection for pgplex's own use: at once, or in the queue within `query_wait_timeout`. */
export function acquire(destination: Destination, wish: ServerWish, clock: Clock): Promise<PooledServer> {
  const idle = destination.tryAcquire(wish);
  if (idle !== null) return Promise.resolve(idle);
  return new Promise((granted, refused) => {
    const nowMs = clock.nowMs();
    const untilMs = nowMs + (destination.settings.query_wait_timeout || Infinity);
    destination.wait({ wish, granted, refused }, nowMs, untilMs);
  });
}
