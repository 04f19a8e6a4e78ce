import { frontend } from "./mod.ts";

const { concat, cstring, int16, int32, message, text } = frontend;

/** The messages of a server, as bytes. */
export const server = {
  authenticationOk: () => message("R", int32(0)),
  parameter: (name: string, value: string) => message("S", cstring(name), cstring(value)),
  key: () => message("K", int32(4711), int32(815)),
  ready: (status = "I") => message("Z", text(status)),
  /** One column of type text. */
  rowDescription: () =>
    message("T", int16(1), cstring("a"), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)),
  row: (value: string) => message("D", int16(1), int32(value.length), text(value)),
  complete: (tag: string) => message("C", cstring(tag)),
  /** Everything that answers a simple query by one row. */
  answer: (value: string) =>
    concat([server.rowDescription(), server.row(value), server.complete("SELECT 1"), server.ready()]),
  greeting: () =>
    concat([
      server.authenticationOk(),
      ...[["server_version", "18.0"], ["client_encoding", "UTF8"], ["TimeZone", "UTC"]].map(([name, value]) =>
        server.parameter(name!, value!)
      ),
      server.key(),
      server.ready(),
    ]),
};

/** What a fake server does; each step may never resolve. */
export interface Behaviour {
  /** The answer to the startup packet; {@link server.greeting} unless said. */
  greet?: (peer: FakePeer) => Promise<void>;
  /** Called for each message after login; `SELECT n` is answered by n unless it says otherwise by returning true. */
  message?: (peer: FakePeer, type: string, sql: string) => Promise<boolean>;
}

/** The other end of one connection that pgplex opened. */
export class FakePeer {
  /** Fulfilled when this side closes. */
  readonly gone: Promise<void>;
  readonly #conn: Deno.Conn;
  #leave: () => void = () => {};
  #pending: Uint8Array = new Uint8Array(0);

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    this.gone = new Promise((resolve) => this.#leave = resolve);
  }

  async send(...parts: Uint8Array[]): Promise<void> {
    const bytes = concat(parts);
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Exactly so many bytes, or null at the end. */
  async read(count: number): Promise<Uint8Array | null> {
    while (this.#pending.length < count) {
      const chunk = new Uint8Array(16_384);
      const n = await this.#conn.read(chunk);
      if (n === null) return null;
      this.#pending = concat([this.#pending, chunk.subarray(0, n)]);
    }
    const bytes = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    return bytes;
  }

  close(): void {
    this.#leave();
    try {
      this.#conn.close();
    } catch {
      // The other side of the test closed it.
    }
  }
}

/** A server that logs everybody in and answers `SELECT n` by n, except where its behaviour says otherwise. */
export class FakeServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #behaviour: Behaviour;
  readonly #peers = new Set<FakePeer>();
  readonly #work = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  /** Connections that were accepted, cancel requests among them. */
  accepted = 0;
  cancels = 0;

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
    this.#accepting = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#peers.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const peer of this.#peers) peer.close();
    await this.#accepting;
    await Promise.all(this.#work);
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.accepted++;
        const peer = new FakePeer(conn);
        this.#peers.add(peer);
        const work = this.#serve(peer).catch(() => {}).finally(() => {
          peer.close();
          this.#peers.delete(peer);
          this.#work.delete(work);
        });
        this.#work.add(work);
      }
    } catch {
      // The listener was closed.
    }
  }

  async #serve(peer: FakePeer): Promise<void> {
    const { greet, message } = this.#behaviour;
    const head = await peer.read(8);
    if (head === null) return;
    const view = new DataView(head.buffer);
    await peer.read(view.getInt32(0) - 8);
    if (view.getInt32(4) === 80877102) {
      this.cancels++;
      return;
    }
    if (greet !== undefined) await greet(peer);
    else await peer.send(server.greeting());
    for (;;) {
      const header = await peer.read(5);
      if (header === null) return;
      const type = String.fromCharCode(header[0]!);
      const body = await peer.read(new DataView(header.buffer).getInt32(1) - 4);
      if (body === null || type === "X") return;
      const sql = type === "Q" ? new TextDecoder().decode(body.subarray(0, -1)) : "";
      if (await message?.(peer, type, sql)) continue;
      if (type === "Q") await peer.send(/^SELECT/.test(sql) ? server.answer(sql.slice(7)) : done(sql));
    }
  }
}

function done(sql: string): Uint8Array {
  return concat([server.complete(sql), server.ready()]);
}
