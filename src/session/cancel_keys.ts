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

/**
 * The cancel keys of one worker's sessions.
 *
 * Layout of the 32-bit "process id", from the top: instance (16 bits), worker (8 bits), serial (8 bits). The secret is
 * random, and the serial of many sessions may be the same: pid and secret together are the key.
 */
export class CancelKeys {
  readonly #instance: number;
  readonly #worker: number;
  readonly #random: Random;
  readonly #byPid = new Map<number, Map<Cancellable, CancelKey>>();
  #serial = 0;

  constructor(instance: number, worker: number, random: Random) {
    assert(instance > 0 && instance < 0x8000, "an instance id fits 15 bits, so that a pid is positive");
    this.#instance = instance;
    this.#worker = worker;
    this.#random = random;
  }

  /** A new key for `session`. */
  issue(session: Cancellable, minor: number): CancelKey {
    const serial = this.#serial++ & 0xff;
    const pid = (this.#instance << 16) | (this.#worker << 8) | serial;
    const secret = this.#random.fill(new Uint8Array(minor >= 2 ? SECRET_BYTES_V32 : SECRET_BYTES_V30));
    let sessions = this.#byPid.get(pid);
    if (sessions === undefined) this.#byPid.set(pid, sessions = new Map());
    const key = { pid, secret };
    sessions.set(session, key);
    return key;
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
