/**
 * How a session gets a server connection, makes its state the session's, finds out what became of that state, and gives the
 * connection back.
 *
 * It drives a pool on one side and a session, as a {@link LeaseHolder}, on the other; it reads no client.
 *
 * @module
 */
export * from "./findings.ts";
export * from "./lease.ts";
export { settingsLost, stateLost } from "./lease_errors.ts";
export * from "./lease_holder.ts";
export * from "./lease_parts.ts";
export type { PinReason } from "./pin_kinds.ts";
export * from "./pins.ts";
export * from "./pins_host.ts";
export * from "./probe.ts";
export { type LostSetting, resetSettings } from "./restore.ts";
export * from "./unread_leases.ts";
export type { Recall } from "../pool/mod.ts";
