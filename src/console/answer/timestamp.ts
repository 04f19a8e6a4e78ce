import type { Clock } from "../../kernel/mod.ts";

/** A time in clock milliseconds as the console writes it: `2026-07-01 12:00:00 UTC`, as PgBouncer does. */
export function timestamp(clock: Clock, ms: number): string {
  return wallTimestamp(clock.wallMs() - clock.nowMs() + ms);
}

/** The same of a time in milliseconds of the wall clock. */
export function wallTimestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
