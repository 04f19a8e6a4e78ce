import type { Clock } from "../kernel/mod.ts";
import { encodeCancel } from "../protocol/mod.ts";
import { type Network, writeAll } from "../transport/mod.ts";
import type { ServerIdentity } from "./connection.ts";

/**
 * Asks a server to cancel what runs on the connection `identity`, and waits until it has: the server closes the request's
 * connection after it sent the signal (ProcessCancelRequestPacket), and a signal that finds its backend idle is dropped.
 *
 * Resolves in any case, after `timeoutMs` at the latest: whoever asks for a cancel is never told how it went.
 */
export async function cancelOn(
  identity: ServerIdentity,
  network: Network,
  clock: Clock,
  timeoutMs: number,
): Promise<void> {
  if (identity.key === null) return;
  let timer = null;
  try {
    // Without TLS, as libpq's PQcancel does: the key is worth nothing once the statement is over.
    const stream = await network.connect(identity.endpoint, clock, timeoutMs);
    timer = clock.after(timeoutMs, () => stream.close());
    try {
      await writeAll(stream, encodeCancel(identity.key.pid, identity.key.secret));
      while (await stream.read(new Uint8Array(64)) > 0);
    } finally {
      stream.close();
    }
  } catch {
    // The server is gone, or the connection was closed by the timer.
  } finally {
    timer?.cancel();
  }
}
