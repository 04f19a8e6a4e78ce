import type { Clock } from "../kernel/mod.ts";
import type { ByteStream, PeerAddress } from "./stream.ts";

/** A host and port, or a unix socket's path when `host` begins with a slash (as in libpq, the folder that holds it). */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A connection that somebody opened to us. */
export interface Accepted {
  readonly stream: ByteStream;
  readonly peer: PeerAddress;
}

/** A listening socket. */
export interface Acceptor {
  /** The next connection. One at a time. @throws Error when it cannot be had; another may */
  accept(): Promise<Accepted>;
  /** Ends {@link accept}, which rejects. Safe to call twice. */
  close(): void;
}

/** The sockets of a process, made and served in one way. */
export interface Network {
  readonly ioMethod: "epoll" | "runtime";
  /** @throws Error when the address is taken or not this machine's */
  listenTcp(host: string, port: number): Promise<Acceptor>;
  /** The socket's file goes when it is closed. @throws Error when it cannot be made there */
  listenUnix(path: string): Acceptor;
  /**
   * Opens a connection to `endpoint`.
   *
   * @throws PgplexError `server_unreachable`, also after `timeoutMs`; the address stands in the log text only.
   */
  connect(endpoint: Endpoint, clock: Clock, timeoutMs: number): Promise<ByteStream>;
}

/** The path of PostgreSQL's socket in a folder. */
export function unixSocketPath(folder: string, port: number): string {
  return `${folder.replace(/\/$/, "")}/.s.PGSQL.${port}`;
}
