import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock, Rounds } from "../../kernel/mod.ts";
import {
  type Acceptor,
  type Endpoint,
  listenInPlace,
  type ListenOptions,
  type Network,
  unixSocketPath,
} from "../network.ts";
import { openInTime } from "../open_in_time.ts";
import type { ByteStream } from "../stream.ts";
import { Errno, must } from "./errno.ts";
import { runtimeEventLoop } from "./event_loop.ts";
import { FdAcceptor } from "./fd_acceptor.ts";
import { FdStream } from "./fd_stream.ts";
import { Libc } from "./libc.ts";
import { NameLookup, type Resolve } from "./name_lookup.ts";
import { Epoll, Poller } from "./poller.ts";
import { inetAddress, namedUnixAddress, type SocketAddress, unixAddress } from "./socket_address.ts";

// socket(7), ipv6(7); Linux's numbers, the same on x86_64 and aarch64.
const [SOL_SOCKET, SO_REUSEADDR, SO_ERROR, SO_REUSEPORT] = [1, 2, 4, 15];
const [IPPROTO_IPV6, IPV6_V6ONLY] = [41, 26];
const MSG_NOSIGNAL = 0x4000;

/** As PostgreSQL and PgBouncer have it in effect: the kernel cuts it to net.core.somaxconn. */
const BACKLOG = 4096;

/**
 * Sockets by system calls and one {@link Poller} for all: the fast way, on Linux.
 *
 * Measured against the runtime's own sockets in docs/PERFORMANCE.md.
 */
export class EpollNetwork implements Network {
  readonly ioMethod = "epoll";
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #names: NameLookup;

  private constructor(libc: Libc, poller: Poller, names: NameLookup) {
    this.#libc = libc;
    this.#poller = poller;
    this.#names = names;
  }

  /**
   * Null where it cannot be had: another system, another C library, or no permission for it (`--allow-ffi`).
   *
   * `rounds` hears when sockets are served. `resolve` brings the addresses of a name; it is the system's unless given.
   */
  static open(rounds: Rounds, resolve: Resolve = systemAddresses): EpollNetwork | null {
    const loop = runtimeEventLoop();
    const libc = loop === null ? null : Libc.open();
    if (libc === null) return null;
    return new EpollNetwork(libc, new Poller(libc, loop!, rounds), new NameLookup(resolve));
  }

  async listenTcp(host: string, port: number, options: ListenOptions = {}): Promise<Acceptor> {
    const { shared = false, ipv6Only = false } = options;
    const [first] = await this.#addressesOf(host, port);
    return this.#listen(first, (fd) => {
      must("setsockopt", this.#libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1));
      if (shared) must("setsockopt", this.#libc.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1));
      // Whatever net.ipv6.bindv6only says.
      if (first.bytes.length === 28) this.#libc.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, ipv6Only ? 1 : 0);
    });
  }

  listenUnix(path: string, shared = false): Acceptor {
    const listen = (path: string) => this.#listen(unixAddress(path), () => {});
    const acceptor = shared ? listenInPlace(path, listen) : listen(path);
    const { ino } = Deno.statSync(path);
    return {
      accept: () => acceptor.accept(),
      // Who connects finds the socket by its path.
      prefer: () => shared,
      close: () => {
        acceptor.close();
        removeSocket(path, ino);
      },
    };
  }

  connect(endpoint: Endpoint, clock: Clock, timeoutMs: number): Promise<ByteStream> {
    const connecting = (signal: AbortSignal) => this.#connect(endpoint, { clock, timeoutMs, signal });
    return openInTime(connecting, endpoint, clock, timeoutMs);
  }

  /**
   * Sends texts to a unix socket, each as a datagram; one that cannot be sent at once is lost. It stays open.
   *
   * @throws Error when there is nobody
   */
  datagramsTo(path: string): (text: string) => void {
    const { family, bytes } = namedUnixAddress(path);
    const fd = must("socket", this.#libc.socket(family, "datagram"));
    try {
      must("connect", this.#libc.connect(fd, bytes));
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
    const encoder = new TextEncoder();
    return (text) => {
      const datagram = encoder.encode(text);
      this.#libc.send(fd, datagram, datagram.length, MSG_NOSIGNAL);
    };
  }

  /** Closes what serves the sockets. Those that are open are of no use any more. */
  async close(): Promise<void> {
    await this.#poller.close();
    this.#libc.unload();
  }

  #listen(address: SocketAddress, prepare: (fd: number) => void): Acceptor {
    const fd = must("socket", this.#libc.socket(address.family));
    try {
      prepare(fd);
      must("bind", this.#libc.bind(fd, address.bytes));
      must("listen", this.#libc.listen(fd, BACKLOG));
      return new FdAcceptor(this.#libc, this.#poller, fd);
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
  }

  /** Tries the addresses of a name one after the other. One that does not answer leaves the others their share of the time. */
  async #connect(
    endpoint: Endpoint,
    { clock, timeoutMs, signal }: { clock: Clock; timeoutMs: number; signal: AbortSignal },
  ): Promise<ByteStream> {
    const { host, port } = endpoint;
    const addresses = host.startsWith("/")
      ? [unixAddress(unixSocketPath(host, port))] as const
      : await this.#addressesOf(host, port);
    if (addresses.length === 1) return await this.#open(addresses[0], signal);
    let thrown: unknown;
    for (const address of addresses) {
      signal.throwIfAborted();
      const open = (late: AbortSignal) => this.#open(address, AbortSignal.any([signal, late]));
      try {
        return await openInTime(open, endpoint, clock, timeoutMs / addresses.length);
      } catch (error) {
        thrown = error;
      }
    }
    throw thrown;
  }

  /** @throws Error when the address refuses, or the signal's reason; no descriptor is left then */
  async #open(address: SocketAddress, signal: AbortSignal): Promise<ByteStream> {
    signal.throwIfAborted();
    const fd = must("socket", this.#libc.socket(address.family));
    try {
      const result = this.#libc.connect(fd, address.bytes);
      if (result === -Errno.EINPROGRESS) {
        await this.#writable(fd, signal);
        const error = must("getsockopt", this.#libc.getsockopt(fd, SOL_SOCKET, SO_ERROR));
        must("connect", -error);
      } else {
        must("connect", result);
      }
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
    return new FdStream(this.#libc, this.#poller, fd);
  }

  /** @throws Error the signal's reason, or when the descriptor cannot be watched; it is watched no more then */
  #writable(fd: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = () => {
        this.#poller.forget(fd);
        signal.removeEventListener("abort", over);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      this.#poller.watch(fd, Epoll.OUT | Epoll.ET, { ready: over });
      signal.addEventListener("abort", over);
    });
  }

  /** The addresses of a host, in the system's order. @throws Error when the name is unknown */
  async #addressesOf(host: string, port: number): Promise<readonly [SocketAddress, ...SocketAddress[]]> {
    const names = isIP(host) === 0 ? await this.#names.addressesOf(host) : [host];
    const [first, ...others] = names.map((name) => inetAddress(name, port)).filter((address) =>
      address !== null
    );
    if (first === undefined) throw new Error("an IPv6 address with a zone cannot be used");
    return [first, ...others];
  }
}

async function systemAddresses(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** Leaves the socket of another process that has taken its place. */
function removeSocket(path: string, ino: number | null): void {
  try {
    if (Deno.statSync(path).ino === ino) Deno.removeSync(path);
  } catch {
    // It is gone already, by this or by another hand.
  }
}
