/** PostgreSQL cuts names, and compares those of prepared statements, after this many bytes: NAMEDATALEN - 1 (pg_config_manual.h). */
export const NAME_BYTES_MAX = 63;

/** The parts one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
