/**
 * LISTEN without a connection of one's own: sessions in transaction pooling share one listening connection, and lend their
 * channels to the server connection they hold while a statement speaks of channels.
 *
 * `listening.ts` is what a session has of it, `listeners.ts` has all shared listeners of a worker, `subscription.ts` decides
 * from which of two connections a notification is taken.
 *
 * @module
 */
export * from "./listeners.ts";
export * from "./listening.ts";
export * from "./session_channels.ts";
