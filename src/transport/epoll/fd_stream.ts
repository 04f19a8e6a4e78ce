import { assert } from "../../kernel/mod.ts";
import { socketClosed } from "../socket_error.ts";
import type { ByteStream, RoundTask } from "../stream.ts";
import { Errno, failure } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { Epoll, type Poller, type Watched } from "./poller.ts";

// send(2), socket(7), tcp(7); Linux's numbers, the same on x86_64 and aarch64.
const MSG_NOSIGNAL = 0x4000;
const [SOL_SOCKET, SO_KEEPALIVE] = [1, 9];
const [IPPROTO_TCP, TCP_NODELAY] = [6, 1];

/** {@link FdStream.#receive} and {@link FdStream.#send}: nothing to be had now. */
const LATER = -Errno.EAGAIN;

/**
 * A connected, non-blocking socket of which the stream is the owner: without Nagle's algorithm, and with keep-alive. A unix socket
 * has neither.
 */
export class FdStream implements ByteStream, Watched {
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #fd: number;
  /** Whether a call may succeed: false from the time when there was no more, until an event says otherwise. */
  #readable = true;
  #writable = true;
  /** The peer has ended its side, or the connection is over: there may be no further event, so reads go on to the end. */
  #ending = false;
  #closed = false;
  #reading: Waiting<Uint8Array> | null = null;
  #writing: Waiting<Uint8Array> | null = null;

  /** @throws Error when the descriptor cannot be watched; it is closed then */
  constructor(libc: Libc, poller: Poller, fd: number) {
    this.#libc = libc;
    this.#poller = poller;
    this.#fd = fd;
    try {
      poller.watch(fd, Epoll.IN | Epoll.OUT | Epoll.RDHUP | Epoll.ET, this);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    libc.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  }

  read(into: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(socketClosed());
    if (this.#readable && this.#poller.mayCall(this.#fd)) {
      const count = this.#receive(into);
      if (count !== LATER) {
        return count >= 0 ? Promise.resolve(count) : Promise.reject(failure("recv", count));
      }
    }
    return new Promise((resolve, reject) => {
      assert(this.#reading === null, "a stream has one reader");
      this.#reading = { bytes: into, resolve, reject };
    });
  }

  write(from: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(socketClosed());
    if (this.#writable) {
      const count = this.#send(from, from.length);
      if (count !== LATER) {
        return count >= 0 ? Promise.resolve(count) : Promise.reject(failure("send", count));
      }
    }
    return new Promise((resolve, reject) => {
      assert(this.#writing === null, "one write at a time waits");
      this.#writing = { bytes: from, resolve, reject };
    });
  }

  writeNow(bytes: Uint8Array, start: number, end: number): number {
    if (this.#closed || !this.#writable) return 0;
    // What went wrong is said to the write() that follows.
    return Math.max(0, this.#send(start === 0 ? bytes : bytes.subarray(start), end - start));
  }

  atRoundEnd(task: RoundTask): boolean {
    return this.#poller.atRoundEnd(task);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poller.forget(this.#fd);
    this.#libc.close(this.#fd);
    this.#reading?.reject(socketClosed());
    this.#writing?.reject(socketClosed());
    this.#reading = this.#writing = null;
  }

  ready(events: number): void {
    const over = (events & (Epoll.RDHUP | Epoll.HUP | Epoll.ERR)) !== 0;
    if (over) this.#ending = true;
    if (over || (events & Epoll.IN) !== 0) this.#readable = true;
    const reading = this.#reading;
    if (this.#readable && reading !== null) {
      const count = this.#receive(reading.bytes);
      if (count !== LATER) {
        this.#reading = null;
        settle(reading, "recv", count);
      }
    }
    if ((events & (Epoll.OUT | Epoll.HUP | Epoll.ERR)) !== 0) {
      this.#writable = true;
      const writing = this.#writing;
      if (writing !== null) {
        const count = this.#send(writing.bytes, writing.bytes.length);
        if (count !== LATER) {
          this.#writing = null;
          settle(writing, "send", count);
        }
      }
    }
  }

  /** Bytes received, {@link LATER}, or another negative errno. */
  #receive(into: Uint8Array): number {
    const count = this.#libc.recv(this.#fd, into as Uint8Array<ArrayBuffer>);
    // Fewer than asked for: the socket is empty, and what comes next is an event.
    if (count === LATER || (count < into.length && !this.#ending)) this.#readable = false;
    return count;
  }

  /** Bytes taken, {@link LATER}, or another negative errno. */
  #send(from: Uint8Array, length: number): number {
    const count = this.#libc.send(this.#fd, from as Uint8Array<ArrayBuffer>, length, MSG_NOSIGNAL);
    if (count === LATER) this.#writable = false;
    return count;
  }
}

/** A read or write that waits for its event. */
interface Waiting<Bytes> {
  readonly bytes: Bytes;
  readonly resolve: (count: number) => void;
  readonly reject: (error: Error) => void;
}

function settle(waiting: Waiting<Uint8Array>, call: string, count: number): void {
  if (count >= 0) waiting.resolve(count);
  else waiting.reject(failure(call, count));
}
