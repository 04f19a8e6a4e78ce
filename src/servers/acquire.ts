import type { Clock } from "../kernel/mod.ts";
import type { PooledServer, ServerPool, ServerWish } from "./server_pool.ts";

/** A server connection for pgplex's own use: at once, or in the pool's queue within `query_wait_timeout`. */
export function acquire(
  { pool, settings }: ServerPool,
  wish: ServerWish,
  clock: Clock,
): Promise<PooledServer> {
  const idle = pool.tryAcquire(wish);
  if (idle !== null) return Promise.resolve(idle);
  return new Promise((granted, refused) => {
    const nowMs = clock.nowMs();
    pool.wait({ wish, granted, refused }, nowMs, nowMs + (settings.query_wait_timeout || Infinity));
  });
}
