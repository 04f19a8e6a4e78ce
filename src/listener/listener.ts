import { serveClient, type Worker } from "../session/mod.ts";
import { type PeerAddress, peerOf, SocketStream, unixSocketPath } from "../transport/mod.ts";

/** Connections beyond max_client_conn that may be open while they log in, or to be told that there are too many. */
const LOGINS_MAX = 1000;

/** Pause after an accept that failed for want of resources. */
const ACCEPT_RETRY_MS = 100;

/** One listening socket and the connections that came through it. */
export class Listener {
  readonly #socket: Deno.Listener;
  readonly #worker: Worker;
  #open = 0;
  #closed = false;

  private constructor(socket: Deno.Listener, worker: Worker) {
    this.#socket = socket;
    this.#worker = worker;
  }

  /** Listens on a TCP address. @throws Deno.errors when the address is taken or not this machine's */
  static tcp(worker: Worker, address: string, port: number): Listener {
    return new Listener(Deno.listen({ hostname: address, port }), worker);
  }

  /** Listens on PostgreSQL's socket in a folder. */
  static unix(worker: Worker, folder: string, port: number): Listener {
    return new Listener(Deno.listen({ transport: "unix", path: unixSocketPath(folder, port) }), worker);
  }

  /** Accepts until {@link close}. Never rejects. */
  async run(): Promise<void> {
    const { clock, config, log } = this.#worker;
    while (!this.#closed) {
      try {
        const conn = await this.#socket.accept();
        if (this.#open >= config.listen.max_client_conn + LOGINS_MAX) {
          conn.close();
          continue;
        }
        const peer = tryPeerOf(conn);
        if (peer === null) {
          conn.close();
          continue;
        }
        this.#open++;
        void serveClient(this.#worker, new SocketStream(conn), peer).finally(() => this.#open--);
      } catch (error) {
        if (this.#closed) return;
        log.warning("cannot accept a connection", { error: String(error) });
        await new Promise<void>((resolve) => clock.after(ACCEPT_RETRY_MS, resolve));
      }
    }
  }

  /** Takes no more connections; those that are open stay. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

/** Null for a client that reset its connection before it was accepted: it has no address any more. */
function tryPeerOf(conn: Deno.Conn): PeerAddress | null {
  try {
    return peerOf(conn);
  } catch {
    return null;
  }
}
