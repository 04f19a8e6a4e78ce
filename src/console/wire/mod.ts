/**
 * The console's messages as bytes: what a client sends is cut and decoded, and answers are encoded.
 *
 * It decides nothing: `client/` says what is answered, and when.
 *
 * @module
 */
export * from "./cells.ts";
export * from "./client_messages.ts";
export * from "./inbox.ts";
export * from "./numeric.ts";
export * from "./reply.ts";
