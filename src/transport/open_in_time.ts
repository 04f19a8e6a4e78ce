import { type Clock, PgplexError } from "../kernel/mod.ts";
import type { Endpoint } from "./network.ts";
import type { ByteStream } from "./stream.ts";

/**
 * Waits for the connection to `endpoint` that `open` makes. Its signal says when nobody waits any more: what was begun is
 * then given up, and a connection that opens all the same is closed.
 *
 * @throws PgplexError `server_unreachable`, also after `timeoutMs`; the address stands in the log text only.
 */
export async function openInTime(
  open: (signal: AbortSignal) => Promise<ByteStream>,
  endpoint: Endpoint,
  clock: Clock,
  timeoutMs: number,
): Promise<ByteStream> {
  const failure = (cause: unknown) =>
    new PgplexError("server_unreachable", "the server cannot be reached", {
      log: `${endpoint.host}:${endpoint.port}: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    });
  const late = new AbortController();
  const timedOut = Promise.withResolvers<never>();
  const timer = clock.after(timeoutMs, () => {
    timedOut.reject(failure(new Error(`no answer within ${timeoutMs} ms`)));
    late.abort();
  });
  try {
    const opening = open(late.signal);
    opening.then((stream) => late.signal.aborted && stream.close(), () => {});
    return await Promise.race([opening, timedOut.promise]);
  } catch (error) {
    throw error instanceof PgplexError ? error : failure(error);
  } finally {
    timer.cancel();
  }
}
