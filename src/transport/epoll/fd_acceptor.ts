import type { Accepted, Acceptor } from "../network.ts";
import { socketClosed } from "../socket_error.ts";
import type { PeerAddress } from "../stream.ts";
import { Errno, must } from "./errno.ts";
import { FdStream } from "./fd_stream.ts";
import type { Libc } from "./libc.ts";
import { Epoll, type Poller, type Watched } from "./poller.ts";
import { ADDRESS_MAX_BYTES, inetOf } from "./socket_address.ts";

/** A listening, non-blocking socket of which the acceptor is the owner. */
export class FdAcceptor implements Acceptor, Watched {
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #fd: number;
  readonly #address = new Uint8Array(ADDRESS_MAX_BYTES);
  readonly #length = new Uint32Array(1);
  #accepting: PromiseWithResolvers<Accepted> | null = null;
  #closed = false;

  /** @throws Error when the descriptor cannot be watched; it is still the caller's then */
  constructor(libc: Libc, poller: Poller, fd: number) {
    this.#libc = libc;
    this.#poller = poller;
    this.#fd = fd;
    poller.watch(fd, Epoll.IN | Epoll.ET, this);
  }

  accept(): Promise<Accepted> {
    if (this.#closed) return Promise.reject(socketClosed());
    const accepting = this.#accepting = Promise.withResolvers<Accepted>();
    if (this.#poller.mayCall(this.#fd)) this.ready();
    return accepting.promise;
  }

  ready(): void {
    const accepting = this.#accepting;
    if (accepting === null) return;
    let fd: number;
    // Who left before it was accepted delays nobody.
    do fd = this.#libc.accept(this.#fd, this.#address, this.#length); while (fd === -Errno.ECONNABORTED);
    if (fd === -Errno.EAGAIN) return;
    this.#accepting = null;
    try {
      must("accept", fd);
      const peer = this.#peerOf(fd);
      accepting.resolve({ stream: new FdStream(this.#libc, this.#poller, fd), peer });
    } catch (error) {
      accepting.reject(error);
    }
  }

  prefer(index: number | null): boolean {
    return !this.#closed && this.#libc.preferOfShared(this.#fd, index) >= 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poller.forget(this.#fd);
    this.#libc.close(this.#fd);
    this.#accepting?.reject(socketClosed());
    this.#accepting = null;
  }

  /** What accept() has told of the other end, and this end's address. */
  #peerOf(fd: number): PeerAddress {
    const remote = inetOf(this.#address);
    if (remote === null) {
      const uid = this.#libc.peerUid(fd);
      return uid < 0 ? { host: "unix", port: 0 } : { host: "unix", port: 0, uid };
    }
    const local = this.#libc.getsockname(fd, this.#address, this.#length) < 0 ? null : inetOf(this.#address);
    return local === null ? remote : { ...remote, localHost: local.host, localPort: local.port };
  }
}
