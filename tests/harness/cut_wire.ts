/** What a {@link CutWire} does with what comes from a server. */
type Answers = "pass" | "hold" | "swallow";

/**
 * A TCP port of 127.0.0.1 that leads to another one, and can be cut, or made to hold or to swallow what the server answers while what the client
 * sends goes on.
 */
export class CutWire implements Disposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #conns = new Set<Deno.Conn>();
  readonly #lost = new WeakSet<Deno.Conn>();
  #answers: Answers = "pass";
  #isRefusing = false;
  /** Answers are cut in the middle when so many bytes of them have passed. */
  #bytesLeft = Infinity;
  #wake = Promise.withResolvers<void>();

  constructor(target: number, { hostname = "127.0.0.1" } = {}) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.port = this.#listener.addr.port;
    this.#accept();
  }

  get connections(): number {
    return this.#conns.size / 2;
  }

  set answers(answers: Answers) {
    this.#answers = answers;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Cuts when `bytes` more were answered. */
  cutAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** Leads all connections that there are into the void: they stay, and nothing passes any more. New ones are as ever. */
  lose(): void {
    for (const conn of this.#conns) this.#lost.add(conn);
  }

  /** Ends all connections; new ones are accepted, unless `refuse` says otherwise. */
  cut({ refuse = false } = {}): void {
    this.#isRefusing = refuse;
    for (const conn of [...this.#conns]) this.#close(conn);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.cut({ refuse: true });
    this.answers = "swallow";
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      if (this.#isRefusing) {
        near.close();
        continue;
      }
      try {
        const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
        this.#conns.add(near).add(far);
        const end = () => [near, far].forEach((conn) => this.#close(conn));
        this.#copy(near, far, false).finally(end);
        this.#copy(far, near, true).finally(end);
      } catch {
        near.close();
      }
    }
  }

  async #copy(from: Deno.Conn, to: Deno.Conn, isAnswer: boolean): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        while (isAnswer && this.#answers === "hold") await this.#wake.promise;
        if (this.#lost.has(from) || isAnswer && this.#answers === "swallow") continue;
        if (isAnswer && (this.#bytesLeft -= count) < 0) {
          this.#bytesLeft = Infinity;
          return;
        }
        for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
      }
    } catch {
      // The other direction, or cut(), has closed it.
    }
  }

  #close(conn: Deno.Conn): void {
    if (!this.#conns.delete(conn)) return;
    try {
      conn.close();
    } catch {
      // Closed already.
    }
  }
}
