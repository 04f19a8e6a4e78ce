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
  /**
   * Of the sockets of all processes that listen on this address, the one of this number, in the order in which they began, gets new
   * connections from now on; null: each has its share again. Where there is none of that number, each has.
   *
   * @returns false where that cannot be had, and nothing has changed
   */
  prefer(index: number | null): boolean;
  /** Ends {@link accept}, which rejects. Safe to call twice. */
  close(): void;
}

/** How a {@link Network} listens by TCP. */
export interface ListenOptions {
  /** Beside other processes that do so too. */
  readonly shared?: boolean;
  /** `::` leaves IPv4 to another socket; it takes IPv4 as well otherwise. */
  readonly ipv6Only?: boolean;
}

/** The sockets of a process, made and served in one way. */
export interface Network {
  readonly ioMethod: "epoll" | "runtime";
  /** @throws Error when the address is taken or not this machine's */
  listenTcp(host: string, port: number, options?: ListenOptions): Promise<Acceptor>;
  /**
   * The socket's file goes when it is closed. With `shared` it takes the place of another one, whose owner goes on with the
   * connections that it has. @throws Error when it cannot be made there
   */
  listenUnix(path: string, shared?: boolean): Acceptor;
  /**
   * Opens a connection to `endpoint`.
   *
   * @throws PgplexError `server_unreachable`, also after `timeoutMs`; the address stands in the log text only.
   */
  connect(endpoint: Endpoint, clock: Clock, timeoutMs: number): Promise<ByteStream>;
}

/** Makes a unix socket beside `path` and puts it there in one step: whoever connects meets the one of before or the new one. */
export function listenInPlace<A extends { close(): void }>(path: string, listen: (path: string) => A): A {
  const beside = `${path}.new`;
  const acceptor = listen(beside);
  try {
    Deno.renameSync(beside, path);
    return acceptor;
  } catch (error) {
    acceptor.close();
    throw error;
  }
}

/** The path of PostgreSQL's socket in a folder. */
export function unixSocketPath(folder: string, port: number): string {
  return `${folder.replace(/\/$/, "")}/.s.PGSQL.${port}`;
}
