import type { LoginParts } from "../login/mod.ts";
import { encodeCancel } from "../protocol/mod.ts";
import { type Endpoint, writeAll } from "../transport/mod.ts";

/** How long a connection to this very machine may take. */
const PROBE_MS = 1_000;

/** An address at which what listens on `address` is reached from here. */
export function reached(address: string): string {
  return address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
}

/**
 * Whether a new connection to `endpoint` comes to this process or to another one: a cancel request with a key of this process finds
 * out. Null where nobody answers in time.
 */
export async function reachesUs(
  { runtime: { network, clock }, cancelKeys }: LoginParts,
  endpoint: Endpoint,
): Promise<boolean | null> {
  let came = false;
  const us = {
    cancel: () => {
      came = true;
      return Promise.resolve();
    },
  };
  const { pid, secret } = cancelKeys.issue(us, 0);
  try {
    const stream = await network.connect(endpoint, clock, PROBE_MS);
    const timer = clock.after(PROBE_MS, () => stream.close());
    try {
      await writeAll(stream, encodeCancel(pid, secret));
      // Whoever has it closes the connection when the request is done with.
      while (await stream.read(new Uint8Array(64)) > 0);
      return came;
    } finally {
      timer.cancel();
      stream.close();
    }
  } catch {
    return null;
  } finally {
    cancelKeys.revoke(us, { pid, secret });
  }
}
