/**
 * Which statements may change a session's state out of sight: what is known of each text that ran in a database, and of the
 * routines that its catalogue runs without being called by name. Pure.
 *
 * It says when a server connection has to be looked at; `lease/` looks.
 *
 * @module
 */
export * from "./catalogue_look.ts";
export * from "./catalogue_refresh.ts";
export * from "./catalogue_watch.ts";
export * from "./fingerprints.ts";
export * from "./hidden_callers.ts";
export * from "./sets_aside.ts";
export * from "./state_watch.ts";
export * from "./suspicion.ts";
