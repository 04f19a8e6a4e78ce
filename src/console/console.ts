import { PgplexError } from "../kernel/mod.ts";
import { checkConsoleShare, type ConsoleDoor, type ConsoleVisitor } from "../login/mod.ts";
import type { Table } from "./answer/mod.ts";
import { ConsoleClient } from "./client/mod.ts";
import { Commands, mayEnter, notAllowed } from "./command/mod.ts";
import { CONNECTION_COMMANDS } from "./drivers/mod.ts";
import type { ConsoleParts } from "./parts/mod.ts";
import {
  pause,
  PGBOUNCER_COMMANDS,
  resume,
  showDatabases,
  showPools,
  showStatsTotals,
} from "./pgbouncer/mod.ts";
import { PGPLEX_COMMANDS, showClusters, showFailovers, showNodes, showPins } from "./pgplex/mod.ts";
import { TREE_COMMANDS } from "./tree/mod.ts";

/** Console connections at the same time; not counted in max_client_conn, so that an operator can connect when that is full. */
export const CONSOLE_CLIENTS_MAX = 100;

/** How many of these are reserved for `admin_users`: monitoring that leaks connections does not lock operators out. */
const ADMIN_CLIENTS_RESERVED = 10;

/** Tables that are shown outside of the console too, each as its SHOW has it. */
const TABLES = {
  clusters: showClusters,
  databases: showDatabases,
  failovers: showFailovers,
  nodes: showNodes,
  pins: showPins,
  pools: showPools,
  stats_totals: showStatsTotals,
};

/** The name of a table of {@link Console.table}. */
export type ConsoleTable = keyof typeof TABLES;

/** The management database of one worker. */
export class Console implements ConsoleDoor {
  readonly #parts: ConsoleParts;
  readonly #commands = new Commands([
    ...PGBOUNCER_COMMANDS,
    ...PGPLEX_COMMANDS,
    ...TREE_COMMANDS,
    ...CONNECTION_COMMANDS,
  ]);
  readonly #clients = new Set<ConsoleClient>();
  readonly #ended = new AbortController();

  constructor(parts: Omit<ConsoleParts, "clients">) {
    this.#parts = { ...parts, clients: this.#clients };
  }

  opens(name: string): boolean {
    const { database, aliases } = this.#parts.worker.config.console;
    return name === database || aliases.includes(name);
  }

  clientsOf(user: string): number {
    let count = 0;
    for (const client of this.#clients) if (client.user === user) count++;
    return count;
  }

  admit(visitor: ConsoleVisitor): (rest: Uint8Array) => Promise<void> {
    const { worker } = this.#parts;
    const { user, database } = visitor;
    if (!mayEnter(worker.config.console, user)) throw notAllowed(database, user);
    const isAdmin = worker.config.console.admin_users.includes(user);
    const reserved = isAdmin ? 0 : ADMIN_CLIENTS_RESERVED;
    if (!isAdmin) {
      const [inDatabase, asUser] = [this.#clients.size, this.clientsOf(user)];
      checkConsoleShare(worker, { database, user, inDatabase, asUser });
    }
    if (this.#clients.size >= CONSOLE_CLIENTS_MAX - reserved) {
      throw new PgplexError("too_many_clients", "sorry, too many clients already", {
        detail:
          `The console takes ${CONSOLE_CLIENTS_MAX} connections, the last ${ADMIN_CLIENTS_RESERVED} from administrators only.`,
      });
    }
    const client = new ConsoleClient(this.#parts, this.#commands, visitor);
    this.#clients.add(client);
    worker.log.debug("console entered", { client: client.id, user, peer: visitor.peer.host });
    return async (rest) => {
      await client.run(rest);
      this.#clients.delete(client);
    };
  }

  /** What a SHOW of this name, without arguments, answers at the moment. */
  table(name: ConsoleTable): Table {
    return TABLES[name](this.#parts);
  }

  /** Whether a user may look at what the console shows. */
  mayLook(user: string): boolean {
    return mayEnter(this.#parts.worker.config.console, user);
  }

  /** PAUSE of all databases without a connection to the console. @throws PgplexError as {@link pause} */
  pause(): Promise<void> {
    return pause({ ...this.#parts, signal: this.#ended.signal }, null);
  }

  /** RESUME of all databases without a connection to the console. @throws PgplexError as {@link resume} */
  resume(): void {
    resume(this.#parts, null);
  }

  /** Ends all connections to the console, and a waiting {@link pause}. */
  end(error: PgplexError): void {
    this.#ended.abort(error);
    for (const client of this.#clients) client.end(error);
  }
}
