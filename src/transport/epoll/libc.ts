const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  epoll_wait_elsewhere: {
    name: "epoll_wait",
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  __errno_location: { parameters: [], result: "usize" },
  // Returns the address of its first argument.
  memcpy_address: { name: "memcpy", parameters: ["buffer", "buffer", "u32"], result: "usize" },
  memcpy: { parameters: ["buffer", "usize", "u32"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

// socket(2); Linux's numbers, the same on x86_64 and aarch64.
const [SOCK_STREAM, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC] = [1, 2, 0x800, 0x80000];

// socket(7) and asm-generic/socket.h; linux/filter.h.
const [SOL_SOCKET, SO_PEERCRED, SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF] = [1, 17, 51, 68];
const BPF_RET_K = 0x06;

/** Sockets of one address that {@link Libc.preferOfShared} can name. */
const PREFERRED_MAX = 2;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** Where Linux distributions keep glibc; `--allow-ffi` names the same files. */
const LIBC_PATHS = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib/libc.so.6",
];

/**
 * The few system calls that sockets need. Each returns what the call returns, or the negative errno, as the kernel itself does.
 *
 * Buffers are used during the call only, but for {@link epollWaitElsewhere}. Sizes fit 31 bits.
 */
export class Libc {
  readonly #library: Library;
  readonly #calls: Library["symbols"];
  readonly #errnoAt: bigint;
  readonly #errno = new Int32Array(1);
  readonly #preferring: readonly PreferProgram[];

  private constructor(library: Library) {
    this.#library = library;
    const calls = this.#calls = library.symbols;
    // It is the thread's own, and calls are made by this thread only.
    this.#errnoAt = calls.__errno_location();
    // Made while addresses may still be asked for.
    this.#preferring = Array.from({ length: PREFERRED_MAX }, (_, index) => preferProgram(calls, index));
  }

  /** The C library of this process, or null where there is none that is known or no permission for it. Asks nobody. */
  static open(): Libc | null {
    const { os, arch } = Deno.build;
    if (os !== "linux" || (arch !== "x86_64" && arch !== "aarch64")) return null;
    for (const path of LIBC_PATHS) {
      if (Deno.permissions.querySync({ name: "ffi", path }).state !== "granted") continue;
      try {
        return new Libc(Deno.dlopen(path, SYMBOLS));
      } catch {
        // Not this distribution's place.
      }
    }
    return null;
  }

  /** Gives the library back: no call may follow, and none be under way. */
  unload(): void {
    this.#library.close();
  }

  /** A socket that does not block, of streams unless said. */
  socket(family: number, type: "stream" | "datagram" = "stream"): number {
    const kind = type === "stream" ? SOCK_STREAM : SOCK_DGRAM;
    return this.#result(this.#calls.socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }

  bind(fd: number, address: Uint8Array<ArrayBuffer>): number {
    return this.#result(this.#calls.bind(fd, address, address.length));
  }

  listen(fd: number, backlog: number): number {
    return this.#result(this.#calls.listen(fd, backlog));
  }

  /** A socket that does not block; the peer's `address` and its `length` are filled in. */
  accept(fd: number, address: Uint8Array<ArrayBuffer>, length: Uint32Array<ArrayBuffer>): number {
    length[0] = address.length;
    return this.#result(this.#calls.accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }

  connect(fd: number, address: Uint8Array<ArrayBuffer>): number {
    return this.#result(this.#calls.connect(fd, address, address.length));
  }

  getsockname(fd: number, address: Uint8Array<ArrayBuffer>, length: Uint32Array<ArrayBuffer>): number {
    length[0] = address.length;
    return this.#result(this.#calls.getsockname(fd, address, length));
  }

  /** The value of an option that is an int, or the negative errno. */
  getsockopt(fd: number, level: number, option: number): number {
    const value = new Int32Array(1);
    const result = this.#result(this.#calls.getsockopt(fd, level, option, value, new Uint32Array([4])));
    return result < 0 ? result : value[0]!;
  }

  /** As which user of the system the other end of a unix socket connected, or the negative errno. */
  peerUid(fd: number): number {
    const credentials = new Int32Array(3); // struct ucred: pid, uid, gid
    const result = this.#result(
      this.#calls.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, new Uint32Array([12])),
    );
    return result < 0 ? result : credentials[1]! >>> 0;
  }

  setsockopt(fd: number, level: number, option: number, value: number): number {
    return this.#result(this.#calls.setsockopt(fd, level, option, new Int32Array([value]), 4));
  }

  /**
   * New connections to a SO_REUSEPORT address go to the socket of this number (0 or 1, in the order of listen(2)), null: to any. The kernel
   * takes any as well where there is none of that number.
   */
  preferOfShared(fd: number, index: number | null): number {
    if (index === null) return this.setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
    const { program } = this.#preferring[index]!;
    return this.#result(
      this.#calls.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program, program.length),
    );
  }

  recv(fd: number, into: Uint8Array<ArrayBuffer>): number {
    return this.#result(this.#calls.recv(fd, into, into.length, 0));
  }

  send(fd: number, from: Uint8Array<ArrayBuffer>, count: number, flags: number): number {
    return this.#result(this.#calls.send(fd, from, count, flags));
  }

  write(fd: number, from: Uint8Array<ArrayBuffer>): number {
    return this.#result(this.#calls.write(fd, from, from.length));
  }

  close(fd: number): number {
    return this.#result(this.#calls.close(fd));
  }

  /** What the symbolic link at `path` says, or null. */
  readlink(path: string): string | null {
    const into = new Uint8Array(256);
    const length = this.#calls.readlink(new TextEncoder().encode(`${path}\0`), into, into.length);
    return length < 0 ? null : new TextDecoder().decode(into.subarray(0, length));
  }

  eventfd(flags: number): number {
    return this.#result(this.#calls.eventfd(0, flags));
  }

  epollCreate(flags: number): number {
    return this.#result(this.#calls.epoll_create1(flags));
  }

  epollCtl(epoll: number, operation: number, fd: number, event: Uint8Array<ArrayBuffer>): number {
    return this.#result(this.#calls.epoll_ctl(epoll, operation, fd, event));
  }

  /** Waits on this thread: nothing else runs meanwhile. */
  epollWait(epoll: number, events: Int32Array<ArrayBuffer>, capacity: number, timeoutMs: number): number {
    return this.#result(this.#calls.epoll_wait(epoll, events, capacity, timeoutMs));
  }

  /** Waits on another thread; `events` are its until then. Resolves with the count, or -1: that thread's errno is not known. */
  epollWaitElsewhere(epoll: number, events: Int32Array<ArrayBuffer>, capacity: number): Promise<number> {
    return this.#calls.epoll_wait_elsewhere(epoll, events, capacity, -1);
  }

  #result(returned: number): number {
    return returned >= 0 ? returned : this.#failure();
  }

  #failure(): number {
    this.#calls.memcpy(this.#errno, this.#errnoAt, 4);
    return -this.#errno[0]!;
  }
}

/** A classic BPF program that names a socket (struct sock_fprog), and its one instruction, to which it points. */
interface PreferProgram {
  readonly program: Uint8Array<ArrayBuffer>;
  readonly instruction: Uint8Array<ArrayBuffer>;
}

function preferProgram(calls: Library["symbols"], index: number): PreferProgram {
  // A buffer of its own: what lies in the heap may move.
  const instruction = new Uint8Array(new ArrayBuffer(8));
  const code = new DataView(instruction.buffer);
  code.setUint16(0, BPF_RET_K, true);
  code.setUint32(4, index, true);
  const program = new Uint8Array(new ArrayBuffer(16));
  const fields = new DataView(program.buffer);
  fields.setUint16(0, 1, true);
  fields.setBigUint64(8, calls.memcpy_address(instruction, instruction, 0), true);
  return { program, instruction };
}
