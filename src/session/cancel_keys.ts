import { assert, type Random } from "../kernel/mod.ts";

/** Whoever can be cancelled by its key. */
export interface Cancellable {
  /**
   * A CancelRequest with this session's key came. Resolves, never rejects, when nothing that the client sends from then on
   * can be hit: until then the request's connection stays open, as libpq waits for its end.
   */
  cancel(): Promise<void>;
}

/** What BackendKeyData tells a client. */
export interface CancelKey {
  readonly pid: number;
  readonly secret: Uint8Array;
}

/** Secret bytes for protocol 3.0, where libraries read exactly four, and for 3.2, which allows up to 256. */
const SECRET_BYTES_V30 = 4;
const SECRET_BYTES_V32 = 32;

/** Set in each "process id", and above all that an operating system gives (2^22 on Linux): it is nobody else's. */
const ABOVE_PROCESSES = 1 << 30;

/** The instance whose key has this "process id"; null where it is one of a server process. */
export function instanceOfPid(pid: number): number | null {
  return pid < ABOVE_PROCESSES ? null : (pid >>> 15) & 0x7fff;
}

/** Sessions of an instance that have process ids of their own; of more, some share one. */
const SERIALS = 1 << 15;

/** Each worker begins to count elsewhere. */
const SERIALS_APART = SERIALS >> 3;

/**
 * The cancel keys of one worker's sessions.
 *
 * Layout of the 31-bit "process id", from the top: 1, instance (15 bits), serial (15 bits). No two sessions that live at the
 * same time have the same, up to 32,768 of them. The secret is random: pid and secret together are the key.
 */
export class CancelKeys {
  readonly #instance: number;
  readonly #random: Random;
  readonly #byPid = new Map<number, Map<Cancellable, CancelKey>>();
  #serial: number;

  constructor(instance: number, worker: number, random: Random) {
    assert(instance > 0 && instance < 0x8000, "an instance id fits 15 bits, so that a pid is positive");
    this.#instance = instance;
    this.#serial = worker * SERIALS_APART;
    this.#random = random;
  }

  /** A new key for `session`; `backend` is the process id of the server process that is its own for life, if one is. */
  issue(session: Cancellable, minor: number, backend: number | null = null): CancelKey {
    const pid = backend ?? this.#freePid();
    const secret = this.#random.fill(new Uint8Array(minor >= 2 ? SECRET_BYTES_V32 : SECRET_BYTES_V30));
    let sessions = this.#byPid.get(pid);
    if (sessions === undefined) this.#byPid.set(pid, sessions = new Map());
    const key = { pid, secret };
    sessions.set(session, key);
    return key;
  }

  #freePid(): number {
    for (let tries = 0;; tries++) {
      const pid = ABOVE_PROCESSES | (this.#instance << 15) | (this.#serial++ & (SERIALS - 1));
      if (!this.#byPid.has(pid) || tries === SERIALS) return pid;
    }
  }

  /** The session is over. */
  revoke(session: Cancellable, key: CancelKey): void {
    const sessions = this.#byPid.get(key.pid);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byPid.delete(key.pid);
  }

  /** The session whose key this is, or null. Takes the same time for every secret of the right length. */
  find(pid: number, secret: Uint8Array): Cancellable | null {
    let found: Cancellable | null = null;
    for (const [session, key] of this.#byPid.get(pid) ?? []) if (equal(key.secret, secret)) found = session;
    return found;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
