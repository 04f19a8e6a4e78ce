import { serveClient, type Worker } from "../session/mod.ts";
import { peerOf, socketStream, unixSocketPath } from "../transport/mod.ts";

/** Connections beyond max_client_conn that may be open while they log in, or to be told that there are too many. */
const LOGINS_MAX = 1000;

/** Whoever may enter the folder may connect, as with PostgreSQL (unix_socket_permissions); authentication comes behind it. */
const UNIX_SOCKET_MODE = 0o777;

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

  /** Listens on a TCP address. @throws Error when the address is taken or not this machine's */
  static tcp(worker: Worker, address: string, port: number): Listener {
    return new Listener(listen(`${address}:${port}`, () => Deno.listen({ hostname: address, port })), worker);
  }

  /** Listens on PostgreSQL's socket in a folder. @throws Error when it cannot be made there */
  static unix(worker: Worker, folder: string, port: number): Listener {
    const path = unixSocketPath(folder, port);
    const socket = listen(path, () => Deno.listen({ transport: "unix", path }));
    try {
      Deno.chmodSync(path, UNIX_SOCKET_MODE);
    } catch (error) {
      socket.close();
      throw error;
    }
    return new Listener(socket, worker);
  }

  /** Connections that came through this socket and are still open, logged in or not. */
  get open(): number {
    return this.#open;
  }

  /** Accepts until {@link close}. Never rejects. */
  async run(): Promise<void> {
    const { clock, log } = this.#worker;
    while (!this.#closed) {
      try {
        const conn = await this.#socket.accept();
        if (this.#open >= this.#worker.config.listen.max_client_conn + LOGINS_MAX) {
          conn.close();
          continue;
        }
        this.#open++;
        void serveClient(this.#worker, socketStream(conn), peerOf(conn)).finally(() => this.#open--);
      } catch (error) {
        if (this.#closed) return;
        // A client that reset its connection before it was accepted must not delay the next one.
        if (error instanceof Deno.errors.NotConnected) continue;
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

/** The runtime's own error does not say which address it is about. */
function listen(where: string, open: () => Deno.Listener): Deno.Listener {
  try {
    return open();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Removes PostgreSQL's socket from a folder when nobody listens on it: its owner was killed. */
export async function removeStaleSocket(folder: string, port: number): Promise<void> {
  const path = unixSocketPath(folder, port);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path);
  }
}
