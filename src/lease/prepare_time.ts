import type { ServerConnection } from "../backend/mod.ts";
import type { Clock } from "../kernel/mod.ts";

/** A reset, a restore or a look that takes longer ends the server connection instead, in milliseconds. */
export const PREPARE_TIMEOUT_MS = 10_000;

/** What `work` on the connection comes to, which is closed where that takes too long: then the work fails by itself. */
export async function withinTimeout<T>(
  clock: Clock,
  connection: Pick<ServerConnection, "close">,
  work: Promise<T>,
): Promise<T> {
  const timer = clock.after(PREPARE_TIMEOUT_MS, () => connection.close());
  try {
    return await work;
  } finally {
    timer.cancel();
  }
}
