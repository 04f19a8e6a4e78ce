import { LARGE_BUFFER_BYTES } from "../../transport/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** SHOW MEM: how many objects are kept, in bytes where their size is known; the runtime's own memory last. */
export function showMem({ worker, clients }: ConsoleParts): Table {
  const { sessions, pools, runtime: { buffers, statements } } = worker;
  let servers = 0;
  let fingerprints = 0;
  for (const { pool } of pools.all()) servers += pool.idleCount + pool.leasedCount;
  for (const { fingerprints: { size } } of pools.fingerprints()) fingerprints += size;
  const row = (name: string, size: number, used: number, free = 0): Cell[] => [
    name,
    size,
    used,
    free,
    size * (used + free),
  ];
  const { rss, heapTotal, heapUsed } = Deno.memoryUsage();
  return {
    columns: columns("name text, size int4, used int4, free int4, memtotal int8"),
    rows: [
      row("session", 0, sessions.size),
      row("console_client", 0, clients.size),
      row("server", 0, servers),
      row("buffer", LARGE_BUFFER_BYTES, buffers.lent, buffers.free),
      row("prepared_statement", 0, statements.size),
      row("fingerprint", 0, fingerprints),
      ["heap", 1, heapUsed, heapTotal - heapUsed, heapTotal],
      ["process", 1, rss, 0, rss],
    ],
  };
}
