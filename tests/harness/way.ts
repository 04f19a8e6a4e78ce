/** A way to a server that breaks when asked to: what it has carried from there by then is cut wherever it stands. */
export class Way implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #conns = new Set<Deno.Conn>();
  readonly #running: Promise<void>[] = [];
  /** Bytes to pgplex that are let through; behind them each connection that carries any breaks. */
  #left = Infinity;

  constructor(to: { host: string; port: number }) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#running.push(this.#accept(to));
  }

  /** Behind so many bytes more it breaks, and lets nothing through; Infinity: it is mended. */
  breakBehind(bytes: number): void {
    this.#left = bytes;
  }

  /** It breaks at once, and lets nothing through until it is mended. */
  break(): void {
    this.#left = 0;
    for (const conn of this.#conns) conn.close();
    this.#conns.clear();
  }

  async #accept({ host: hostname, port }: { host: string; port: number }): Promise<void> {
    for await (const near of this.#listener) {
      if (this.#left === 0) {
        near.close();
        continue;
      }
      const far = await Deno.connect({ hostname, port }).catch(() => null);
      if (far === null) {
        near.close();
        continue;
      }
      for (const conn of [near, far]) this.#conns.add(conn);
      this.#running.push(this.#carry(near, far, false), this.#carry(far, near, true));
    }
  }

  async #carry(from: Deno.Conn, to: Deno.Conn, counts: boolean): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      for (;;) {
        const n = await from.read(buffer);
        if (n === null) break;
        const through = counts ? Math.min(n, this.#left) : n;
        if (counts) this.#left -= through;
        for (let at = 0; at < through;) at += await to.write(buffer.subarray(at, through));
        if (through < n) break;
      }
    } catch {
      // The other direction has ended.
    }
    for (const conn of [from, to]) if (this.#conns.delete(conn)) conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
    this.#conns.clear();
    await Promise.all(this.#running);
  }
}
