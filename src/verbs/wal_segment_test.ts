import { deepEqual, equal } from "node:assert/strict";
import { forkOf, walFileName } from "./wal_segment.ts";

Deno.test("walFileName names segments as PostgreSQL does, whatever their size", () => {
  // pg_walfile_name of the position, at servers with --wal-segsize of 16, 1 and 1024.
  equal(walFileName(1, 0x1_a200_0028n >> 24n, 1n << 24n), "0000000100000001000000A2");
  equal(walFileName(2, 0x1_a210_0028n >> 20n, 1n << 20n), "000000020000000100000A21");
  equal(walFileName(0x1f, 0x1_c000_0028n >> 30n, 1n << 30n), "0000001F0000000100000003");
});

Deno.test("forkOf names the last timeline that begins in the segment of a fork, and says whether the first goes on behind it", () => {
  const begins = [[50n, 2], [120n, 3], [130n, 5], [200n, 6], [450n, 7]] as const;
  const of = (lsn: bigint) => {
    const { timeline, goesOn } = forkOf(lsn, begins.map(([at, timeline]) => ({ lsn: at, timeline })), 100n);
    return [timeline, goesOn];
  };
  deepEqual([50n, 120n, 130n, 200n, 450n].map(of), [[2, true], [5, false], [5, false], [6, true], [7, true]]);
});
