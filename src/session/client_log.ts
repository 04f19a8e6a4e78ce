import type { LogConfig } from "../config/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import type { Log, LogFields } from "../telemetry/mod.ts";
import type { SessionFacts } from "./session_facts.ts";

/** Who a client is, for the log: the id is that of SHOW CLIENTS. */
export type LoggedClient = Pick<SessionFacts, "id" | "user" | "database" | "peer">;

/** What the log says of single clients, as far as `log` of the configuration asks for it. */
export class ClientLog {
  readonly #log: Log;
  readonly #config: () => LogConfig;

  constructor(log: Log, config: () => LogConfig) {
    this.#log = log;
    this.#config = config;
  }

  connected(client: LoggedClient, tls: string | null): void {
    if (this.#config().connections) {
      this.#log.info("client connected", { ...fieldsOf(client), tls: tls ?? "no" });
    }
  }

  /** `lastedMs` is how long it was connected, in milliseconds. */
  disconnected(client: LoggedClient, { reason, lastedMs }: { reason: string; lastedMs: number }): void {
    if (!this.#config().disconnections) return;
    const seconds = Math.round(lastedMs / 1000);
    this.#log.info("client disconnected", { ...fieldsOf(client), reason, seconds });
  }

  /** The client hears this, and it is not the server's. */
  poolerError(client: LoggedClient, error: PgplexError): void {
    if (!this.#config().pooler_errors) return;
    this.#log.warning("pooler error", {
      ...fieldsOf(client),
      error: error.message,
      sqlstate: error.sqlstate,
    });
  }
}

function fieldsOf({ id, user, database, peer }: LoggedClient): LogFields {
  return { client: id, user, database, peer: peer.port === 0 ? peer.host : `${peer.host}:${peer.port}` };
}
