import type { LoginParts } from "../login/mod.ts";
import type { Network } from "../transport/mod.ts";
import { Listener } from "./listener.ts";

/** All sockets on which a process listens for clients. */
export class ListeningSockets {
  #listeners: readonly Listener[] = [];

  /** Connections that came through them and are still open, logged in or not. */
  get open(): number {
    return this.#listeners.reduce((sum, { open }) => sum + open, 0);
  }

  /** Listens as `listen` says, and accepts. @throws Error when an address cannot be had; none is left open then */
  async start(worker: LoginParts, network: Network): Promise<void> {
    const { address, unix_socket_dir: folder } = worker.config.listen;
    const listeners: Listener[] = [];
    try {
      for (const host of address) listeners.push(await Listener.tcp(worker, network, host));
      if (folder !== null) listeners.push(Listener.unix(worker, network, folder));
    } catch (error) {
      for (const listener of listeners) listener.close();
      throw error;
    }
    this.#listeners = listeners;
    for (const listener of listeners) void listener.run();
  }

  /** {@link Listener.giveWay} of each. @returns whether another process has new connections of any */
  async giveWay(): Promise<boolean> {
    const gone = await Promise.all(this.#listeners.map((listener) => listener.giveWay()));
    return gone.includes(true);
  }

  /** Takes no more connections over TCP; those that are open stay. */
  closeTcp(): void {
    for (const listener of this.#listeners) if (!listener.isUnix) listener.close();
  }

  /** Takes no more connections; those that are open stay. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
  }
}
