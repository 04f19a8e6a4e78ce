import { Queue, type Rounds } from "../../kernel/mod.ts";
import type { RoundTask } from "../stream.ts";
import { must } from "./errno.ts";
import type { EventLoop } from "./event_loop.ts";
import type { Libc } from "./libc.ts";

/** Bits of an event (epoll_ctl(2)). */
export const Epoll = { IN: 0x1, OUT: 0x4, ERR: 0x8, HUP: 0x10, RDHUP: 0x2000, ET: 0x80000000 } as const;

const [CTL_ADD, CTL_DEL, CTL_MOD] = [1, 2, 3];
const EPOLL_CLOEXEC = 0x80000;
const [EFD_NONBLOCK, EFD_CLOEXEC] = [0x800, 0x80000];

/** Events that one wait brings at most. */
const EVENTS_MAX = 256;

/**
 * Calls that one descriptor may have in a round without waiting for an event. One that always has bytes, or a listening socket in a
 * storm of connections, would otherwise go on by promises alone, and nothing else would ever have its turn.
 */
const CALLS_PER_ROUND = 16;

/** Tasks that one round puts off; with more, those are done in between. */
const TASKS_MAX = 64;

/** How long the thread sleeps in the kernel while there was work a moment ago; the runtime's timers are late by no more. */
const BUSY_WAIT_MS = 1;

/** How long the runtime waits for its turn while sockets keep coming. */
const TURN_MS = 10;

/** File descriptors below this are looked through for those of the runtime, which opens them first. */
const RUNTIME_FDS = 64;

/** What waits for events of a file descriptor. Edge-triggered: it is told once of what is new (epoll(7)). */
export interface Watched {
  /** `events` are bits of {@link Epoll}; none after {@link Poller.mayCall} has refused. Must not throw. */
  ready(events: number): void;
}

/** Stands for the runtime among what is watched. */
const RUNTIME: Watched = { ready: () => {} };

/**
 * Waits for all sockets of the process at once, beside the runtime's own event loop.
 *
 * While there is work, it waits on this thread, for a millisecond at most, then lets everything run that its events set in
 * motion, and waits again: no thread is woken and no promise of the runtime's is in between. The runtime gets its turn when
 * its own sockets have something (their epoll is watched as well), when something waits for setImmediate, and every
 * {@link TURN_MS} in any case. Without work the thread is the runtime's, and another one waits.
 *
 * Invariant: exactly one of these is under way while anything is watched: {@link #pump}, an immediate for it, the other thread.
 */
export class Poller {
  readonly #libc: Libc;
  readonly #loop: EventLoop;
  readonly #clock: Rounds;
  readonly #epoll: number;
  readonly #wakeup: number;
  /** The runtime's epolls. */
  readonly #runtime: readonly number[];
  /** struct epoll_event, which is packed on x86_64 only: 3 or 4 words, the data behind the bits. */
  readonly #words = Deno.build.arch === "x86_64" ? 3 : 4;
  readonly #events = new Int32Array(EVENTS_MAX * this.#words);
  readonly #change = new Int32Array(this.#words);
  readonly #changeBytes = new Uint8Array(this.#change.buffer);
  readonly #watched: (Watched | null)[] = [];
  /** Tells a descriptor's events from those of an earlier one with the same number. */
  readonly #serials: number[] = [];
  #serial = 0;
  #rounds = 0;
  /** By descriptor: calls in the round of that number. */
  readonly #calls: number[] = [];
  readonly #callRounds: number[] = [];
  /** What may go on in the next round. Invariant: while anything waits here, another round comes without an event. */
  #postponed: Watched[] = [];
  /** What waits for the end of the round, while one is served. */
  readonly #tasks = new Queue<RoundTask>();
  #serving = false;
  /** The other thread waits, or has something that nobody has taken yet. */
  #elsewhere = false;
  /** A wait brought nothing for a socket. */
  #quiet = false;
  #runtimeReady = false;
  /** When the runtime has its turn, in milliseconds of the clock, and whether that is now. */
  #untilMs = 0;
  #turnOver = false;
  /** Events that the other thread brought and nobody was told of yet. */
  #brought = 0;
  #closed = false;
  readonly #ended = Promise.withResolvers<void>();

  /** @throws Error when the system gives no epoll */
  constructor(libc: Libc, loop: EventLoop, clock: Rounds) {
    this.#libc = libc;
    this.#loop = loop;
    this.#clock = clock;
    this.#runtime = runtimeEpolls(libc);
    this.#epoll = must("epoll_create1", libc.epollCreate(EPOLL_CLOEXEC));
    this.#wakeup = must("eventfd", libc.eventfd(EFD_NONBLOCK | EFD_CLOEXEC));
    this.watch(this.#wakeup, Epoll.IN | Epoll.ET, { ready: () => {} });
    for (const fd of this.#runtime) this.watch(fd, 0, RUNTIME);
    this.#waitElsewhere();
  }

  /** `events` are bits of {@link Epoll}. @throws Error when the kernel refuses, for want of memory or watches */
  watch(fd: number, events: number, watched: Watched): void {
    this.#watched[fd] = watched;
    this.#serials[fd] = this.#serial = (this.#serial + 1) & 0x7fffffff;
    const result = this.#control(CTL_ADD, fd, events);
    if (result >= 0) return;
    this.#watched[fd] = null;
    must("epoll_ctl", result);
  }

  /** Before the descriptor is closed, or is watched by somebody else. Events on their way are not told any more. */
  forget(fd: number): void {
    this.#watched[fd] = null;
    this.#control(CTL_DEL, fd, 0);
  }

  /**
   * Whether what watches `fd` may make another call that may succeed without an event, {@link CALLS_PER_ROUND} times in a round.
   * Where it may not, it is told in the next round, with no event.
   */
  mayCall(fd: number): boolean {
    if (this.#callRounds[fd] !== this.#rounds) {
      this.#callRounds[fd] = this.#rounds;
      this.#calls[fd] = 0;
    }
    if (this.#calls[fd]! < CALLS_PER_ROUND) {
      this.#calls[fd]!++;
      return true;
    }
    const watched = this.#watched[fd];
    if (watched != null && this.#postponed.push(watched) === 1 && this.#elsewhere) this.#wake();
    return false;
  }

  /** See {@link ByteStream.atRoundEnd}. */
  atRoundEnd(task: RoundTask): boolean {
    if (!this.#serving) return false;
    if (this.#tasks.length === TASKS_MAX) this.#endTasks();
    this.#tasks.push(task);
    return true;
  }

  #endTasks(): void {
    for (let task = this.#tasks.shift(); task !== null; task = this.#tasks.shift()) task.roundEnds();
  }

  /** Gives everything back. What is still watched is told nothing more. Resolves when no thread waits any longer. */
  close(): Promise<void> {
    if (!this.#closed) this.#wake();
    this.#closed = true;
    return this.#ended.promise;
  }

  /** Ends the other thread's wait: each write to an eventfd is an event (eventfd(2)). */
  #wake(): void {
    this.#libc.write(this.#wakeup, new Uint8Array(new BigUint64Array([1n]).buffer));
  }

  #control(operation: number, fd: number, events: number): number {
    this.#change[0] = events | 0;
    this.#change[this.#words - 2] = fd;
    this.#change[this.#words - 1] = this.#serials[fd]!;
    return this.#libc.epollCtl(this.#epoll, operation, fd, this.#changeBytes);
  }

  /** The runtime works by itself until a socket has something. */
  #waitElsewhere(): void {
    this.#elsewhere = true;
    for (const fd of this.#runtime) this.#control(CTL_MOD, fd, 0);
    void this.#libc.epollWaitElsewhere(this.#epoll, this.#events, EVENTS_MAX).then((count) => {
      this.#elsewhere = false;
      this.#brought = Math.max(0, count);
      this.#quiet = false;
      for (const fd of this.#runtime) this.#control(CTL_MOD, fd, Epoll.IN);
      setImmediate(this.#pump);
    });
  }

  readonly #pump = (): void => {
    this.#untilMs = this.#clock.hold() + TURN_MS;
    this.#runtimeReady = false;
    try {
      while (this.#round() && !this.#runtimeReady && this.#loop.immediates() === 0 && !this.#turnOver);
    } finally {
      this.#clock.release();
      if (this.#closed) this.#release();
      else if (this.#quiet) this.#waitElsewhere();
      else setImmediate(this.#pump);
    }
  };

  /** One wait, and everything that follows from it. Whether sockets had something. */
  #round(): boolean {
    const postponed = this.#postponed;
    const waitMs = this.#brought > 0 || postponed.length > 0 || this.#loop.immediates() > 0
      ? 0
      : BUSY_WAIT_MS;
    const count = this.#brought > 0
      ? this.#brought
      : this.#libc.epollWait(this.#epoll, this.#events, EVENTS_MAX, waitMs);
    this.#brought = 0;
    this.#turnOver = this.#clock.hold() >= this.#untilMs;
    this.#rounds = (this.#rounds + 1) & 0x7fffffff;
    let told = false;
    this.#serving = true;
    try {
      told = this.#tell(count);
      if (postponed.length > 0) {
        this.#postponed = [];
        for (const watched of postponed) watched.ready(0);
        told = true;
      }
      if (told) this.#loop.settle();
    } finally {
      this.#serving = false;
      this.#endTasks();
    }
    this.#quiet = !told && waitMs > 0;
    return told;
  }

  /** Whether a socket was told something; the runtime's own events are noted. */
  #tell(count: number): boolean {
    let told = false;
    for (let i = 0, at = 0; i < count; i++, at += this.#words) {
      const fd = this.#events[at + this.#words - 2]!;
      const watched = this.#watched[fd];
      // Closed since, and perhaps opened again as another's.
      if (watched == null || this.#serials[fd] !== this.#events[at + this.#words - 1]) continue;
      if (watched === RUNTIME) {
        this.#runtimeReady = true;
      } else {
        watched.ready(this.#events[at]!);
        told = true;
      }
    }
    return told;
  }

  #release(): void {
    this.#libc.close(this.#wakeup);
    this.#libc.close(this.#epoll);
    this.#ended.resolve();
  }
}

/** The runtime's epolls, as far as they can be found: when they are readable, the runtime has something to do. */
function runtimeEpolls(libc: Libc): number[] {
  const found: number[] = [];
  for (let fd = 0; fd < RUNTIME_FDS; fd++) {
    if (libc.readlink(`/proc/self/fd/${fd}`) === "anon_inode:[eventpoll]") found.push(fd);
  }
  return found;
}
