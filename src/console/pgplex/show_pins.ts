import { utf8FromBinary } from "../../protocol/mod.ts";
import { type Cell, columns, type Table, timestamp } from "../answer/mod.ts";
import { type ConsoleParts, databaseOf } from "../parts/mod.ts";

/**
 * SHOW PINS: the sessions that keep their server connection between transactions, why, since when, and the statement that did
 * it, without its literals.
 */
export function showPins(parts: ConsoleParts): Table {
  const { runtime: { clock }, sessions } = parts.worker;
  const rows: Cell[][] = [];
  for (const session of sessions) {
    if (session.pins.length === 0) continue;
    const { view } = session;
    const { pinned, pins, facts } = view;
    if (pinned === null) continue;
    rows.push([
      facts.id,
      facts.user,
      databaseOf(parts, view),
      pins.join(", "),
      timestamp(clock, pinned.sinceMs),
      pinned.statement === null ? null : utf8FromBinary(pinned.statement),
    ]);
  }
  rows.sort(([a], [b]) => Number(a) - Number(b));
  return {
    columns: columns("session int4, user text, database text, reason text, since text, statement text"),
    rows,
  };
}
