import { type Clock, PgplexError } from "../kernel/mod.ts";
import { socketStream } from "./socket_stream.ts";
import type { ByteStream, PeerAddress } from "./stream.ts";

/** A host and port, or a unix socket's path when `host` begins with a slash (as in libpq, the folder that holds it). */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** The path of PostgreSQL's socket in a folder. */
export function unixSocketPath(folder: string, port: number): string {
  return `${folder.replace(/\/$/, "")}/.s.PGSQL.${port}`;
}

/**
 * Opens a connection to `endpoint`.
 *
 * @throws PgplexError `server_unreachable`, also after `timeoutMs`; the address stands in the log text only.
 */
export async function connect(endpoint: Endpoint, clock: Clock, timeoutMs: number): Promise<ByteStream> {
  const failure = (cause: unknown) =>
    new PgplexError("server_unreachable", "the server cannot be reached", {
      log: `${endpoint.host}:${endpoint.port}: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    });
  const opening: Promise<Deno.Conn> = endpoint.host.startsWith("/")
    ? Deno.connect({ transport: "unix", path: unixSocketPath(endpoint.host, endpoint.port) })
    : Deno.connect({ hostname: endpoint.host, port: endpoint.port });
  let late = false;
  const timedOut = Promise.withResolvers<never>();
  const timer = clock.after(timeoutMs, () => {
    late = true;
    timedOut.reject(failure(new Error(`no answer within ${timeoutMs} ms`)));
  });
  // A connection that opens after its time has no taker: it is closed here.
  opening.then((conn) => late && conn.close(), () => {});
  try {
    return socketStream(await Promise.race([opening, timedOut.promise]));
  } catch (error) {
    throw error instanceof PgplexError ? error : failure(error);
  } finally {
    timer.cancel();
  }
}

/** The other end's address. */
export function peerOf(conn: Deno.Conn): PeerAddress {
  const { remoteAddr: address, localAddr: local } = conn;
  if (address.transport === "tcp") {
    const own = local.transport === "tcp" ? { localHost: local.hostname, localPort: local.port } : {};
    return { host: address.hostname, port: address.port, ...own };
  }
  return { host: "path" in address ? `unix:${address.path}` : "unix", port: 0 };
}
