import { runInternal, type ServerConnection, syncInternal } from "../backend/mod.ts";
import { type BinaryString, quoteChannel } from "../protocol/mod.ts";
import type { ByteSink } from "../transport/mod.ts";

/** What is lent, and where in the client's messages. */
export interface Lending {
  readonly channels: Iterable<BinaryString>;
  readonly marker: BinaryString;
  readonly serial: number;
  /** The server is idle and owes nothing, and no message of a batch was sent. */
  readonly clean: boolean;
  /** A simple query stands next. */
  readonly simple: boolean;
}

/**
 * Makes the server listen to a session's channels before the client's next message, and notify the marker: in a
 * transaction of its own where the server is idle; else in whatever transaction the client has open, with which it is
 * committed or rolled back.
 */
export function lendChannels(
  server: ServerConnection,
  { channels, marker, serial, clean, simple }: Lending,
): void {
  for (const channel of channels) runInternal(server, `LISTEN ${quoteChannel(channel)}`);
  runInternal(server, `LISTEN ${quoteChannel(marker)}`);
  runInternal(server, `NOTIFY ${quoteChannel(marker)}, '${serial}'`);
  // A failure must not make the server skip a simple query behind it.
  if (clean || simple) syncInternal(server);
  if (!clean) return;
  // The marker has come with the end of its transaction, and pg_listening_channels() is to show the session's own.
  runInternal(server, `UNLISTEN ${quoteChannel(marker)}`);
  syncInternal(server);
}

/** Makes the server listen to the marker, which the client's UNLISTEN in the same transaction may have ended. */
export function lendMarker(server: ServerConnection, marker: BinaryString, simple: boolean): void {
  runInternal(server, `LISTEN ${quoteChannel(marker)}`);
  if (simple) syncInternal(server);
}

/** Bytes for a client that have to wait for others. */
export class HeldBytes implements ByteSink {
  #chunks: Uint8Array[] = [];

  forward(bytes: Uint8Array, start: number, end: number): void {
    if (start < end) this.#chunks.push(bytes.slice(start, end));
  }

  copy(bytes: Uint8Array, start: number, end: number): void {
    this.forward(bytes, start, end);
  }

  put(bytes: Uint8Array): void {
    this.#chunks.push(bytes.slice());
  }

  /** Hands everything on. */
  release(to: ByteSink): void {
    for (const chunk of this.#chunks.splice(0)) to.put(chunk);
  }
}
