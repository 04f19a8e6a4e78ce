/**
 * Sockets behind one small interface: TCP, unix, TLS on either side, and the outbox through which everything is written.
 *
 * It moves bytes and knows no message. Whoever holds a {@link ByteStream} has the only reader; several may write, through
 * one {@link Outbox}. A faster transport needs nothing but this interface.
 *
 * @module
 */
export * from "./buffers.ts";
export { EpollNetwork } from "./epoll/epoll_network.ts";
export * from "./framed_reader.ts";
export * from "./network.ts";
export * from "./outbox.ts";
export * from "./runtime_network.ts";
export * from "./socket_error.ts";
export * from "./socket_stream.ts";
export * from "./stream.ts";
export * from "./system_user.ts";
export * from "./tls.ts";
