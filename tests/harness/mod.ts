/**
 * What the integration tests stand on: real PostgreSQL servers, pgplex as a process, real clients, etcd, certificates, and
 * {@link WireClient}, which speaks the wire protocol byte by byte.
 *
 * An oracle has to be independent: nothing here imports anything from `src/`. Everything that waits has a deadline, and
 * everything that starts is disposable and leaves nothing behind.
 *
 * @module
 */
export * from "../../tools/embedded/mod.ts";
export * from "./certs.ts";
export * from "./clients.ts";
export * from "./etcd.ts";
export * as frontend from "./frontend.ts";
export * from "./backend_messages.ts";
export * from "./wire.ts";
