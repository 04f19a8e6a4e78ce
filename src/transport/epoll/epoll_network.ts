import { lookup } from "node:dns/promises";
import type { Clock } from "../../kernel/mod.ts";
import { type Accepted, type Acceptor, type Endpoint, type Network, unixSocketPath } from "../network.ts";
import { openInTime } from "../open_in_time.ts";
import type { ByteStream, PeerAddress } from "../stream.ts";
import { runtimeEventLoop } from "./event_loop.ts";
import { failure, FdStream } from "./fd_stream.ts";
import { Errno, Libc } from "./libc.ts";
import { Epoll, Poller, type Watched } from "./poller.ts";
import { ADDRESS_MAX_BYTES, inetAddress, inetOf, type SocketAddress, unixAddress } from "./socket_address.ts";

// socket(2), tcp(7); Linux's numbers, the same on x86_64 and aarch64.
const [SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC] = [1, 0x800, 0x80000];
const [SOL_SOCKET, SO_REUSEADDR, SO_ERROR, SO_KEEPALIVE] = [1, 2, 4, 9];
const [IPPROTO_TCP, TCP_NODELAY] = [6, 1];
const [IPPROTO_IPV6, IPV6_V6ONLY] = [41, 26];

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

  private constructor(libc: Libc, poller: Poller) {
    this.#libc = libc;
    this.#poller = poller;
  }

  /** Null where it cannot be had: another system, another C library, or no permission for it (`--allow-ffi`). */
  static open(): EpollNetwork | null {
    const loop = runtimeEventLoop();
    const libc = loop === null ? null : Libc.open();
    return libc === null ? null : new EpollNetwork(libc, new Poller(libc, loop!));
  }

  async listenTcp(host: string, port: number): Promise<Acceptor> {
    const [first] = await addressesOf(host, port);
    return this.#listen(first!, (fd) => {
      this.#option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      // As the runtime has it: `::` takes IPv4 as well.
      if (first!.bytes.length === 28) this.#libc.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    });
  }

  listenUnix(path: string): Acceptor {
    const acceptor = this.#listen(unixAddress(path), () => {});
    return {
      accept: () => acceptor.accept(),
      close: () => {
        acceptor.close();
        removeSocket(path);
      },
    };
  }

  connect(endpoint: Endpoint, clock: Clock, timeoutMs: number): Promise<ByteStream> {
    return openInTime(this.#connect(endpoint), endpoint, clock, timeoutMs);
  }

  /** Closes what serves the sockets. Those that are open are of no use any more. */
  async close(): Promise<void> {
    await this.#poller.close();
    this.#libc.unload();
  }

  #listen(address: SocketAddress, prepare: (fd: number) => void): Acceptor {
    const fd = this.#socket(address.family);
    try {
      prepare(fd);
      this.#must("bind", this.#libc.bind(fd, address.bytes));
      this.#must("listen", this.#libc.listen(fd, BACKLOG));
      return new FdAcceptor(this.#libc, this.#poller, fd);
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
  }

  /** Tries the addresses of a name one after the other. */
  async #connect({ host, port }: Endpoint): Promise<ByteStream> {
    const addresses = host.startsWith("/")
      ? [unixAddress(unixSocketPath(host, port))]
      : await addressesOf(host, port);
    let thrown: unknown;
    for (const address of addresses) {
      try {
        return await this.#open(address);
      } catch (error) {
        thrown = error;
      }
    }
    throw thrown;
  }

  async #open(address: SocketAddress): Promise<ByteStream> {
    const fd = this.#socket(address.family);
    try {
      const result = this.#libc.connect(fd, address.bytes);
      if (result === -Errno.EINPROGRESS) {
        await this.#writable(fd);
        const error = this.#must("getsockopt", this.#libc.getsockopt(fd, SOL_SOCKET, SO_ERROR));
        this.#must("connect", -error);
      } else {
        this.#must("connect", result);
      }
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
    tune(this.#libc, fd);
    return new FdStream(this.#libc, this.#poller, fd);
  }

  #writable(fd: number): Promise<void> {
    return new Promise((resolve) =>
      this.#poller.watch(fd, Epoll.OUT | Epoll.ET, {
        ready: () => {
          this.#poller.forget(fd);
          resolve();
        },
      })
    );
  }

  #socket(family: number): number {
    return this.#must("socket", this.#libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC));
  }

  #option(fd: number, level: number, option: number, value: number): void {
    this.#must("setsockopt", this.#libc.setsockopt(fd, level, option, value));
  }

  #must(call: string, result: number): number {
    if (result < 0) throw failure(call, result);
    return result;
  }
}

/** A listening socket by its descriptor. */
class FdAcceptor implements Acceptor, Watched {
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #fd: number;
  readonly #address = new Uint8Array(ADDRESS_MAX_BYTES);
  readonly #length = new Uint32Array(1);
  #accepting: PromiseWithResolvers<Accepted> | null = null;
  #closed = false;

  constructor(libc: Libc, poller: Poller, fd: number) {
    this.#libc = libc;
    this.#poller = poller;
    this.#fd = fd;
    poller.watch(fd, Epoll.IN | Epoll.ET, this);
  }

  accept(): Promise<Accepted> {
    if (this.#closed) return Promise.reject(closed());
    const accepting = this.#accepting = Promise.withResolvers<Accepted>();
    this.ready();
    return accepting.promise;
  }

  ready(): void {
    const accepting = this.#accepting;
    if (accepting === null) return;
    const fd = this.#libc.accept(this.#fd, this.#address, this.#length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd === -Errno.EAGAIN) return;
    this.#accepting = null;
    try {
      if (fd < 0) throw failure("accept", fd);
      const peer = this.#peerOf(fd);
      tune(this.#libc, fd);
      accepting.resolve({ stream: new FdStream(this.#libc, this.#poller, fd), peer });
    } catch (error) {
      accepting.reject(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poller.forget(this.#fd);
    this.#libc.close(this.#fd);
    this.#accepting?.reject(closed());
    this.#accepting = null;
  }

  #peerOf(fd: number): PeerAddress {
    const remote = inetOf(this.#address);
    if (remote === null) return { host: "unix", port: 0 };
    const local = this.#libc.getsockname(fd, this.#address, this.#length) < 0 ? null : inetOf(this.#address);
    return local === null ? remote : { ...remote, localHost: local.host, localPort: local.port };
  }
}

function removeSocket(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It is gone already, by this or by another hand.
  }
}

function closed(): Error {
  return new Deno.errors.BadResource("the socket is closed");
}

/** Without Nagle's algorithm, and with keep-alive; a unix socket has neither. */
function tune(libc: Libc, fd: number): void {
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  libc.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/** The addresses of a host, in the system's order. @throws Error when the name is unknown */
async function addressesOf(host: string, port: number): Promise<SocketAddress[]> {
  const literal = inetAddress(host, port);
  if (literal !== null) return [literal];
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => inetAddress(address, port)).filter((address) => address !== null);
}
