import { isIP } from "node:net";
import { type LoginParts, serveClient } from "../login/mod.ts";
import { type Acceptor, type Endpoint, type Network, unixSocketPath } from "../transport/mod.ts";
import { reached, reachesUs } from "./reach.ts";

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
  /** Where it can be reached from here. */
  readonly #endpoint: Endpoint;
  #open = 0;
  #closed = false;

  private constructor(socket: Acceptor, worker: LoginParts, endpoint: Endpoint) {
    this.#socket = socket;
    this.#worker = worker;
    this.#endpoint = endpoint;
  }

  /** Listens on a TCP address. @throws Error when the address is taken or not this machine's */
  static async tcp(worker: LoginParts, network: Network, address: string): Promise<Listener> {
    const { port, reuse_port: shared, address: all } = worker.config.listen;
    try {
      // An IPv4 address has a socket of its own; where there is none, `::` takes IPv4 as well.
      const ipv6Only = all.some((other) => isIP(other) !== 6);
      const socket = await network.listenTcp(address, port, { shared, ipv6Only });
      // What one that has ended left behind must not keep the connections from this one.
      if (shared) socket.prefer(null);
      return new Listener(socket, worker, { host: reached(address), port });
    } catch (error) {
      throw unable(`${address}:${port}`, error);
    }
  }

  /** Listens on PostgreSQL's socket in a folder. @throws Error when it cannot be made there */
  static unix(worker: LoginParts, network: Network, folder: string): Listener {
    const { port, reuse_port: shared } = worker.config.listen;
    const path = unixSocketPath(folder, port);
    let socket: Acceptor | null = null;
    try {
      socket = network.listenUnix(path, shared);
      Deno.chmodSync(path, UNIX_SOCKET_MODE);
      return new Listener(socket, worker, { host: folder, port });
    } catch (error) {
      socket?.close();
      throw unable(path, error);
    }
  }

  /** Connections that came through this socket and are still open, logged in or not. */
  get open(): number {
    return this.#open;
  }

  get isUnix(): boolean {
    return this.#endpoint.host.startsWith("/");
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

  /**
   * Lets another process that listens on the same address have the new connections. Those that are in this one's queue, or on
   * their way to it, are accepted as before: {@link close} would reset them.
   *
   * @returns whether there is another process, and it has them
   */
  async giveWay(): Promise<boolean> {
    if (!this.#worker.config.listen.reuse_port) return false;
    for (let index = 0; index < 2; index++) {
      if (!this.#socket.prefer(index)) return false;
      if (await reachesUs(this.#worker, this.#endpoint) === false) return true;
    }
    this.#socket.prefer(null);
    return false;
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
