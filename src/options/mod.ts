/**
 * What a client may set for itself: options of pgplex in its connection string, by SET and by directives in comments, and
 * what its startup packet asks of a server. Pure.
 *
 * It reads texts and keeps values. Who acts on them is above: `relay/` where a statement says something, `login/` for the
 * connection string, `session/` for limits, `console/` for its own directives.
 *
 * @module
 */
export * from "./application_name.ts";
export * from "./directives.ts";
export * from "./head_directives.ts";
export * from "./session_options.ts";
export * from "./startup_options.ts";
