import type { InstanceInfo } from "../../arbiter/mod.ts";
import type { LiveConfig, Segments } from "../../config/mod.ts";
import type { LoginParts } from "../../login/mod.ts";
import type { Moves } from "../../moves/mod.ts";
import type { SessionView } from "../../session/mod.ts";
import type { ConnectedClient } from "./connected_client.ts";

/** How SHUTDOWN ends pgplex: at once, when running transactions have ended, or when all clients have left. */
export type ShutdownMode = "now" | "wait_for_servers" | "wait_for_clients";

/** What the console can see and do; `process.ts` hands it over. */
export interface ConsoleParts {
  readonly worker: LoginParts;
  /** pgplex's own version: `0.1.0`. */
  readonly version: string;
  /** Connections to the console itself. */
  readonly clients: ReadonlySet<ConnectedClient>;
  /** Reads the configuration file again, as SIGHUP does. @throws PgplexError `config_invalid`; nothing changed then */
  readonly reload: () => Promise<ReloadReport>;
  /** The configuration in force with its origins. To read only: {@link set} and {@link reset} change it, and what follows. */
  readonly live: Pick<LiveConfig, "config" | "sourceOf" | "pendingAt" | "laid">;
  /** SET: overrides the file's value; takes effect at once. @throws PgplexError as {@link LiveConfig.set} */
  readonly set: (segments: Segments, value: unknown) => void;
  /** RESET: removes overrides; returns their paths. @throws PgplexError as {@link LiveConfig.reset} */
  readonly reset: (segments: Segments) => readonly string[];
  /** Takes a node out, so that it serves nobody who only reads, or back in. Both names exist. */
  readonly disableNode: (cluster: string, node: string, disabled: boolean) => void;
  /** What moves the primaries of clusters. */
  readonly moves: Pick<Moves, "command" | "conditionOf" | "recordOf" | "names">;
  /** All instances that are known. */
  readonly instances: () => readonly InstanceInfo[];
  /** Installs the schema pgplex on a cluster that exists; returns lines that say what was done. @throws PgplexError why it was not */
  readonly installSchema: (cluster: string) => Promise<readonly string[]>;
  /** Starts the shutdown; returns at once. */
  readonly shutdown: (mode: ShutdownMode) => void;
}

/** What a reload did: paths of settings. */
export interface ReloadReport {
  readonly live: readonly string[];
  readonly restart: readonly string[];
}

/** Every session as it is at the moment, in the order in which they came. */
export function sessionsOf({ worker }: Pick<ConsoleParts, "worker">): SessionView[] {
  return [...worker.sessions].map(({ view }) => view);
}
