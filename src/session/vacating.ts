import { type BinaryString, utf8FromBinary } from "../protocol/mod.ts";
import type { Destination, DestinationKey } from "../servers/mod.ts";
import type { SessionParts } from "./session_parts.ts";

/** A session's statement that needs a database, or all but its own, for itself: pgplex's own connections leave it meanwhile. */
export class Vacating {
  readonly #worker: Pick<SessionParts, "pools" | "listeners">;
  readonly #own: DestinationKey;
  /** Lets server connections into the database again. */
  #letIn: (() => void) | null = null;

  constructor(worker: Pick<SessionParts, "pools" | "listeners">, { key }: Destination) {
    this.#worker = worker;
    this.#own = key;
  }

  /** The statement goes to the server. `name` is empty where it may be any database. */
  begins(name: BinaryString): void {
    const database = utf8FromBinary(name);
    const { pools, listeners } = this.#worker;
    const own = this.#own;
    const isVacated = ({ cluster, database: other }: Pick<DestinationKey, "cluster" | "database">) =>
      cluster === own.cluster && (database === "" ? other !== own.database : other === database);
    this.#letIn?.();
    this.#letIn = pools.vacate(isVacated);
    listeners.closeUnused(({ key }) => isVacated(key));
  }

  /** The statement is over, if there was one. */
  ends(): void {
    this.#letIn?.();
    this.#letIn = null;
  }
}
