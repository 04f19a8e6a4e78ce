/**
 * Bytes both ways between one client and the server connection that it has for the moment. Pure: synchronous machines that
 * take bytes, put bytes into sinks, and say what they need before they can go on.
 *
 * `client_scan.ts` takes what the client sends, `server_scan.ts` what the server answers, `relay.ts` is what both share: whether the
 * lease may end (`progress.ts`), what goes before a statement (`preamble.ts`), and so on. `client_cursor.ts` is the message at hand.
 * `statements/` is Parse to Close and the names of prepared statements, `show/` is SHOW of pgplex's options.
 * `session/` drives them.
 *
 * @module
 */
export * from "./aftermath.ts";
export type { AlreadySo, AlreadySoHost } from "./already_so.ts";
export * from "./channel_lender.ts";
export * from "./client_cursor.ts";
export * from "./client_scan.ts";
export type { CommitGuard } from "./commit_guard.ts";
export { InvalidMessageLength } from "./malformed.ts";
export type { PreambleHost } from "./preamble.ts";
export type { ReadsHost } from "./reads.ts";
export * from "./relay.ts";
export * from "./server_scan.ts";
export * from "./steering.ts";
export * from "./told_settings.ts";
export { PreparedNames } from "./statements/prepared_names.ts";
