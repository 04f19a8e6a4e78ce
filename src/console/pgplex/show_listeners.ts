import { type Cell, columns, type Table, timestamp } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** How many channels are shown. */
const CHANNELS_MAX = 10_000;

/**
 * SHOW LISTENERS: the channels that sessions in transaction pooling listen to, and the connection that does it for them; `pid`
 * is its backend's, null while it is not connected.
 */
export function showListeners({ worker: { listeners, runtime: { clock } } }: ConsoleParts): Table {
  const rows: Cell[][] = [];
  for (const { channels, cluster, node, database, user, encoding, state, pid, sinceMs } of listeners.all()) {
    const since = timestamp(clock, sinceMs);
    for (const { channel, sessions } of channels) {
      if (rows.length >= CHANNELS_MAX) break;
      rows.push([channel, cluster, database, user, sessions, node, encoding, state, pid, since]);
    }
  }
  rows.sort((a, b) => `${a.slice(0, 4)}` < `${b.slice(0, 4)}` ? -1 : 1);
  return {
    columns: columns(
      "channel text, cluster text, database text, user text, sessions int4, node text, encoding text, state text, pid int4, since text",
    ),
    rows,
  };
}
