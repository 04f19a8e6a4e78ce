import type { Move, PastMove } from "../../arbiter/mod.ts";
import { type Cell, columns, type Table, wallTimestamp } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/**
 * SHOW FAILOVERS: the moves of each cluster's primary that its record remembers, the newest first, with one that is under way: who was the
 * primary and who is, each step with its time, by whom, why, and what may be lost.
 */
export function showFailovers({ moves }: Pick<ConsoleParts, "moves">): Table {
  const rows: Cell[][] = [];
  for (const cluster of moves.names()) {
    const record = moves.recordOf(cluster);
    if (record === null) continue;
    const { move, history, epoch } = record;
    if (move !== null) {
      rows.push(rowOf(cluster, { ...move, epoch, outcome: "under way", why: "", endedAtMs: null }));
    }
    for (const past of history.toReversed()) rows.push(rowOf(cluster, past));
  }
  return {
    columns: columns(
      "cluster text, epoch int8, kind text, from text, to text, outcome text, started text, took_ms int8, steps text, " +
        "lost_bytes int8, by text, reason text, evidence text",
    ),
    rows,
  };
}

type Shown = Move & Pick<PastMove, "epoch" | "why"> & {
  readonly outcome: PastMove["outcome"] | "under way";
  readonly endedAtMs: number | null;
};

function rowOf(cluster: string, move: Shown): Cell[] {
  const { epoch, kind, from, candidate, outcome, startedAtMs, endedAtMs, steps, lostBytes, by, reason, why } =
    move;
  const shown = steps.map(({ step, atMs }, index) => {
    const until = steps[index + 1]?.atMs ?? endedAtMs;
    return until === null ? step : `${step} ${until - atMs} ms`;
  });
  return [
    cluster,
    epoch,
    kind,
    from,
    candidate,
    outcome,
    wallTimestamp(startedAtMs),
    endedAtMs === null ? null : endedAtMs - startedAtMs,
    shown.join(", "),
    lostBytes === null ? null : Number(lostBytes),
    by,
    why === "" ? reason : `${reason}; ${why}`,
    move.evidence.join("; "),
  ];
}
