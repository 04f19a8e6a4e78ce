/**
 * One client after login. `session.ts` makes the parts of a session and ends them; `client_loop.ts` reads the client,
 * `server_side.ts` takes what the server sends and decides where a lease ends, `session_view.ts` is what the console may see.
 *
 * Decisions are made in the machines of `relay/` and `lease/`, which are driven here. `login/` makes sessions.
 *
 * @module
 */
export * from "./cancel_keys.ts";
export * from "./client_log.ts";
export * from "./session.ts";
export * from "./session_description.ts";
export * from "./session_facts.ts";
export * from "./session_parts.ts";
export * from "./session_view.ts";
