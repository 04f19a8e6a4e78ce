import type { Clock } from "../kernel/mod.ts";
import {
  type Accepted,
  type Acceptor,
  type Endpoint,
  listenInPlace,
  type ListenOptions,
  type Network,
  unixSocketPath,
} from "./network.ts";
import { openInTime } from "./open_in_time.ts";
import { socketStream } from "./socket_stream.ts";
import type { ByteStream, PeerAddress } from "./stream.ts";

/** Sockets of the runtime: everywhere, and with its permissions for the network. */
export class RuntimeNetwork implements Network {
  readonly ioMethod = "runtime";

  listenTcp(host: string, port: number, options: ListenOptions = {}): Promise<Acceptor> {
    const { shared = false, ipv6Only = false } = options;
    if (ipv6Only && host === "::") {
      const text = ":: beside an IPv4 address needs io_method epoll; :: alone takes IPv4 as well";
      return Promise.reject(new Error(text));
    }
    if (shared) return Promise.reject(new Error("listen.reuse_port needs io_method epoll"));
    return Promise.resolve(new RuntimeAcceptor(Deno.listen({ hostname: host, port })));
  }

  listenUnix(path: string, shared = false): Acceptor {
    const listen = (path: string) => new RuntimeAcceptor(Deno.listen({ transport: "unix", path }));
    return shared ? listenInPlace(path, listen) : listen(path);
  }

  connect(endpoint: Endpoint, clock: Clock, timeoutMs: number): Promise<ByteStream> {
    const { host, port } = endpoint;
    const open = (signal: AbortSignal): Promise<Deno.Conn> =>
      host.startsWith("/")
        ? Deno.connect({ transport: "unix", path: unixSocketPath(host, port) })
        : Deno.connect({ hostname: host, port, signal });
    return openInTime((signal) => open(signal).then(socketStream), endpoint, clock, timeoutMs);
  }
}

class RuntimeAcceptor implements Acceptor {
  readonly #listener: Deno.Listener;
  #closed = false;

  constructor(listener: Deno.Listener) {
    this.#listener = listener;
  }

  async accept(): Promise<Accepted> {
    const conn = await this.#listener.accept();
    return { stream: socketStream(conn), peer: peerOf(conn) };
  }

  /** The runtime has no way to the kernel for it. */
  prefer(): boolean {
    return false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }
}

/** The other end's address. */
function peerOf(conn: Deno.Conn): PeerAddress {
  const { remoteAddr: address, localAddr: local } = conn;
  if (address.transport === "tcp") {
    const own = local.transport === "tcp" ? { localHost: local.hostname, localPort: local.port } : {};
    return { host: address.hostname, port: address.port, ...own };
  }
  return { host: "unix", port: 0 };
}
