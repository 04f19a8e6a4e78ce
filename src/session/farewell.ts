import { PgplexError } from "../kernel/mod.ts";
import { encodeError } from "../protocol/mod.ts";
import { isSocketError, type Outbox } from "../transport/mod.ts";
import { InvalidMessageLength, type ServerScan } from "../relay/mod.ts";
import type { SessionParts } from "./session_parts.ts";

/** The last that a client hears: why its connection ends. */
export class Farewell {
  readonly #parts: SessionParts;
  readonly #out: Outbox;
  readonly #serverScan: ServerScan;
  /** The server's own FATAL has been handed to the client: another would contradict it. */
  #said = false;
  /** Why the session ended; null: the client left. */
  reason: PgplexError | null = null;

  constructor(parts: SessionParts, out: Outbox, serverScan: ServerScan) {
    this.#parts = parts;
    this.#out = out;
    this.#serverScan = serverScan;
  }

  /** The server said it. */
  serverSaid(): void {
    this.#said = true;
  }

  /** Says it, unless the server did. In the middle of a row it would be taken for the row. Nothing can be put behind it. */
  say(error: PgplexError): void {
    this.reason ??= error;
    if (!this.#said && !this.#serverScan.midMessage) this.#out.put(encodeError("FATAL", error));
    this.#out.end();
  }

  /** Says what broke the session, where that is for the client to know. Does not wait for a client that does not read. */
  async fail(thrown: unknown, session: number): Promise<void> {
    const { counters, log } = this.#parts;
    if (thrown instanceof InvalidMessageLength) {
      counters.protocolViolations++;
    } else if (thrown instanceof PgplexError) {
      if (thrown.code === "protocol_violation") counters.protocolViolations++;
      this.say(thrown);
    } else {
      // A socket's own error means that the client is gone; anything else is a defect, and must be seen.
      if (isSocketError(thrown)) return;
      log.error("internal error", { session, error: describe(thrown) });
      this.say(new PgplexError("internal", "internal error"));
    }
    await this.written();
  }

  /** What was put is with the kernel, or the client does not read. */
  async written(): Promise<void> {
    await Promise.race([this.#out.flush() ?? Promise.resolve(), this.#parts.runtime.turn()]);
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.message}\n${thrown.stack}` : String(thrown);
}
