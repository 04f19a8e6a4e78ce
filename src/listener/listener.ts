import { type LoginParts, serveClient } from "../login/mod.ts";
import { type Acceptor, type Network, unixSocketPath } from "../transport/mod.ts";

/** Connections beyond max_client_conn that may be open while they log in, or to be told that there are too many. */
const LOGINS_MAX = 1000;

/** Whoever may enter the folder may connect, as with PostgreSQL (unix_socket_permissions); authentication comes behind it. */
const UNIX_SOCKET_MODE = 0o777;

/** Pause after an accept that failed for want of resources. */
const ACCEPT_RETRY_MS = 100;

/** One listening socket and the connections that came through it. */
export class Listener {
  readonly #socket: Acceptor;
  readonly #worker: LoginParts;
  #open = 0;
  #closed = false;

  private constructor(socket: Acceptor, worker: LoginParts) {
    this.#socket = socket;
    this.#worker = worker;
  }

  /** Listens on a TCP address. @throws Error when the address is taken or not this machine's */
  static async tcp(worker: LoginParts, network: Network, address: string, port: number): Promise<Listener> {
    try {
      return new Listener(await network.listenTcp(address, port), worker);
    } catch (error) {
      throw unable(`${address}:${port}`, error);
    }
  }

  /** Listens on PostgreSQL's socket in a folder. @throws Error when it cannot be made there */
  static unix(worker: LoginParts, network: Network, folder: string, port: number): Listener {
    const path = unixSocketPath(folder, port);
    let socket: Acceptor | null = null;
    try {
      socket = network.listenUnix(path);
      Deno.chmodSync(path, UNIX_SOCKET_MODE);
      return new Listener(socket, worker);
    } catch (error) {
      socket?.close();
      throw unable(path, error);
    }
  }

  /** Connections that came through this socket and are still open, logged in or not. */
  get open(): number {
    return this.#open;
  }

  /** Accepts until {@link close}. Never rejects. */
  async run(): Promise<void> {
    const { runtime: { clock }, warnings } = this.#worker;
    while (!this.#closed) {
      try {
        const { stream, peer } = await this.#socket.accept();
        if (this.#open >= this.#worker.config.listen.max_client_conn + LOGINS_MAX) {
          stream.close();
          continue;
        }
        this.#open++;
        void serveClient(this.#worker, stream, peer).finally(() => this.#open--);
      } catch (error) {
        if (this.#closed) return;
        // A client that reset its connection before it was accepted must not delay the next one.
        if (error instanceof Deno.errors.NotConnected) continue;
        warnings.say("accept", "cannot accept a connection", { error: String(error) });
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

/** The system's own error does not say which address it is about. */
function unable(where: string, error: unknown): Error {
  return new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
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
