/**
 * Where clients come in: sockets that listen, admission limits, and the drain at the end. What a connection says is
 * `session/`'s business.
 *
 * @module
 */
export * from "./listener.ts";
export * from "./listening_sockets.ts";
