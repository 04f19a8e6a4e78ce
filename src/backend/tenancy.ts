/** The leases of one connection, one after the other, by numbers: the connection knows nothing more of who holds it. */
export class Tenancy {
  #count = 0;
  #tenant = 0;
  #usedMs: number;

  /** @param openedMs when the connection was opened, in clock milliseconds */
  constructor(openedMs: number) {
    this.#usedMs = openedMs;
  }

  /** Leases so far: tells the present one from those before. */
  get count(): number {
    return this.#count;
  }

  /** When the last lease ended, or else the connection was opened; clock milliseconds. */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** A lease begins, or was had for one question. @returns whether it is the connection's first */
  begins(): boolean {
    return this.#count++ === 0;
  }

  /** The session whose lease was the last one; 0 before the first. */
  get tenant(): number {
    return this.#tenant;
  }

  /** The lease is of the session with this id, which is not 0. @returns whether the one before was so, too */
  isOf(tenant: number): boolean {
    const same = this.#tenant === tenant;
    this.#tenant = tenant;
    return same;
  }

  /** The lease ends. */
  ends(nowMs: number): void {
    this.#usedMs = nowMs;
  }
}
