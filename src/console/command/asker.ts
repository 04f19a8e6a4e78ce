/** The client's own part of a command: who asks, and what only its connection has. */
export interface Asker {
  /** The id that SHOW CLIENTS and KILL_CLIENT know it by. */
  readonly id: number;
  readonly user: string;
  /** Whether it is one of `console.admin_users`. */
  readonly admin: boolean;
  /** Settings of this console connection that drivers set and ask for; see `drivers/`. */
  readonly driverSettings: Map<string, string>;
  /** The application_name of the connection string, to which RESET goes back. */
  readonly startupName: string;
  /** Whether the client has said BEGIN. */
  inTransaction: boolean;
  /** Sends a ParameterStatus before the answer. */
  report(name: string, value: string): void;
  /** Closes prepared statements: the named one, or all. */
  deallocate(name: string | null): void;
}
