import {
  type FrameTaker,
  login,
  parameterAt,
  type Runtime,
  type ServerConnection,
  serverError,
  type ServerSink,
  takeFrames,
} from "../backend/mod.ts";
import type { ClusterTls } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  Back,
  type BinaryString,
  decodeErrorFields,
  encodeQuery,
  endsConnection,
  HEADER_BYTES,
  type Notification,
  notificationAt,
} from "../protocol/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";

/** Keeps the limits of a client or a database from ending or failing it; older servers do not know the last one. */
export const LISTENER_SETTINGS: BinaryString = "SET statement_timeout = 0; SET lock_timeout = 0; " +
  "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'";

/** What a listener's connection tells. All calls are synchronous. */
export interface ListenerPort {
  /** A notification came; `message` is it as a whole, and belongs to nobody else. */
  notified(notification: Notification, message: Uint8Array): void;
  /** Everything that was received so far has been told. */
  received(): void;
  /** The server could not deliver something, by its own account. */
  trouble(error: PgplexError): void;
  /** The connection is over; commands that were not answered have been rejected. */
  ended(error: PgplexError): void;
}

interface Command {
  done(): void;
  failed(error: PgplexError): void;
  error: PgplexError | null;
}

/** A server connection that listens: commands one behind the other, and notifications at any time between their replies. */
export class ListenerConnection implements ServerSink, FrameTaker {
  readonly connection: ServerConnection;
  readonly #port: ListenerPort;
  readonly #commands: Command[] = [];

  constructor(connection: ServerConnection, port: ListenerPort) {
    this.connection = connection;
    this.#port = port;
    connection.setSink(this);
  }

  /** Runs a simple query, whose rows nobody needs. @returns rejects with the server's error, or when the connection ends. */
  run(sql: BinaryString): Promise<void> {
    const { connection } = this;
    return new Promise((done, failed) => {
      if (connection.closed) {
        failed(new PgplexError("server_lost", "the server connection is closed"));
        return;
      }
      this.#commands.push({ done, failed, error: null });
      connection.out.put(encodeQuery(sql));
      void connection.out.flush();
    });
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    return takeFrames(this, bytes, start, end);
  }

  wants(): boolean {
    return true;
  }

  flush(): Promise<void> | null {
    return null;
  }

  settle(): void {
    this.#port.received();
  }

  ended(error: PgplexError): void {
    for (const { failed } of this.#commands.splice(0)) failed(error);
    this.#port.ended(error);
  }

  frame(type: number, bytes: Uint8Array, start: number, end: number): void {
    switch (type) {
      case Back.NotificationResponse: {
        const at = start - HEADER_BYTES;
        const notification = notificationAt(bytes, at, end);
        if (notification === null) {
          throw new PgplexError("server_protocol", "the server sent a malformed notification");
        }
        this.#port.notified(notification, bytes.slice(at, end));
        return;
      }
      case Back.ReadyForQuery: {
        // Without a command it follows an error that came by itself.
        const command = this.#commands.shift();
        if (command === undefined) return;
        if (command.error === null) command.done();
        else command.failed(command.error);
        return;
      }
      case Back.ErrorResponse: {
        const error = serverError(bytes, start, end);
        if (endsConnection(decodeErrorFields(bytes, start, end))) this.connection.noteFatal(error);
        else if (this.#commands.length > 0) this.#commands[0]!.error = error;
        else this.#port.trouble(error);
        return;
      }
      case Back.ParameterStatus: {
        const [name, value] = parameterAt(bytes, start, end);
        this.connection.noteParameter(name, value);
        return;
      }
    }
  }
}

/** Logs in to `node`, for the sessions of one destination and client_encoding. @throws PgplexError when it cannot be had */
export function loginListener(
  { key, settings, credentials }: Destination,
  node: NodeAddress,
  { tls, encoding, parts }: { tls: ClusterTls; encoding: BinaryString; parts: Runtime },
): Promise<ServerConnection> {
  return login({
    endpoint: node,
    tls,
    user: key.user,
    database: key.database,
    credentials,
    params: new Map([["client_encoding", encoding], ["application_name", "pgplex listener"]]),
    base: "",
    timeoutMs: settings.server_connect_timeout,
  }, parts);
}
