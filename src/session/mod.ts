/**
 * One client after login: its loop, its limits of time, what it may cancel, what the console may see of it.
 *
 * Decisions are made in the machines of `relay/` and `lease/`; `session.ts` drives them.
 *
 * @module
 */
export * from "./cancel_keys.ts";
export * from "./session.ts";
export * from "./session_description.ts";
export * from "./session_parts.ts";
