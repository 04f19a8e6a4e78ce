/**
 * PostgreSQL's wire format, protocol 3.0 and 3.2: framing, limits, dispatch tables, codecs of the messages that a pooler
 * must understand. Everything else it passes by length, unread.
 *
 * Pure: bytes and values only. It never awaits, and it throws nothing but `PgplexError`.
 * Source throughout: PostgreSQL's documentation, chapter "Frontend/Backend Protocol", and src/backend/tcop/postgres.c.
 *
 * @module
 */
export * from "./backend_writer.ts";
export * from "./bytes.ts";
export * from "./client_encoding.ts";
export * from "./client_peek.ts";
export * from "./dispatch.ts";
export * from "./do_traits.ts";
export * from "./encodings.ts";
export * from "./error_fields.ts";
export * from "./frontend_writer.ts";
export * from "./long_text.ts";
export * from "./notification.ts";
export * from "./reading_words.ts";
export * from "./routine_traits.ts";
export { HARMLESS_VOLATILE, SESSION_FUNCTIONS } from "./server_functions.ts";
export { isTakenForHarmless } from "./sql_calls.ts";
export * from "./setting_names.ts";
export * from "./sql_fingerprint.ts";
export * from "./sql_head.ts";
export * from "./sql_intent.ts";
export * from "./sql_literal.ts";
export type { SqlReach } from "./sql_reach.ts";
export { lowerCase, nameNumber } from "./sql_tokens.ts";
export * from "./sql_traits.ts";
export * from "./startup.ts";
export * from "./sticky.ts";
export * from "./text_shape.ts";
export * from "./transaction_words.ts";
export * from "./types.ts";
