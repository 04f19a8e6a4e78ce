/** Milliseconds since 1970 as the console writes a time: `2026-07-01 12:00:00 UTC`, as PgBouncer does. */
export function timestamp(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
