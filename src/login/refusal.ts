import { PgplexError, toPgplexError } from "../kernel/mod.ts";
import { encodeError, encodeOldError, OldProtocol } from "../protocol/mod.ts";
import { type ByteStream, FrameLengthError, type PeerAddress, writeAll } from "../transport/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** Says FATAL, where PostgreSQL would say something; a null stream is not to be spoken to. */
export async function refuse(
  worker: LoginParts,
  stream: ByteStream | null,
  thrown: unknown,
  peer: PeerAddress,
): Promise<void> {
  if (thrown instanceof FrameLengthError || !(thrown instanceof PgplexError)) {
    worker.log.debug("connection ended during login", {
      peer: peer.host,
      error: toPgplexError(thrown).extra.log,
    });
    return;
  }
  if (worker.config.log.pooler_errors) {
    worker.log.info("login refused", { peer: peer.host, error: thrown.message, reason: thrown.extra.log });
  }
  if (stream === null) return;
  try {
    await writeAll(
      stream,
      thrown instanceof OldProtocol ? encodeOldError(thrown) : encodeError("FATAL", thrown),
    );
  } catch {
    // The client did not wait to hear why.
  }
}
