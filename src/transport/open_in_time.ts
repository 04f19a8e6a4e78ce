import { type Clock, PgplexError } from "../kernel/mod.ts";
import type { Endpoint } from "./network.ts";
import type { ByteStream } from "./stream.ts";

/**
 * Waits for a connection to `endpoint` that is being opened.
 *
 * @throws PgplexError `server_unreachable`, also after `timeoutMs`; the address stands in the log text only. A connection
 *   that opens later is closed.
 */
export async function openInTime(
  opening: Promise<ByteStream>,
  endpoint: Endpoint,
  clock: Clock,
  timeoutMs: number,
): Promise<ByteStream> {
  const failure = (cause: unknown) =>
    new PgplexError("server_unreachable", "the server cannot be reached", {
      log: `${endpoint.host}:${endpoint.port}: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    });
  let late = false;
  const timedOut = Promise.withResolvers<never>();
  const timer = clock.after(timeoutMs, () => {
    late = true;
    timedOut.reject(failure(new Error(`no answer within ${timeoutMs} ms`)));
  });
  // A connection that opens after its time has no taker: it is closed here.
  opening.then((stream) => late && stream.close(), () => {});
  try {
    return await Promise.race([opening, timedOut.promise]);
  } catch (error) {
    throw error instanceof PgplexError ? error : failure(error);
  } finally {
    timer.cancel();
  }
}
