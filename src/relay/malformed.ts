import { PgplexError } from "../kernel/mod.ts";

/** PostgreSQL says nothing to a client that sends an impossible length: it logs, and closes (pq_getmessage). */
export class InvalidMessageLength extends PgplexError {
  constructor() {
    super("protocol_violation", "invalid message length");
  }
}

/** A message of no known type. */
export function invalidType(type: number): PgplexError {
  return new PgplexError("protocol_violation", `invalid frontend message type ${type}`);
}
